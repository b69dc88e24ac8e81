"""Costs of cells: counts against torch's own counts, and predictions against measurements."""

import time

import pytest
import torch
from recurrences import CLASSIC, label
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


@pytest.fixture(scope="module")
def costs():
    cells = {cell["name"]: from_dict("model/cell", cell) for cell in CLASSIC if "nonlinearity" not in cell}
    return [
        profile_cells(
            cells, [hidden], [steps], input_size=size, batch_size=batch, every_execution=True, repeats=1
        )
        for hidden, steps, size, batch in ((24, 150, 5, 8), (96, 50, 16, 4), (160, 20, 8, 2))
    ]


def test_memory_is_predicted_within_a_quarter(costs):
    for found in costs:
        for row in found.frame().to_dict("records"):
            assert 0.8 < row["memory_ratio"] < 1.25, row
            assert 0.8 < row["forward_memory_ratio"] < 1.25, row


@pytest.mark.parametrize("cell", CLASSIC, ids=label)
def test_operations_and_parameters_are_those_that_torch_counts(cell):
    config = from_dict("model/cell", cell)
    found = profile_cells({"cell": config}, [6], [7], input_size=5, batch_size=3, repeats=1).costs[0]
    module = Recurrence(config, 5, 6, execution=Execution.loop)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.randn(3, 7, 5))
    assert found.operations == counter.get_total_flops() / 2  # a multiplication and an addition
    assert found.parameters == sum(parameter.numel() for parameter in module.parameters())


def test_activations_are_those_that_autograd_keeps(costs):
    x, head = torch.randn(8, 150, 5), torch.ones(24)
    for cost in costs[0].costs:
        module = Recurrence(
            from_dict("model/cell", {"name": cost.cell}), 5, 24, execution=Execution[cost.execution]
        )
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
