"""Which edits of a run's config its resumption accepts: those that do not change what it learns."""

from pathlib import Path

import pytest
from helpers import ROOT
from hypothesis import given
from hypothesis import strategies as st

from unroll.config.compose import check, compose
from unroll.config.registry import to_dict
from unroll.config.root import load
from unroll.errors import InputError
from unroll.runs.effect import KEYS_OF_A_PLACE, KEYS_WITHOUT_EFFECT, first_difference, kept
from unroll.runs.folder import RunFolder
from unroll.training.checkpoints import require_same_config

CONFIG = to_dict(load(check(compose([]), ROOT / "conf")))


def leaves(values, *above):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, *above, key)
        else:
            yield (*above, key)


def is_free(path, *trees):
    for tree in trees:
        for key in path:
            tree = tree.get(key, {})
            if tree is True:
                return True
    return False


def changed(values, path, value):
    first, *rest = path
    return {**values, first: changed(values[first], rest, value) if rest else value}


@given(path=st.sampled_from(sorted(leaves(CONFIG))), value=st.integers() | st.text(max_size=5) | st.none())
def test_an_edit_of_any_key_is_told_unless_it_changes_nothing(path, value):
    """The property: resuming to the same bits is promised, so another config is refused, by its key."""
    edit = changed(CONFIG, path, value)
    saved = {"callbacks": {"Saving": {"config": kept(CONFIG)}}}
    folder = RunFolder(Path("run"))
    if is_free(path, KEYS_WITHOUT_EFFECT, KEYS_OF_A_PLACE) or kept(edit) == kept(CONFIG):
        require_same_config(saved, edit, folder)
        return
    with pytest.raises(InputError) as caught:
        require_same_config(saved, edit, folder)
    assert str(caught.value).startswith(f"run/config.yaml: {'.'.join(path)}=")


def test_a_key_that_older_runs_lack_is_no_difference():
    assert first_difference({"a": {"b": 1}}, {"a": {"b": 1, "new": 2}}) is None
    assert first_difference({"a": {"b": 1}}, {"a": {"b": 2}}) == ("a.b", 1, 2)


def test_an_older_checkpoint_knows_its_data_and_its_seed():
    saved = {
        "callbacks": {"Saving": {"best": None}},
        "datamodule_hyper_parameters": {"data": CONFIG["data"], "seed": 1},
    }
    require_same_config(saved, CONFIG, RunFolder(Path("run")))
    with pytest.raises(InputError, match=r"config\.yaml: seed=2: was 1 in the run to resume"):
        require_same_config(saved, {**CONFIG, "seed": 2}, RunFolder(Path("run")))


def test_a_run_may_go_on_with_other_processes_and_nodes():
    saved = {"callbacks": {"Saving": {"config": kept(CONFIG)}}}
    trainer = {**CONFIG["trainer"], "devices": 8, "num_nodes": 4}
    require_same_config(saved, {**CONFIG, "trainer": trainer}, RunFolder(Path("run")))
