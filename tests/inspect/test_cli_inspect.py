"""`unroll trace` and `unroll graph`, on fresh models; of a trained run in test_open.py."""

import subprocess
import sys

import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from unroll.cli import cli
from unroll.data.collate import collate
from unroll.errors import InputError
from unroll.trained.open import open_model

SMALL = ["model.hidden_size=4", "data.train_size=20", "data.valid_size=5", "data.test_size=5"]
COPY = ["model=seq2seq", "data=copy", *SMALL]


def unroll(*arguments):
    done = CliRunner().invoke(cli, [*arguments])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_trace_prints_draws_and_writes_every_number(tmp_path):
    picture, numbers = tmp_path / "trace.png", tmp_path / "trace.csv"
    options = ["--steps", "2", "--output", str(picture), "--csv", str(numbers)]
    model = ["model=many_to_one", "model/cell=lstm", *SMALL]
    output = unroll("trace", *model, *options)
    assert "first 2 of" in output
    assert "forget" in output
    assert "y_t = W h_t + b" in output
    assert "the trace gives the model's own outputs to" in output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in tmp_path.iterdir()} == {"trace.png", "trace.csv"}

    written = pd.read_csv(numbers)
    assert set(written["recurrence"]) == {"backbone.recurrence"}
    opened, data = open_model(*model)
    batch = collate([data.splits["test"][0]], opened.spec.signature)
    y = written[written.quantity == "y"][[str(i) for i in range(opened.spec.target_size)]]
    assert len(y) == int(batch.lengths[0])
    last = torch.tensor(y.to_numpy()[-1]).float()
    torch.testing.assert_close(last, opened(batch)[0].detach(), rtol=0, atol=1e-6)


def test_trace_of_an_encoder_a_decoder_and_attention_on_a_text(tmp_path):
    options = ["--output", str(tmp_path / "trace.svg"), "--csv", str(tmp_path / "trace.csv")]
    output = unroll("trace", *COPY, "--text", "1 2 3", *options)
    for word in ("encoder.recurrence", "decoder.recurrence", "<s>", "attends to"):
        assert word in output
    names = ("trace-encoder.recurrence.svg", "trace-decoder.recurrence.svg", "trace-attention.svg")
    assert {file.name for file in tmp_path.iterdir()} == {*names, "trace.csv", "trace-attention.csv"}
    for name in names:
        assert "<svg" in (tmp_path / name).read_text()
    weights = pd.read_csv(tmp_path / "trace-attention.csv", index_col="output")
    assert list(weights) == ["1", "2", "3"]
    assert weights.sum(axis=1).to_list() == pytest.approx([1.0] * len(weights))


def test_without_attention_there_is_no_map(tmp_path):
    unroll("trace", *COPY, "model/attention=none", "--text", "1 2 3", "--output", str(tmp_path / "trace.png"))
    assert not (tmp_path / "trace-attention.png").exists()


@pytest.mark.parametrize("method", ["beam", "sample"])
def test_what_decodes_otherwise_is_traced_decoding_greedily(method, tmp_path):
    """The rows of a beam are hypotheses, of which each may become any other: no sequence of states."""
    written = []
    for own in ("greedy", method):
        file = tmp_path / f"{own}.csv"
        output = unroll("trace", *COPY, f"model.search.method={own}", "--text", "1 2 3", "--csv", str(file))
        assert (f"decoded greedily; the model's own search is {own}" in output) == (own == method)
        written.append(file.read_text())
    assert written[0] == written[1]


def test_graph_counts_and_writes_dot(tmp_path):
    text = tmp_path / "graph.dot"
    output = unroll("graph", "model=simple_rnn", *SMALL, "--steps", "3", "--output", str(text))
    assert "18" in output  # six nodes a step
    assert text.read_text().startswith("digraph")


def test_a_graph_of_two_recurrences_is_two_files(tmp_path):
    unroll("graph", *COPY, "--output", str(tmp_path / "graph.gv"))
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"graph-encoder.recurrence.gv", "graph-decoder.recurrence.gv"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trace", "no/such"], "no/such: no such run"),
        (["graph", "model=simple_rnn", "model.hiden_size=3"], "model.hiden_size: no such key"),
        (["trace", "model=seq2seq", "data=copy", "--text", "1", "--input", "x"], "give one of them"),
        (["trace", "model=simple_rnn", *SMALL, "--text", "1 2"], "reads values, not text; give --input FILE"),
        (
            ["trace", "model=simple_rnn", "--output", "t.doc"],
            "--output t.doc: unknown suffix '.doc'; name it",
        ),
        (["trace", "model=simple_rnn", "--csv", "t"], "--csv t: unknown suffix ''; name it .csv$"),
        (
            ["graph", "model=simple_rnn", "--output", "g.jpg"],
            "--output g.jpg: unknown suffix '.jpg'; name it",
        ),
    ],
    ids=str,
)
def test_mistakes_are_told(arguments, told):
    with pytest.raises(InputError, match=told):
        unroll(*arguments)


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        (["trace", "model=simple_rnn"], "--output", "t.png"),
        (["trace", "model=simple_rnn"], "--csv", "t.csv"),
        (["graph", "model=simple_rnn"], "--output", "g.svg"),
        (["packing", "5", "3"], "--output", "p.pdf"),
    ],
    ids=str,
)
def test_files_that_cannot_be_written(command, option, name, tmp_path):
    missing = tmp_path / "nodir" / name
    with pytest.raises(InputError, match=f"^{option} {missing}: no such folder; make it first$"):
        unroll(*command, option, str(missing))
    taken = tmp_path / name
    taken.mkdir()
    if command[0] == "graph":
        taken = taken.rename(tmp_path / "g.dot")  # what needs no Graphviz
    with pytest.raises(
        InputError, match=rf"^{option} {taken}: cannot be written \(it is a folder\); give a file$"
    ):
        unroll(*command, option, str(taken))


def test_without_graphviz_one_line_names_its_package(tmp_path):
    command = [sys.executable, "-c", "from unroll.cli import main; main()", "graph", "model=simple_rnn"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "g.svg")],
        env={"PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "apt-get install graphviz" in line
    assert list(tmp_path.iterdir()) == []
