"""The file of published values: it names tasks, sweeps and architectures that exist, and where it is from."""

import math
import re
import tomllib

import pytest
from conftest import ROOT

from unroll.config.choices import choices
from unroll.config.compose import CONF, check, compose
from unroll.report.scoreboard.published import FILE, FULL, Certainty, Unit, library

TASKS = choices(CONF, "task")


def test_every_task_is_known_and_every_table_has_a_sweep():
    known = library().tasks
    assert set(TASKS) == known.keys()
    assert {known[task].table for task in TASKS} <= set(choices(CONF, "sweep"))


def test_every_published_value_is_of_a_known_task_and_architecture():
    found = library().values
    assert len(found) > 50
    assert {architecture for _, architecture in found} <= set(choices(CONF, "architecture"))
    assert {task for task, _ in found} <= library().tasks.keys()


def test_every_source_says_where_it_is_from():
    for published in library().values.values():
        source = published.source
        assert re.fullmatch(r"\d{4}\.\d{5}", source.arxiv)
        assert source.paper
        assert source.table
        assert source.protocol
        assert (source.read_in == "") == (source.certain is Certainty.unchecked)


def test_values_are_shown_in_the_unit_of_the_task():
    parity = library().published("parity_check", "deltanet_negative")
    assert (parity.value, parity.spread) == (97.2, 1.7)
    solved = library().published("adding", "gru")
    assert solved.value == pytest.approx(5.3e-5 * 6, rel=1e-4)
    assert solved.spread is None
    forgotten = library().published("copy_memory", "lstm")
    assert forgotten.value == pytest.approx(1.0, abs=0.002)


def test_the_full_protocol_stands_beside_the_same_values():
    assert library().published("adding_full", "gru") is library().published("adding", "gru")
    assert library().published("adding", "mamba2") is None


@pytest.mark.parametrize("task", ["copy_memory", "copy_memory_full"])
def test_chance_is_that_of_the_length_which_the_task_has(task):
    delay = check(compose([f"task={task}"]), CONF)["data"]["delay"]
    assert library().tasks[task].chance == pytest.approx(10 * math.log(8) / (delay + 20), rel=1e-3)


def test_units_show_percent_or_a_share_of_chance():
    tasks = library().tasks
    assert tasks["parity_check"].shown(0.5) == 50
    assert tasks["adding"].shown(1 / 6) == pytest.approx(1, rel=1e-4)
    assert not tasks["adding"].larger_is_better
    assert {task.unit for task in tasks.values()} == {Unit.percent, Unit.chance}


def test_the_package_holds_the_file():
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    files = content["tool"]["setuptools"]["package-data"]["unroll"]
    assert str(FILE.relative_to(ROOT / "src" / "unroll")) in files


@pytest.mark.parametrize("task", TASKS)
def test_a_task_composes_at_equal_parameters(task):
    values = check(compose([f"task={task}", "architecture=lstm"]), CONF)
    assert values["model"]["parameters"] is not None
    assert values["model"]["cell"]["name"] == "lstm"


@pytest.mark.parametrize("task", [task for task in TASKS if task.endswith(FULL)])
def test_a_full_protocol_is_of_the_same_data(task):
    full, reduced = (check(compose([f"task={name}"]), CONF) for name in (task, task.removesuffix(FULL)))
    assert full["data"]["name"] == reduced["data"]["name"]
    assert full["data"].get("task") == reduced["data"].get("task")
    assert full != reduced
