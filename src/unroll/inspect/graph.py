"""The computational graph of a recurrence: rolled, or unrolled over time."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.table import Table

from unroll.errors import InputError
from unroll.inspect.dot import dot_text, draw
from unroll.inspect.wiring import CellStep, Edge, Node
from unroll.nn.recurrence import Recurrence

PICTURES = (".svg", ".png", ".pdf")
TEXTS = (".dot", ".gv")

MOST_STEPS = 10_000
MOST_DRAWN_NODES = 2_000
"""Graphviz takes minutes to lay out more."""


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
        rows = [(n.id, n.kind, n.step, n.layer, n.direction, " ".join(n.parameters)) for n in self.nodes]
        frame = pd.DataFrame(rows, columns=["id", "kind", "step", "layer", "direction", "parameters"])
        return frame.astype({"step": "Int64", "layer": "Int64"}).set_index("id")

    def edges_frame(self) -> pd.DataFrame:
        """A row for each edge."""
        rows = [(edge.source, edge.target, edge.recurrent, edge.delay) for edge in self.edges]
        return pd.DataFrame(rows, columns=["source", "target", "recurrent", "delay"])

    def tables(self) -> list[Table]:
        """For the terminal: the counts, the shared parameters and, of the middle step, what reads what."""
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
        return dot_text(self.name, self.nodes, self.edges, self.shared)

    def picture(self, form: str = "svg") -> bytes:
        """The graph drawn as svg, png or pdf.

        Raises:
            MissingEnvironmentError: Graphviz is not installed.
        """
        return draw(self.dot, form)

    def render(self, path: Path) -> None:
        """Draw it as .svg, .png or .pdf, for which Graphviz must be installed, or write its .dot or .gv text.

        Raises:
            InputError: another suffix.
            MissingEnvironmentError: a picture, without Graphviz.
        """
        if path.suffix not in PICTURES + TEXTS:
            raise InputError(f"{path}: unknown suffix '{path.suffix}'; choose {', '.join(PICTURES + TEXTS)}")
        path.write_bytes(self.content(path))

    def content(self, path: Path) -> bytes:
        """What `render` writes into a file of this name.

        Raises:
            InputError: a picture of so many nodes would take Graphviz very long.
        """
        if path.suffix not in PICTURES:
            return self.dot.encode()
        if len(self.nodes) > MOST_DRAWN_NODES:
            raise InputError(
                f"{path}: {len(self.nodes):,} nodes would take Graphviz very long, more than "
                f"{MOST_DRAWN_NODES:,}; take fewer steps, or write a .dot"
            )
        return self.picture(path.suffix.removeprefix("."))


def graph(recurrence: Recurrence, steps: int = 5, *, rolled: bool = False, name: str = "recurrence") -> Graph:
    """The graph of every cell of a recurrence, over `steps` steps or rolled.

    The Elman cell has the nodes x, Wx, Wh, z, h and y at every step. Of a gated cell each gate is a node
    instead of z, and the LSTM's c is one; where gates do not read the memory there is no Wh. Of a cell whose
    equations are not known here the whole step is one node, which makes the output and every tensor of the
    state. y is what the output layer makes of the output.

    Raises:
        InputError: no steps, or a recurrence without a layer.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise InputError(f"steps {steps}: must be in [1, {MOST_STEPS:,}]")
    if recurrence.num_layers == 0:
        raise InputError("the recurrence has no layer: model.num_layers must be 1 or more")
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for t in [None] if rolled else range(1, steps + 1):
        x, y = Node(f"x_{t or 't'}", "x", t), Node(f"y_{t or 't'}", "y", t, ("output",))
        below = [x.id]
        nodes[x.id] = x
        for layer in range(recurrence.num_layers):
            tops = []
            for direction in range(recurrence.directions):
                step = CellStep(recurrence, layer, direction, t)
                nodes |= {node.id: node for node in step.nodes()}
                edges += step.edges(below, last=steps)
                tops.append(step.output)
            below = tops
        nodes[y.id] = y
        edges += [Edge(top, y.id, 0) for top in below]
    return Graph(name, None if rolled else steps, list(nodes.values()), edges)
