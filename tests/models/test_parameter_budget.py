"""`model.parameters`: the largest hidden size that a budget of trainable parameters allows."""

import dataclasses
import json
import subprocess
import sys

import pytest
import torch
from conftest import ROOT, entries
from helpers import NESTED, any_spec, small_model
from omegaconf import OmegaConf

from unroll.config import registry
from unroll.config.components import HIDDEN_SIZE_LIMIT, RecurrentConfig
from unroll.config.registry import from_dict
from unroll.errors import InputError
from unroll.models.base import load_model
from unroll.models.size import resolve_size
from unroll.spec import DataSpec

RECURRENT = [
    name for name in entries("model") if issubclass(registry.config_class("model", name), RecurrentConfig)
]
BUDGET = 3000
TWO = {"num_layers": 2, "bidirectional": True, "initial_state": "learned"}


def spec_for(name: str) -> DataSpec:
    signature = registry.config_class("model", name).accepts[0]
    return any_spec(signature.inputs, signature.targets, signature.alignment)


def sized(name, **values):
    return small_model(name, spec_for(name), **values)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def hidden_size(model):
    return model.hparams["model"]["hidden_size"]


@pytest.mark.parametrize("cell", entries("model/cell"))
@pytest.mark.parametrize("name", RECURRENT)
def test_one_more_unit_would_be_too_many(name, cell):
    small = {"embedding_size": 3} if name in ("seq2seq", "one_to_many") else {}
    values = {"name": cell, **({"window": 4} if cell == "attention" else {})}
    model = sized(name, cell=values, parameters=BUDGET, **small)
    units, unit = hidden_size(model), from_dict("model/cell", {"name": cell}).unit()
    assert units > 1
    assert units % unit == 0
    assert count(model) <= BUDGET
    assert count(sized(name, cell=values, hidden_size=units + unit, **small)) > BUDGET


@pytest.mark.parametrize("name", sorted({*RECURRENT} - {"one_to_many"}))
def test_all_that_is_trained_counts(name):
    """Two layers in both directions, each with a learned state: all of it is weighed."""
    model = sized(name, parameters=20_000, **TWO)
    assert count(model) <= 20_000
    assert count(sized(name, hidden_size=hidden_size(model) + 1, **TWO)) > 20_000


def test_a_budget_that_is_just_enough_is_used_whole():
    for units in (1, 2, 9):
        exact = count(sized("many_to_one", hidden_size=units))
        assert hidden_size(sized("many_to_one", parameters=exact)) == units
        assert hidden_size(sized("many_to_one", parameters=exact + 1)) == units


def test_it_is_the_very_model_of_that_hidden_size():
    """The search takes no random numbers, so that the first weights are the same too."""
    torch.manual_seed(3)
    chosen = sized("many_to_one", parameters=BUDGET)
    torch.manual_seed(3)
    given = sized("many_to_one", hidden_size=hidden_size(chosen))
    assert chosen.hparams == given.hparams
    for name, value in given.state_dict().items():
        assert torch.equal(chosen.state_dict()[name], value)


def test_a_checkpoint_rebuilds_it():
    model = sized("many_to_one", parameters=BUDGET)
    plain = json.loads(json.dumps(dict(model.hparams)))
    again = load_model({"hyper_parameters": plain, "state_dict": model.state_dict()}, "it")
    assert again.hparams["model"] == model.hparams["model"]
    assert again.hparams["model"]["parameters"] is None


def test_a_budget_that_is_too_small_is_told():
    smallest = count(sized("many_to_one", hidden_size=1))
    message = (
        f"^model.parameters={smallest - 1}: with hidden_size=1 this many_to_one has {smallest} already; "
        "give as many or more$"
    )
    with pytest.raises(InputError, match=message):
        sized("many_to_one", parameters=smallest - 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"parameters": 0}, r"^model.parameters=0: must be in \[1, 10\^12\], or null$"),
        ({"parameters": 10**13}, r"^model.parameters=10000000000000: must be in \[1, 10\^12\], or null$"),
        (
            {"parameters": 9, "num_layers": 0},
            r"^model.parameters=9: must be null with num_layers=0 \(no recurrence to size\)$",
        ),
    ],
)
def test_bad_values_are_told_before_torch_is_needed(values, message):
    with pytest.raises(InputError, match=message):
        from_dict("model", {"name": "many_to_one", **NESTED["many_to_one"], **values})


def test_the_search_takes_no_memory_and_ends_at_the_largest_hidden_size():
    config = from_dict("model", {"name": "many_to_one", **NESTED["many_to_one"]})

    def found(parameters):
        wanted = dataclasses.replace(config, parameters=parameters)
        return resolve_size(wanted, lambda config: torch.nn.GRU(3, config.hidden_size)).hidden_size

    units = found(10**11)  # of which the weights alone would be 400 GB
    assert 3 * units * (units + 5) <= 10**11 < 3 * (units + 1) * (units + 6)
    assert resolve_size(
        dataclasses.replace(config, parameters=10**12), lambda config: torch.nn.Linear(1, config.hidden_size)
    ) == dataclasses.replace(config, hidden_size=HIDDEN_SIZE_LIMIT)


def test_a_run_says_and_records_the_hidden_size(tmp_path):
    ran = subprocess.run(
        [
            *(sys.executable, ROOT / "train.py", "model=simple_rnn", "debug=fast", "logger=none"),
            *("model.parameters=500", "run_dir=run"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    units = 20
    counts = [h * (1 + h) + 2 * h + h + 1 for h in (units, units + 1)]  # W, U, two biases; the output layer
    assert counts[0] <= 500 < counts[1]
    assert f"model  many_to_one, {counts[0]} parameters with hidden_size={units}\n" in ran.stdout
    config = OmegaConf.load(tmp_path / "run" / "config.yaml").model
    assert (config.hidden_size, config.parameters) == (units, None)
    assert json.loads((tmp_path / "run" / "results.json").read_text())["parameters"] == counts[0]
