"""Groups of parameters: who is decayed, who learns slower, and what an optimizer makes of it."""

import pytest
import torch
from conftest import entries
from recurrences import STRANGE, recurrence

from unroll.config.components import InitialState
from unroll.config.registry import build, from_dict
from unroll.errors import InputError
from unroll.nn.optimizers.groups import Tuned, as_saved, parameter_groups

ADAMW = from_dict("optimizer", {"name": "adamw", "lr": 0.02, "weight_decay": 0.1})
UNDECAYED = from_dict("optimizer", {"name": "adamw", "lr": 0.02, "weight_decay": 0.0})


def names(module, group):
    own = {id(parameter): name for name, parameter in module.named_parameters()}
    return [own[id(parameter)] for parameter in group["params"]]


class Layers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 4)
        self.norm = torch.nn.LayerNorm(4)
        self.embedding = torch.nn.Embedding(5, 3)
        self.gru = recurrence({"name": "gru"}, initial_state=InitialState.learned)


def test_biases_norms_and_initial_states_are_not_decayed():
    module = Layers()
    decayed, rest = parameter_groups(module, ADAMW)
    assert names(module, decayed) == [
        "linear.weight",
        "embedding.weight",
        "gru.cells.0.weight_ih",
        "gru.cells.0.weight_hh",
    ]
    assert list(decayed) == ["params"]
    assert rest["weight_decay"] == 0
    assert sorted(names(module, decayed) + names(module, rest)) == sorted(dict(module.named_parameters()))


def test_where_nothing_is_decayed_there_is_one_group_in_the_models_order():
    module = Layers()
    (group,) = parameter_groups(module, UNDECAYED)
    assert list(group) == ["params"]
    assert names(module, group) == [name for name, _ in module.named_parameters()]
    plain, grouped = (build(UNDECAYED, given) for given in (module.parameters(), [group]))
    assert plain.state_dict() == grouped.state_dict()


def test_a_cell_declares_what_is_not_decayed_and_what_learns_slower():
    matrix, buffer, _ = (recurrence(cell, initial_state=InitialState.learned) for cell in STRANGE)
    decayed, rest = parameter_groups(matrix, ADAMW)
    assert names(matrix, decayed) == ["cells.0.project.weight"]  # but not those of its gates
    assert "cells.0.gates.weight" in names(matrix, rest)
    assert {"learned_state.0", "learned_state.1"} <= set(names(matrix, rest))  # whatever their axes
    groups = parameter_groups(torch.nn.ModuleList([torch.nn.Linear(2, 2), buffer]), UNDECAYED)
    assert [group.get("lr") for group in groups] == [None, pytest.approx(0.002)]
    assert groups[1]["params"] == [buffer.cells[0].scale]


def test_a_name_that_is_no_parameters_is_told():
    class Forgetful(torch.nn.Module, Tuned):
        no_decay = frozenset({"wieght"})

    with pytest.raises(ValueError, match="Forgetful: has no parameter 'wieght' to tune"):
        parameter_groups(torch.nn.ModuleList([Forgetful()]), ADAMW)


@pytest.mark.parametrize("name", entries("optimizer"))
def test_every_optimizer_does_as_the_groups_say(name):
    """With no gradient the decay alone moves a weight; and a tenth of the rate moves it a tenth."""
    config = from_dict("optimizer", {"name": name, "lr": 0.01, "weight_decay": 0.1})
    linear = torch.nn.Linear(3, 4)
    before = [parameter.detach().clone() for parameter in linear.parameters()]
    optimizer = build(config, parameter_groups(linear, config))
    for parameter in linear.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert not torch.equal(linear.weight, before[0])
    assert torch.equal(linear.bias, before[1])

    module = recurrence(STRANGE[1]).double()
    other = torch.nn.Parameter(module.cells[0].scale.detach().clone())
    config = from_dict("optimizer", {"name": name, "lr": 0.01, "weight_decay": 0.0})
    moved = []
    for parameter, groups in ((module.cells[0].scale, parameter_groups(module, config)), (other, [other])):
        optimizer = build(config, groups)
        parameter.grad = torch.full_like(parameter, 3.0)
        start = parameter.item()
        optimizer.step()
        moved.append(start - parameter.item())
    assert moved[0] == pytest.approx(moved[1] / 10)


@pytest.mark.parametrize("config", [ADAMW, UNDECAYED], ids=["decayed", "undecayed"])
def test_the_groups_that_a_state_was_saved_with(config):
    module = torch.nn.ModuleList([torch.nn.LayerNorm(4), *(recurrence(cell) for cell in STRANGE)])
    for apart in (True, False):
        groups = parameter_groups(module, config, apart=apart)
        saved = build(config, groups).state_dict()["param_groups"]
        again = as_saved(module, config, saved)
        assert [names(module, group) for group in again] == [names(module, group) for group in groups]
    others = as_saved(module, config, [{"params": [0]}])
    assert [len(group["params"]) for group in others] == [
        len(group["params"]) for group in parameter_groups(module, config)
    ]


@pytest.mark.parametrize(
    ("group", "name", "key", "values", "expected"),
    [
        ("optimizer", "adam", "beta1", (-0.1, 1.0, 2.0, float("nan")), r"in \[0, 1\)"),
        ("optimizer", "adamw", "beta2", (-0.1, 1.0, float("inf")), r"in \[0, 1\)"),
        ("optimizer", "rmsprop", "momentum", (-0.1, 1.0), r"in \[0, 1\)"),
        ("optimizer", "sgd", "momentum", (-0.1, 1.0), r"in \[0, 1\)"),
        ("scheduler", "cosine", "final", (-0.1, 1.1, float("nan")), r"a share of the rate, in \[0, 1\]"),
        ("scheduler", "linear", "final", (-0.1, 1.1), r"a share of the rate, in \[0, 1\]"),
        ("scheduler", "linear", "warmup", (-0.1, 1.0), r"a share of all steps, in \[0, 1\)"),
        ("scheduler", "cosine", "warmup", (-0.1, 1.0), r"a share of all steps, in \[0, 1\)"),
        ("scheduler", "plateau", "factor", (-0.5, 0.0, 1.0), r"in \(0, 1\)"),
        ("scheduler", "plateau", "patience", (-1,), "0 or more"),
    ],
)
def test_ranges(group, name, key, values, expected):
    for value in values:
        with pytest.raises(InputError, match=rf"{group}\.{key}=.*: must be {expected}"):
            from_dict(
                group,
                {"name": name, "lr": 1e-3, key: value}
                if group == "optimizer"
                else {"name": name, key: value},
            )
