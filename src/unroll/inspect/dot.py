"""A graph in Graphviz's language dot, and its picture."""

import shutil
import subprocess
from collections.abc import Collection, Sequence
from html import escape

from unroll.errors import MissingEnvironmentError
from unroll.inspect.wiring import WEIGHTS, Edge, Node

SHARED_WEIGHT_COLOURS = {"Wx": "#cfe2f3", "Wh": "#f9cb9c", "y": "#d9ead3"}
"""The colours of the nodes that shared weights compute, by kind."""

RECURRENT_COLOUR = "#cc0000"


def dot_text(name: str, nodes: Sequence[Node], edges: Sequence[Edge], shared: Collection[str]) -> str:
    """The graph in dot: recurrent edges red and dashed, nodes of `shared` weights coloured."""
    # Without this row of inputs, dot orders the steps as it likes.
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
    """Raise a `MissingEnvironmentError` if the program dot is not installed."""
    if shutil.which("dot") is None:
        raise MissingEnvironmentError(
            "Graphviz's program dot is not installed: on Debian `apt-get install graphviz`, "
            "or write a .dot file, which needs no Graphviz"
        )


def draw(text: str, form: str) -> bytes:
    """The picture of a dot text, as svg, png or pdf.

    Raises:
        MissingEnvironmentError: Graphviz is not installed, or cannot draw the text.
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
    recurrent = f'<FONT COLOR="{RECURRENT_COLOUR}">dashed: from one step to the next</FONT>'
    return f'{escape(name)}<BR/><FONT POINT-SIZE="10">{weights} &#160; {recurrent}</FONT>'


def _node(node: Node, shared: Collection[str], several: bool) -> str:
    """A node in dot. With `several` cells, it names its layer and direction."""
    label, colour = _label(node), "white"
    if several and node.layer is not None and node.kind not in WEIGHTS:  # the name of a weight tells its cell
        label += _small(f"layer {node.layer} {node.direction}")
    weights = [parameter for parameter in node.parameters if parameter in shared]
    if weights and node.kind in SHARED_WEIGHT_COLOURS:
        label += _small(weights[0])
        colour = SHARED_WEIGHT_COLOURS[node.kind]
    tooltip = ", ".join(node.parameters) or node.id
    return f'"{node.id}" [label=<{label}>, fillcolor="{colour}", tooltip="{tooltip}"];'


def _label(node: Node) -> str:
    """Graphviz's HTML for a name with the step as its index."""
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
    """The second line of a label, clear of the index above it."""
    return f'<BR/><FONT POINT-SIZE="4"> </FONT><BR/><FONT POINT-SIZE="8">{text}</FONT>'


def _edge(edge: Edge, rolled: bool) -> str:
    look = ""
    if edge.recurrent:
        font = f'fontname="Helvetica", fontcolor="{RECURRENT_COLOUR}", fontsize=10'
        delay = f', label="delay {edge.delay}", {font}' if rolled else ""
        look = f' [style=dashed, penwidth=1.5, color="{RECURRENT_COLOUR}", constraint=false{delay}]'
    return f'"{edge.source}" -> "{edge.target}"{look};'
