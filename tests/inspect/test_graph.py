"""The computational graph: its nodes and edges, against what the gradients say depends on what."""

import re
import shutil

import pytest
import torch
from helpers import text_of
from recurrences import CELLS, STRANGE, WITH_GATES, Leaky, label, recurrence, strange

from unroll.errors import InputError, MissingEnvironmentError
from unroll.inspect.graph import graph

GATES = {
    "gru": {"reset", "update", "new"},
    "lstm": {"input", "forget", "cell", "output", "c"},
    "min_gru": {"update", "new"},
    "min_lstm": {"forget", "input", "new"},
}
ELMAN = {"name": "rnn"}

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def pairs(edges):
    return {(edge.source, edge.target) for edge in edges}


def test_elman_by_hand():
    drawn = graph(recurrence(ELMAN), 3)
    within = {
        (f"{a}_{t}", f"{b}_{t}")
        for t in (1, 2, 3)
        for a, b in (("x", "Wx"), ("Wx", "z"), ("Wh", "z"), ("z", "h"), ("h", "y"))
    }
    over_time = {("h_1", "Wh_2"), ("h_2", "Wh_3")}
    assert pairs(drawn.edges) == within | over_time
    assert pairs(edge for edge in drawn.edges if edge.recurrent) == over_time
    assert {node.id for node in drawn.nodes} == {
        f"{kind}_{t}" for kind in ("x", "Wx", "Wh", "z", "h", "y") for t in (1, 2, 3)
    }
    assert drawn.counts == {
        "nodes": 18,
        "nodes_per_step": 6,
        "edges": 17,
        "recurrent_edges": 2,
        "shared_parameters": 5,
    }


@pytest.mark.parametrize("name", GATES)
def test_gates_are_nodes(name):
    drawn = graph(recurrence({"name": name}), 4)
    products = {"Wx"} if name.startswith("min") else {"Wx", "Wh"}
    for t in range(1, 5):
        kinds = [node.kind for node in drawn.nodes if node.step == t]
        assert len(kinds) == len(set(kinds))
        assert set(kinds) == {"x", *products, *GATES[name], "h", "y"}


@pytest.mark.parametrize("cell", [*WITH_GATES, STRANGE[0], STRANGE[2]], ids=label)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True}])
def test_paths_are_the_dependencies(cell, options):
    """A path leads from x_s to y_t exactly where output t has a gradient with respect to input s."""
    module = recurrence(cell, **options).double()
    drawn = graph(module, 4)
    x = torch.rand(1, 4, 3, dtype=torch.float64)  # relu's units are to stay alive
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    jacobian = torch.autograd.functional.jacobian(lambda x: module(x)[0][0].sum(dim=-1), x)[:, 0]
    depends = jacobian.abs().sum(dim=-1) > 0
    for source in range(1, 5):
        reached, new = set(), {f"x_{source}"}
        while new:
            reached |= new
            new = {edge.target for edge in drawn.edges if edge.source in new} - reached
        assert [f"y_{t}" in reached for t in range(1, 5)] == depends[:, source - 1].tolist()


@pytest.mark.parametrize("cell", CELLS, ids=label)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_rolled_is_what_every_step_repeats(cell, bidirectional):
    module = recurrence(cell, num_layers=2, bidirectional=bidirectional)
    rolled, unrolled = graph(module, rolled=True), graph(module, 5)
    assert {re.sub("3$", "t", node.id) for node in unrolled.nodes if node.step == 3} == {
        node.id for node in rolled.nodes
    }
    into = [edge for edge in unrolled.edges if edge.target.endswith("_3")]
    repeated = {
        (re.sub(r"\d$", "t", edge.source), re.sub(r"\d$", "t", edge.target), edge.delay) for edge in into
    }
    assert {(edge.source, edge.target, edge.delay) for edge in rolled.edges} == repeated
    for edge in into:
        assert int(edge.source[-1]) == 3 - edge.delay
    delays = {edge.delay for edge in rolled.edges if edge.recurrent}
    assert delays == ({1, -1} if bidirectional else {1})
    assert 'label="delay 1"' in rolled.dot
    assert "delay" not in unrolled.dot


@pytest.mark.parametrize("cell", WITH_GATES, ids=label)
def test_shared_parameters_are_those_of_the_recurrence(cell):
    module = recurrence(cell, num_layers=2)
    for drawn in (graph(module, 4), graph(module, rolled=True)):
        assert set(drawn.shared) == {name for name, _ in module.named_parameters()} | {"output"}
    uses = graph(module, 4).shared
    assert uses["output"] == uses["cells.1.weight_ih"] == 4
    assert graph(module, 1).shared == {}
    assert "cells.0.weight_ih" in graph(module, 2).dot


