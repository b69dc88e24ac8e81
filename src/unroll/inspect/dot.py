"""A graph in the language of Graphviz, and drawn by it."""

import shutil
import subprocess
from collections.abc import Collection, Sequence
from html import escape

from unroll.errors import MissingEnvironmentError
from unroll.inspect.wiring import WEIGHTS, Edge, Node

SHARED = {"Wx": "#cfe2f3", "Wh": "#f9cb9c", "y": "#d9ead3"}
"""Colours of the nodes that shared weights compute."""

RECURRENT = "#cc0000"


def dot_text(name: str, nodes: Sequence[Node], edges: Sequence[Edge], shared: Collection[str]) -> str:
    """The graph in dot: recurrent edges red and dashed, nodes of `shared` weights coloured."""
    # dot orders the steps as it likes, unless their inputs are told to stand in a row.
    inputs = " -> ".join(f'"{node.id}"' for node in nodes if node.kind == "x")
    cells = {(node.layer, node.direction) for node in nodes if node.layer is not None}
    rolled = any(node.step is None for node in nodes)
    lines = [
        "digraph recurrence {",
        '  rankdir=BT; fontname="Helvetica"; labelloc=t;',
        f"  label=<{_legend(name, bool(shared))}>;",
        '  node [shape=box, style="rounded,filled", fontname="Helvetica"];',
        *(f"  {_node(node, shared, several=len(cells) > 1)}" for node in nodes),
        *(f"  {_edge(edge, rolled)}" for edge in edges),
        f"  {{ rank=same; edge [style=invis]; {inputs}; }}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def require_graphviz() -> None:
    """Raise a `MissingEnvironmentError` unless there is a program dot."""
    if shutil.which("dot") is None:
        raise MissingEnvironmentError(
            "Graphviz's program dot is not installed: on Debian `apt-get install graphviz`, "
            "or write a .dot file, which needs nothing"
        )


def draw(text: str, form: str) -> bytes:
    """The picture of a text in dot, as svg, png or pdf.

    Raises:
        MissingEnvironmentError: there is no Graphviz, or it cannot draw that.
    """
    require_graphviz()
    try:
        run = subprocess.run(["dot", f"-T{form}"], input=text.encode(), capture_output=True, check=True)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip() or f"exit code {error.returncode}"
        raise MissingEnvironmentError(f"Graphviz's program dot failed: {reason}") from error
    return run.stdout


def _legend(name: str, shared: bool) -> str:
    weights = "coloured: weights that all steps share" if shared else ""
    recurrent = f'<FONT COLOR="{RECURRENT}">dashed: from one step to the next</FONT>'
    return f'{escape(name)}<BR/><FONT POINT-SIZE="10">{weights} &#160; {recurrent}</FONT>'


def _node(node: Node, shared: Collection[str], several: bool) -> str:
    """`several` says that there are more cells than one, so that a node tells which is its own."""
    label, colour = _label(node), "white"
    if several and node.layer is not None and node.kind not in WEIGHTS:  # of weights, the name tells the cell
        label += _small(f"layer {node.layer} {node.direction}")
    weights = [parameter for parameter in node.parameters if parameter in shared]
    if weights and node.kind in SHARED:
        label += _small(weights[0])
        colour = SHARED[node.kind]
    tooltip = ", ".join(node.parameters) or node.id
    return f'"{node.id}" [label=<{label}>, fillcolor="{colour}", tooltip="{tooltip}"];'


def _label(node: Node) -> str:
    """HTML as Graphviz reads it: the name with its step below it."""
    delay = -1 if node.direction == "backward" else 1
    now = "t" if node.step is None else str(node.step)
    before = f"t{-delay:+d}" if node.step is None else str(node.step - delay)
    match node.kind:
        case "Wx":
            return f"W<SUB>ih</SUB> {'h' if node.layer else 'x'}<SUB>{now}</SUB>"
        case "Wh":
            return f"W<SUB>hh</SUB> h<SUB>{before}</SUB>"
        case kind:
            return f"{kind}<SUB>{now}</SUB>"


def _small(text: str) -> str:
    """A second line of a label, clear of the subscripts above it."""
    return f'<BR/><FONT POINT-SIZE="4"> </FONT><BR/><FONT POINT-SIZE="8">{text}</FONT>'


def _edge(edge: Edge, rolled: bool) -> str:
    look = ""
    if edge.recurrent:
        font = f'fontname="Helvetica", fontcolor="{RECURRENT}", fontsize=10'
        delay = f', label="delay {edge.delay}", {font}' if rolled else ""
        look = f' [style=dashed, penwidth=1.5, color="{RECURRENT}", constraint=false{delay}]'
    return f'"{edge.source}" -> "{edge.target}"{look};'
