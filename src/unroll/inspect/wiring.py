"""What each value of a step is computed from: the nodes and edges of one step of one cell."""

from dataclasses import dataclass

from torch import nn

from unroll.inspect.cell_trace import DIRECTIONS
from unroll.inspect.gates import EQUATIONS
from unroll.nn.cells.base import Cell
from unroll.nn.cells.gru import GRU
from unroll.nn.cells.lstm import LSTM
from unroll.nn.cells.min_gru import MinGRU
from unroll.nn.cells.min_lstm import MinLSTM
from unroll.nn.cells.rnn import RNN
from unroll.nn.recurrence import Recurrence

WEIGHTS = {"Wx": "weight_ih", "Wh": "weight_hh"}

STEP = "step"
"""The one node of a cell whose equations are not known here."""

Wiring = list[tuple[str, str]]
"""Edges from the name of one node to that of another. A name that ends in ′ is of the previous step."""


def _products(gates: tuple[str, ...], *more: tuple[str, str]) -> Wiring:
    """Gates that read both W_ih x_t and W_hh h_{t-1}."""
    each = [(product, gate) for gate in gates for product in ("Wx", "Wh")]
    return [("x", "Wx"), ("h′", "Wh"), *each, *more]


def _minimal(gates: tuple[str, ...]) -> Wiring:
    """Gates that read W_ih x_t alone."""
    return [("x", "Wx"), *(("Wx", gate) for gate in gates), *((gate, "h") for gate in gates), ("h′", "h")]


_GRU, _LSTM = EQUATIONS[GRU].names, EQUATIONS[LSTM].names

WIRING: dict[type[nn.Module], Wiring] = {
    RNN: _products(("z",), ("z", "h")),
    GRU: _products(_GRU, ("reset", "new"), ("update", "h"), ("new", "h"), ("h′", "h")),
    LSTM: _products(
        _LSTM, ("input", "c"), ("cell", "c"), ("forget", "c"), ("c′", "c"), ("c", "h"), ("output", "h")
    ),
    MinGRU: _minimal(EQUATIONS[MinGRU].names),
    MinLSTM: _minimal(EQUATIONS[MinLSTM].names),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One value of one step (None: of any step), of a cell unless it is x or y.

    `parameters` are the names of those that compute it, in the recurrence, or `output` for y.
    """

    id: str
    kind: str
    step: int | None
    parameters: tuple[str, ...] = ()
    layer: int | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """What one value is computed from. `delay` counts steps: 0 within a step, 1 recurrent, -1 backwards."""

    source: str
    target: str
    delay: int

    @property
    def recurrent(self) -> bool:
        """Whether it leads from one step to another."""
        return self.delay != 0


@dataclass(frozen=True, slots=True)
class CellStep:
    """One step of one cell; t is None when rolled."""

    recurrence: Recurrence
    layer: int
    direction: int
    t: int | None

    def id(self, kind: str, t: int | None = None) -> str:
        """Of a node of this step, or of another."""
        place = "" if len(self.recurrence.cells) == 1 else f"_{self.layer}_{DIRECTIONS[self.direction]}"
        return f"{kind}{place}_{t or self.t or 't'}"

    def nodes(self) -> list[Node]:
        """The values of this step, but for what the cell reads."""
        kinds = dict.fromkeys(
            kind for edge in self._wiring for kind in edge if kind[-1] != "′" and kind != "x"
        )
        place = self.layer, DIRECTIONS[self.direction]
        return [Node(self.id(kind), kind, self.t, self._parameters(kind), *place) for kind in kinds]

    def edges(self, below: list[str], last: int) -> list[Edge]:
        """From `below`, from within the step, and from the step before unless there is none."""
        delay = -1 if self.direction else 1  # to the next step that the cell reads
        edges = []
        for source, target in self._wiring:
            if source == "x":
                edges += [Edge(node, self.id(target), 0) for node in below]
            elif not source.endswith("′"):
                edges.append(Edge(self.id(source), self.id(target), 0))
            elif self.t is None:
                edges.append(Edge(self.id(source[:-1]), self.id(target), delay))
            elif 1 <= self.t - delay <= last:
                edges.append(Edge(self.id(source[:-1], self.t - delay), self.id(target), delay))
        return edges

    @property
    def output(self) -> str:
        """The node that gives the cell's output: where the equations are known, h."""
        return self.id("h" if type(self._cell) in WIRING else STEP)

    @property
    def _index(self) -> int:
        return self.layer * self.recurrence.directions + self.direction

    @property
    def _cell(self) -> Cell:
        cell = self.recurrence.cells[self._index]
        assert isinstance(cell, Cell)
        return cell

    @property
    def _wiring(self) -> Wiring:
        cell = self._cell
        unknown = [
            ("x", STEP),
            *((f"{state}′", STEP) for state in cell.state_shapes),
            *((STEP, state) for state in cell.state_shapes),
        ]
        return WIRING.get(type(cell), unknown)

    def _parameters(self, kind: str) -> tuple[str, ...]:
        """The names, in the recurrence, of those that compute a node."""
        cell = self._cell
        names = [name for name, _ in cell.named_parameters()]
        if kind in WEIGHTS:
            names = [WEIGHTS[kind]]
        elif kind in cell.state_shapes:
            names = []
        elif kind != STEP:
            names = [name for name in names if name.startswith("bias")]
        return tuple(f"cells.{self._index}.{name}" for name in names)
