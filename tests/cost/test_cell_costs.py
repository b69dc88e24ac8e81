"""Costs of cells: counts against torch's own counts, and predictions against measurements."""

import time

import pytest
import torch
from recurrences import CELLS, WITH_GATES, label
from torch.utils.flop_counter import FlopCounterMode

from unroll.config.components import Execution
from unroll.config.registry import from_dict
from unroll.cost.cell_costs import CellCosts
from unroll.cost.cells import median_seconds, profile_cells
from unroll.cost.memory import kept_bytes
from unroll.nn.recurrence import Recurrence

CPU = torch.device("cpu")


def test_time_is_the_median_after_a_first_run(monkeypatch):
    spans = [100.0, 3.0, 1.0, 2.0]
    ticks = iter(
        [value for start, span in enumerate(spans) for value in (1000.0 * start, 1000.0 * start + span)]
    )
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    assert median_seconds(lambda: None, CPU, 3) == 2.0


PROFILED = {cell["name"]: from_dict("model/cell", cell) for cell in CELLS if "nonlinearity" not in cell}


@pytest.fixture(scope="module")
def costs():
    return [
        profile_cells(
            PROFILED, [hidden], [steps], input_size=size, batch_size=batch, every_execution=True, repeats=1
        )
        for hidden, steps, size, batch in ((24, 150, 5, 8), (96, 50, 16, 4), (160, 20, 8, 2))
    ]


def test_memory_is_predicted_within_a_quarter(costs):
    predicted = {cell["name"] for cell in WITH_GATES}
    for found in costs:
        rows = [row for row in found.frame().to_dict("records") if row["memory_ratio"] > 0]
        assert {row["cell"] for row in rows} == predicted
        for row in rows:
            assert 0.8 < row["memory_ratio"] < 1.25, row
            assert 0.8 < row["forward_memory_ratio"] < 1.25, row


def test_what_is_not_predicted_is_left_out(costs):
    """Of a cell without a formula: numbers everywhere but in the two columns that would hold its ratios."""
    attention = CellCosts([cost for cost in costs[0].costs if cost.cell == "attention"], 5, 8, "cpu")
    assert attention.frame()["predicted_bytes"].isna().all()
    for table in attention.tables():
        empty = [column.header for column in table.columns if "" in column.cells]
        assert empty == (["× pre-\ndicted"] * 2 if table.title == "memory" else [])
    assert attention.figure().axes


@pytest.mark.parametrize("cell", CELLS, ids=label)
def test_operations_and_parameters_are_those_that_torch_counts(cell):
    config = from_dict("model/cell", cell)
    found = profile_cells({"cell": config}, [8], [7], input_size=5, batch_size=3, repeats=1).costs[0]
    module = Recurrence(config, 5, 8, execution=Execution.loop)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.randn(3, 7, 5))
    assert found.operations == counter.get_total_flops() / 2  # a multiplication and an addition
    assert found.parameters == sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("cell", "a_step"),
    [
        *(({"name": name}, gates * 8 * (5 + 8)) for name, gates in (("rnn", 1), ("gru", 3), ("lstm", 4))),
        ({"name": "min_gru"}, 2 * 8 * 5),
        ({"name": "attention", "window": 6}, 3 * 5 * 8 + 2 * 6 * 8 + 8 * 8),  # with a cache that is full
        ({"name": "tcn"}, 3 * 8 * (5 + 8) + 5 * 8),
        ({"name": "gla"}, 3 * 5 * 8 + 16 * (5 + 8) + 8 * 2),  # 4 heads read a matrix of 2 × 2
    ],
    ids=str,
)
def test_operations_by_hand(cell, a_step):
    config = from_dict("model/cell", cell)
    found = profile_cells({"cell": config}, [8], [7], input_size=5, batch_size=3, repeats=1).costs[0]
    assert found.operations == 3 * 7 * a_step


def test_activations_are_those_that_autograd_keeps(costs):
    x, head = torch.randn(8, 150, 5), torch.ones(24)
    for cost in costs[0].costs:
        module = Recurrence(PROFILED[cost.cell], 5, 24, execution=Execution[cost.execution])
        kept = kept_bytes(lambda m=module: (m(x)[0] @ head).sum(), besides=[x, head, *module.parameters()])
        assert cost.activation_bytes == pytest.approx(kept, rel=0.05)


def test_views(costs):
    both = CellCosts([*costs[1].costs, *costs[0].costs], 5, 8, "cpu")
    frame = both.frame()
    assert len(frame) == len(both.costs)
    assert (frame["training_ms"] > 0).all()
    for table in both.tables():
        assert table.row_count == len(both.costs)
    figure, first = both.figure(), both.costs[0]  # of H = 96, which comes after 24
    assert [axes.get_title() for axes in figure.axes[:2]] == ["H = 24", "H = 96"]
    forward, training, forward_memory, memory = (figure.axes[2 * row + 1] for row in range(4))
    ways = {(cost.cell, cost.execution) for cost in both.costs}
    assert len(training.lines) == len(forward.lines) == len(ways)
    assert list(forward.lines[0].get_ydata()) == [first.forward_ms]
    assert list(training.lines[0].get_ydata()) == [first.training_ms]
    shown = [[line.get_ydata()[0] * 1e6 for line in axes.lines[:2]] for axes in (forward_memory, memory)]
    assert shown[0] == pytest.approx([first.forward_measured_bytes, first.forward_predicted_bytes])
    assert shown[1] == pytest.approx([first.measured_bytes, first.predicted_bytes])


def test_cells_of_one_name_are_told_apart():
    relu = from_dict("model/cell", {"name": "rnn", "nonlinearity": "relu"})
    found = profile_cells(
        {"tanh": from_dict("model/cell", {"name": "rnn"}), "relu": relu}, [4], [5], repeats=1
    )
    assert [cost.cell for cost in found.costs] == ["tanh", "relu"]


def test_a_scan_takes_less_time_than_a_loop_and_the_default_is_the_fast_one():
    config = from_dict("model/cell", {"name": "min_gru"})
    fast, slow = profile_cells(
        {"cell": config}, [8], [400], batch_size=2, every_execution=True, repeats=3
    ).costs
    (default,) = profile_cells({"cell": config}, [8], [10], batch_size=2, repeats=1).costs
    assert (fast.execution, slow.execution, default.execution) == ("scan", "loop", "scan")
    assert fast.training_ms < slow.training_ms / 2
