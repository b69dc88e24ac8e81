"""What every registered component must do, found by walking the registry."""

import dataclasses

import pytest
import torch
from conftest import ROOT, entries
from helpers import NESTED, fitting_model
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from unroll.config import compose as root
from unroll.config import config_part, registry
from unroll.config.choices import schema_of
from unroll.config.components import GatedCellConfig
from unroll.config.registry import build, from_dict, to_dict, typed
from unroll.errors import InputError

CONF = ROOT / "conf"
ALL = [(group, name) for group in registry.GROUPS for name in entries(group)]
every_entry = pytest.mark.parametrize(("group", "name"), ALL, ids=str)


@every_entry
def test_the_config_of_the_config_part_is_that_of_the_file(group, name):
    """Read without torch, it has the same fields, types and values as the imported class."""
    whole = registry.config_class(group, name)
    part = config_part.load(registry.names(group)[name]).__dict__[whole.__name__]
    assert config_part.is_of_part(part)
    assert not config_part.is_of_part(whole)
    part_types, whole_types = (
        [str(field.type).replace("unroll.config_part.", "") for field in dataclasses.fields(config)]
        for config in (part, whole)
    )
    assert part_types == whole_types
    values = {"name": name, **NESTED.get(name, {})}
    assert to_dict(typed(part, values, group)) == to_dict(from_dict(group, values))


@pytest.mark.parametrize("name", entries("model/cell"))
def test_what_the_config_part_made_is_built_like_any_other(name):
    """As in a command, which has checked its config before anything is imported."""
    whole = registry.config_class("model/cell", name)
    part = config_part.load(registry.names("model/cell")[name]).__dict__[whole.__name__]
    given = {"initialization": "xavier"} if issubclass(whole, GatedCellConfig) else {}
    config = typed(part, {"name": name, **given}, "model/cell")
    torch.manual_seed(0)
    built = build(config, 3, 4)
    torch.manual_seed(0)
    expected = build(from_dict("model/cell", to_dict(config)), 3, 4)
    assert type(built) is type(expected)
    assert all(map(torch.equal, built.parameters(), expected.parameters()))


@every_entry
def test_configs_survive_being_plain(group, name):
    config = from_dict(group, {"name": name, **NESTED.get(name, {})})
    assert from_dict(group, to_dict(config)) == config


@every_entry
def test_a_config_file_names_it(group, name):
    assert f"{group}/{name}" in {schema_of(file) for file in (CONF / group).glob("*.yaml")}


@every_entry
def test_configs_are_slotted_keyword_only_and_say_their_name(group, name):
    config = registry.config_class(group, name)
    assert "__dict__" not in dir(config())
    assert config().name == name
    assert all(field.kw_only for field in dataclasses.fields(config))
    assert config.__doc__
    with pytest.raises(InputError, match="no such key"):
        from_dict(group, {"name": name, "no_such_key": 1})


@pytest.mark.parametrize(
    ("group", "choice"),
    [(group, choice) for group in registry.GROUPS for choice in root.choices(CONF, group)],
    ids=str,
)
def test_every_choice_composes_and_passes_the_check(group, choice):
    model = {"model/attention": ["model=seq2seq"], "model": []}.get(group, ["model=many_to_one"])
    fitting = [] if group != "data" else ["model=" + fitting_model(choice)]
    root.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", [*(fitting or model), f"{group}={choice}", "run_dir=x"])
    root.load(OmegaConf.to_container(composed, enum_to_str=True))


@pytest.mark.parametrize("name", entries("optimizer"))
def test_optimizers_go_downhill(name):
    parameter = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = build(from_dict("optimizer", {"name": name, "lr": 0.05}), [parameter])
    for _ in range(200):
        optimizer.zero_grad()
        parameter.square().sum().backward()
        optimizer.step()
    assert parameter.abs().max() < 0.5


@pytest.mark.parametrize("name", ["constant", "linear", "cosine", "plateau"])
def test_schedules(name):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    values = {} if name == "plateau" else {"warmup": 0.1}
    scheduler = build(from_dict("scheduler", {"name": name, **values}), optimizer, 100, "min")
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([1.0] if name == "plateau" else []))
    if name == "plateau":
        assert rates[:4] == [1.0] * 4
        assert rates[4] == 0.5
    else:
        assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
        assert rates[10] == 1.0
        assert rates[55] == pytest.approx(1.0 if name == "constant" else 0.5)
        assert rates[-1] == pytest.approx(
            {"constant": 1.0, "linear": 1 / 90, "cosine": 0.0003}[name], abs=1e-4
        )