def test_a_cell_with_only_a_step():
    module = recurrence(ELMAN)
    module.cells[0] = Leaky()
    drawn = graph(module, 2)
    assert {node.kind for node in drawn.nodes} == {"x", "step", "h", "c", "y"}
    assert pairs(edge for edge in drawn.edges if edge.recurrent) == {("h_1", "step_2"), ("c_1", "step_2")}
    assert drawn.shared == {"cells.0.weight": 2, "output": 2}


@strange
def test_states_are_nodes_by_their_names(cell):
    module = recurrence(cell, num_layers=2, bidirectional=True)
    drawn, states = graph(module, 3), set(module.cells[0].state_shapes)
    assert {node.kind for node in drawn.nodes} == {"x", "y", "step", *states}
    tops = {f"step_1_{direction}_2" for direction in ("forward", "backward")}
    assert {edge.source for edge in drawn.edges if edge.target == "y_2"} == tops
    assert set(drawn.shared) == {name for name, _ in module.named_parameters()} | {"output"}


def test_frames_and_tables():
    drawn = graph(recurrence({"name": "lstm"}), 3)
    nodes = drawn.nodes_frame()
    assert len(nodes) == drawn.counts["nodes"] == 30
    assert (nodes.layer.isna() == nodes.kind.isin(["x", "y"])).all()
    backwards = graph(recurrence(ELMAN, num_layers=2, bidirectional=True), 2).nodes_frame()
    assert backwards.loc["h_1_backward_2", ["layer", "direction", "step"]].tolist() == [1, "backward", 2]
    assert drawn.edges_frame().recurrent.sum() == drawn.counts["recurrent_edges"] == 4
    text = text_of(drawn.tables())
    assert "unrolled over 3 steps" in text
    assert "forget_2, c_1 (delay 1)" in text


def test_dot_text_has_every_node_and_edge(tmp_path):
    drawn = graph(recurrence({"name": "gru"}, bidirectional=True), 3)
    for suffix in (".dot", ".gv"):
        drawn.render(tmp_path / f"graph{suffix}")
        assert (tmp_path / f"graph{suffix}").read_text() == drawn.dot
    edges = re.findall(r'^  "(.+)" -> "(.+?)"( \[style=dashed.*)?;$', drawn.dot, flags=re.MULTILINE)
    assert {(a, b, bool(look)) for a, b, look in edges} == {
        (edge.source, edge.target, edge.recurrent) for edge in drawn.edges
    }
    assert set(re.findall(r'^  "(\S+)" \[label', drawn.dot, flags=re.MULTILINE)) == {
        n.id for n in drawn.nodes
    }


@needs_dot
def test_pictures(tmp_path):
    drawn = graph(recurrence(ELMAN), 3)
    for suffix, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        drawn.render(tmp_path / f"graph{suffix}")
        assert (tmp_path / f"graph{suffix}").read_bytes().startswith(start)
    svg = (tmp_path / "graph.svg").read_text()
    assert svg.count('class="node"') == 18
    assert svg.count('class="edge"') == 17
    xs = [float(x) for x in re.findall(r"<title>x_[123]</title>.*? d=\"M([-\d.]+)", svg, flags=re.DOTALL)]
    assert len(xs) == 3
    assert xs == sorted(xs)  # time runs from left to right


def test_a_graphviz_that_fails_is_told_in_its_own_words(tmp_path, monkeypatch):
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\necho no such format >&2\nexit 1\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingEnvironmentError, match="dot failed: no such format"):
        graph(recurrence(ELMAN)).picture("svg")


def test_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    drawn = graph(recurrence(ELMAN))
    with pytest.raises(MissingEnvironmentError, match="apt-get install graphviz"):
        drawn.render(tmp_path / "graph.svg")
    drawn.render(tmp_path / "graph.dot")
    assert not (tmp_path / "graph.svg").exists()


def test_errors(tmp_path):
    drawn = graph(recurrence(ELMAN))
    with pytest.raises(InputError, match=r"unknown suffix '.jpg'; choose .svg"):
        drawn.render(tmp_path / "graph.jpg")
    with pytest.raises(InputError, match=r"steps 0: must be in \[1, 10,000\]"):
        graph(recurrence(ELMAN), 0)
    with pytest.raises(InputError, match=r"model.num_layers must be 1"):
        graph(recurrence(ELMAN, num_layers=0))
