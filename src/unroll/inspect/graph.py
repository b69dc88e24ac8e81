"""The computational graph of a recurrence: rolled, or unrolled over time."""

import subprocess
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
from rich.table import Table
from torch import nn

from unroll.errors import InputError, MissingEnvironmentError
from unroll.inspect.trace import DIRECTIONS, EQUATIONS
from unroll.nn.cells.base import Cell
from unroll.nn.cells.gru import GRU
from unroll.nn.cells.lstm import LSTM
from unroll.nn.cells.min_gru import MinGRU
from unroll.nn.cells.min_lstm import MinLSTM
from unroll.nn.cells.rnn import RNN
from unroll.nn.recurrence import Recurrence

PICTURES = (".svg", ".png", ".pdf")
TEXTS = (".dot", ".gv")

SHARED = {"Wx": "#cfe2f3", "Wh": "#f9cb9c", "y": "#d9ead3"}
"""Colours of the nodes that shared weights compute."""

RECURRENT = "#cc0000"

WEIGHTS = {"Wx": "weight_ih", "Wh": "weight_hh"}

Wiring = list[tuple[str, str]]
"""Edges from the name of one node to that of another. A name that ends in ′ is of the previous step."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value of one step (None: of any step). `label` is HTML as Graphviz reads it.

    `parameters` are the names of those that compute it, in the recurrence, or `output` for y.
    """

    id: str
    kind: str
    step: int | None
    label: str
    parameters: tuple[str, ...]


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
class Graph:
    """The values of a recurrence and what each is computed from.

    `steps` is None when rolled: one step stands for all, and recurrent edges loop back to it. Unrolled, the
    initial states are no nodes: what would read them at the first step has one edge less.
    """

    name: str
    steps: int | None
    nodes: list[Node]
    edges: list[Edge]

    @property
    def shared(self) -> dict[str, int]:
        """The parameters that several steps share, with the number of nodes that each computes."""
        uses = Counter(parameter for node in self.nodes for parameter in node.parameters)
        return {} if self.steps == 1 else dict(uses)

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of nodes, of nodes a step, of edges, of recurrent edges and of shared parameters."""
        return {
            "nodes": len(self.nodes),
            "nodes_per_step": len(self.nodes) // (self.steps or 1),
            "edges": len(self.edges),
            "recurrent_edges": sum(edge.recurrent for edge in self.edges),
            "shared_parameters": len(self.shared),
        }

    def nodes_frame(self) -> pd.DataFrame:
        """A row for each node."""
        rows = [(node.id, node.kind, node.step, " ".join(node.parameters)) for node in self.nodes]
        frame = pd.DataFrame(rows, columns=["id", "kind", "step", "parameters"])
        return frame.astype({"step": "Int64"}).set_index("id")

    def edges_frame(self) -> pd.DataFrame:
        """A row for each edge."""
        rows = [(edge.source, edge.target, edge.recurrent, edge.delay) for edge in self.edges]
        return pd.DataFrame(rows, columns=["source", "target", "recurrent", "delay"])

    def tables(self) -> list[Table]:
        """For the terminal: the counts, the shared parameters and, of the last step, what reads what."""
        how = "rolled" if self.steps is None else f"unrolled over {self.steps} steps"
        title = f"{self.name}, {how}"
        counts = Table("", "count", title=title, title_justify="left", min_width=len(title))
        for name, count in self.counts.items():
            counts.add_row(name.replace("_", " "), str(count))
        shared = Table("parameter", "computes nodes", title="shared by all steps", title_justify="left")
        for name, uses in self.shared.items():
            shared.add_row(name, str(uses))
        reads = Table("node", "reads", title="one step", title_justify="left")
        middle = None if self.steps is None else (self.steps + 1) // 2  # before and after it there are others
        for node in (node for node in self.nodes if node.step == middle):
            sources = [
                edge.source + (f" (delay {edge.delay})" if edge.recurrent else "")
                for edge in self.edges
                if edge.target == node.id
            ]
            reads.add_row(node.id, ", ".join(sources))
        return [counts, shared, reads]

    @property
    def dot(self) -> str:
        """The graph in Graphviz's language: recurrent edges red and dashed, shared weights coloured."""
        # dot orders the steps as it likes, unless their inputs are told to stand in a row.
        inputs = " -> ".join(f'"{node.id}"' for node in self.nodes if node.kind == "x")
        lines = [
            "digraph recurrence {",
            '  rankdir=BT; fontname="Helvetica"; labelloc=t;',
            f"  label=<{self._legend()}>;",
            '  node [shape=box, style="rounded,filled", fontname="Helvetica"];',
            *(f"  {self._dot_node(node)}" for node in self.nodes),
            *(f"  {_dot_edge(edge, rolled=self.steps is None)}" for edge in self.edges),
            f"  {{ rank=same; edge [style=invis]; {inputs}; }}",
            "}",
        ]
        return "\n".join(lines) + "\n"

    def render(self, path: Path) -> None:
        """Draw it as .svg, .png or .pdf, for which Graphviz must be installed, or write its .dot or .gv text.

        Raises:
            InputError: another suffix, or a file that cannot be written.
            MissingEnvironmentError: a picture, without Graphviz.
        """
        if path.suffix in TEXTS:
            content = self.dot.encode()
        elif path.suffix in PICTURES:
            content = _draw(self.dot, path.suffix.removeprefix("."))
        else:
            raise InputError(f"{path}: unknown suffix '{path.suffix}'; choose {', '.join(PICTURES + TEXTS)}")
        try:
            path.write_bytes(content)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error

    def _legend(self) -> str:
        weights = "coloured: weights that all steps share" if self.shared else ""
        recurrent = f'<FONT COLOR="{RECURRENT}">dashed: from one step to the next</FONT>'
        return f'{escape(self.name)}<BR/><FONT POINT-SIZE="10">{weights} &#160; {recurrent}</FONT>'

    def _dot_node(self, node: Node) -> str:
        shared = [parameter for parameter in node.parameters if parameter in self.shared]
        label, colour = node.label, "white"
        if shared and node.kind in SHARED:
            label += _small(shared[0])
            colour = SHARED[node.kind]
        tooltip = ", ".join(node.parameters) or node.id
        return f'"{node.id}" [label=<{label}>, fillcolor="{colour}", tooltip="{tooltip}"];'


