"""A default is written once: in the dataclass. A file in conf/ says what it is, and holds what differs."""

import re
from typing import get_type_hints

import pytest
from conftest import ROOT
from helpers import NESTED
from omegaconf import OmegaConf

from unroll.config import registry
from unroll.config.choices import choices, said, schema_of, written
from unroll.config.registry import from_dict, to_dict
from unroll.config.root import TrainConfig

CONF = ROOT / "conf"
FILES = sorted(CONF.rglob("*.yaml"))
STARTING = [file for file in FILES if schema_of(file) is not None]
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
every_choice = pytest.mark.parametrize("file", STARTING, ids=lambda file: str(file.relative_to(CONF)))


def class_of(schema):
    group, _, name = schema.rpartition("/")
    if group in registry.GROUPS:
        return registry.config_class(group, name)
    return TrainConfig if schema == "train" else get_type_hints(TrainConfig)[schema]


def own_values(file):
    """The values that stand in a file itself."""
    values = OmegaConf.to_container(OmegaConf.load(file))
    return {key: value for key, value in values.items() if key not in ("defaults", "hydra")}


def leaves(values, path=()):
    """Keys with dots between, and their values."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield ".".join((*path, key)), value


def test_there_are_files():
    assert len(STARTING) > 60


@every_choice
def test_a_file_repeats_no_default(file):
    config = class_of(schema_of(file))
    defaults = dict(leaves(to_dict(config)))
    own = own_values(file)
    typed = OmegaConf.merge(OmegaConf.structured(config), own)  # 1e-3 is the number there
    plain = dict(leaves(OmegaConf.to_container(typed, enum_to_str=True)))
    for key, value in leaves(own):
        assert plain[key] != defaults[key], f"{key}: {value} is the default of {config.__name__}"


AS_OLD_RUNS = {
    **{name: {"scaling", "calendar", "season"} for name in ("series", "wheel_series")},
    **{name: {"quantiles", "linear"} for name in ("many_to_one", "many_to_many", "seq2seq_continuous")},
}
"""Keys that configs of old runs lack: the dataclass has what those runs did, and files another value."""


@pytest.mark.parametrize("group", ["data", "model"])
def test_what_the_dataclass_makes_is_one_of_the_names(group):
    """So that a config from Python is never something that the command line knows nothing of."""
    for name in registry.names(group):
        older = AS_OLD_RUNS.get(name, set())

        def rest(values, older=older):
            return {key: value for key, value in values.items() if key not in older}

        values = rest(to_dict(from_dict(group, {"name": name, **NESTED.get(name, {})})))
        files = [CONF / group / f"{choice}.yaml" for choice in choices(CONF, group)]
        made = [
            rest(to_dict(from_dict(group, {**written(file), **NESTED.get(name, {})})))
            for file in files
            if schema_of(file) == f"{group}/{name}"
        ]
        assert values in made


@every_file
def test_the_first_line_says_what_it_is(file):
    assert re.fullmatch(r"[A-Z].*[^ ]", said(file))


@every_choice
def test_the_first_line_names_the_file_of_the_class(file):
    """Where it is not named like that."""
    group, _, name = schema_of(file).rpartition("/")
    if group in registry.GROUPS:
        source = registry.file_of(group, name)
        if source.stem != file.stem:
            assert f"({source.relative_to(ROOT)})" in said(file)
    for path in re.findall(r"\((src/\S+)\)", said(file)):
        assert (ROOT / path).is_file()


@every_choice
def test_its_head_names_the_command_that_tells_its_keys(file):
    group = str(file.parent.relative_to(CONF))
    command = "unroll keys" if group == "." else f"unroll keys {group}={file.stem}"
    assert f"# Keys: {command}\n" in file.read_text()