def graph(recurrence: Recurrence, steps: int = 5, *, rolled: bool = False, name: str = "recurrence") -> Graph:
    """The graph of every cell of a recurrence, over `steps` steps or rolled.

    The Elman cell has the nodes x, Wx, Wh, z, h and y at every step. Of a gated cell each gate is a node
    instead of z, and the LSTM's c is one; where gates do not read the memory there is no Wh. Of a cell whose
    equations are not known here the whole step is one node. y is what the output layer makes of h.

    Raises:
        InputError: no steps, or a recurrence without a layer.
    """
    if steps < 1:
        raise InputError(f"steps {steps}: must be 1 or more")
    if recurrence.num_layers == 0:
        raise InputError("the recurrence has no layer: model.num_layers must be 1 or more")
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for t in [None] if rolled else range(1, steps + 1):
        x = Node(f"x_{t or 't'}", "x", t, _label("x", t), ())
        y = Node(f"y_{t or 't'}", "y", t, _label("y", t), ("output",))
        below = [x.id]
        nodes[x.id] = x
        for layer in range(recurrence.num_layers):
            tops = []
            for direction in range(recurrence.directions):
                step = _Step(recurrence, layer, direction, t)
                nodes |= {node.id: node for node in step.nodes()}
                edges += step.edges(below, last=steps)
                tops.append(step.id("h"))
            below = tops
        nodes[y.id] = y
        edges += [Edge(top, y.id, 0) for top in below]
    return Graph(name, None if rolled else steps, list(nodes.values()), edges)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of one cell; t is None when rolled."""

    recurrence: Recurrence
    layer: int
    direction: int
    t: int | None

    @property
    def index(self) -> int:
        return self.layer * self.recurrence.directions + self.direction

    @property
    def delay(self) -> int:
        """To the next step that the cell reads: backwards, the one before."""
        return -1 if self.direction else 1

    @property
    def wiring(self) -> Wiring:
        cell = self.recurrence.cells[self.index]
        assert isinstance(cell, Cell)
        unknown = [
            ("x", "step"),
            *((f"{state}′", "step") for state in cell.state_names),
            *(("step", state) for state in cell.state_names),
        ]
        return WIRING.get(type(cell), unknown)

    def id(self, kind: str, t: int | None = None) -> str:
        """Of a node of this step, or of another."""
        place = "" if len(self.recurrence.cells) == 1 else f"_{self.layer}_{DIRECTIONS[self.direction]}"
        return f"{kind}{place}_{t or self.t or 't'}"

    def nodes(self) -> list[Node]:
        kinds = dict.fromkeys(
            kind for edge in self.wiring for kind in edge if kind[-1] != "′" and kind != "x"
        )
        return [Node(self.id(kind), kind, self.t, self.label(kind), self.parameters(kind)) for kind in kinds]

    def label(self, kind: str) -> str:
        label = _label(kind, self.t, self.delay, "x" if self.layer == 0 else "h")
        if len(self.recurrence.cells) == 1 or kind in WEIGHTS:  # of weights, the name tells the cell
            return label
        return label + _small(f"layer {self.layer} {DIRECTIONS[self.direction]}")

    def parameters(self, kind: str) -> tuple[str, ...]:
        """The names, in the recurrence, of those that compute a node."""
        names = [name for name, _ in self.recurrence.cells[self.index].named_parameters()]
        if kind in WEIGHTS:
            names = [WEIGHTS[kind]]
        elif kind in ("h", "c"):
            names = []
        elif kind != "step":
            names = [name for name in names if name.startswith("bias")]
        return tuple(f"cells.{self.index}.{name}" for name in names)

    def edges(self, below: list[str], last: int) -> list[Edge]:
        """From `below`, from within the step, and from the step before unless there is none."""
        edges = []
        for source, target in self.wiring:
            if source == "x":
                edges += [Edge(node, self.id(target), 0) for node in below]
            elif not source.endswith("′"):
                edges.append(Edge(self.id(source), self.id(target), 0))
            elif self.t is None:
                edges.append(Edge(self.id(source[:-1]), self.id(target), self.delay))
            elif 1 <= self.t - self.delay <= last:
                edges.append(Edge(self.id(source[:-1], self.t - self.delay), self.id(target), self.delay))
        return edges


def _label(kind: str, t: int | None, delay: int = 1, below: str = "x") -> str:
    """HTML: the name with its step below it."""
    now = "t" if t is None else str(t)
    before = f"t{-delay:+d}" if t is None else str(t - delay)
    match kind:
        case "Wx":
            return f"W<SUB>ih</SUB> {below}<SUB>{now}</SUB>"
        case "Wh":
            return f"W<SUB>hh</SUB> h<SUB>{before}</SUB>"
        case _:
            return f"{kind}<SUB>{now}</SUB>"


def _small(text: str) -> str:
    """A second line of a label, clear of the subscripts above it."""
    return f'<BR/><FONT POINT-SIZE="4"> </FONT><BR/><FONT POINT-SIZE="8">{text}</FONT>'


def _dot_edge(edge: Edge, rolled: bool) -> str:
    look = ""
    if edge.recurrent:
        delay = f', label="delay {edge.delay}", fontcolor="{RECURRENT}", fontsize=10' if rolled else ""
        look = f' [style=dashed, penwidth=1.5, color="{RECURRENT}", constraint=false{delay}]'
    return f'"{edge.source}" -> "{edge.target}"{look};'


def _draw(dot: str, form: str) -> bytes:
    try:
        run = subprocess.run(["dot", f"-T{form}"], input=dot.encode(), capture_output=True, check=True)
    except FileNotFoundError as error:
        raise MissingEnvironmentError(
            f"Graphviz's program dot is not installed: on Debian `apt-get install graphviz`, "
            f"or write a {TEXTS[0]} file, which needs nothing"
        ) from error
    return run.stdout
