"""`unroll trace` and `unroll graph`, on fresh models; trained ones differ in nothing but their weights."""

import pandas as pd
import pytest
from click.testing import CliRunner

from unroll.cli import cli
from unroll.errors import InputError

SMALL = ["model.hidden_size=4", "data.train_size=20", "data.valid_size=5", "data.test_size=5"]


def unroll(*arguments):
    done = CliRunner().invoke(cli, [*arguments])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_trace_prints_draws_and_writes_every_number(tmp_path):
    picture, numbers = tmp_path / "trace.png", tmp_path / "trace.csv"
    options = ["--steps", "2", "--output", str(picture), "--csv", str(numbers)]
    output = unroll("trace", "model=many_to_one", "model/cell=lstm", *SMALL, *options)
    assert "first 2 of" in output
    assert "forget" in output
    assert "the trace gives the model's own outputs to" in output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert set(pd.read_csv(numbers)["recurrence"]) == {"backbone.recurrence"}


def test_trace_of_an_encoder_and_a_decoder_on_a_text(tmp_path):
    picture = tmp_path / "trace.svg"
    model = ["model=seq2seq", "data=copy", *SMALL]
    output = unroll("trace", *model, "--text", "1 2 3", "--output", str(picture))
    assert "encoder.recurrence" in output
    assert "decoder.recurrence" in output
    assert len(list(tmp_path.glob("trace-*.svg"))) >= 2


def test_graph_counts_and_writes_dot(tmp_path):
    text = tmp_path / "graph.dot"
    output = unroll("graph", "model=simple_rnn", *SMALL, "--steps", "3", "--output", str(text))
    assert "18" in output  # six nodes a step
    assert text.read_text().startswith("digraph")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trace", "no/such"], "no/such: no such run"),
        (["graph", "model=simple_rnn", "model.hiden_size=3"], "model.hiden_size: no such key"),
        (["trace", "model=seq2seq", "data=copy", "--text", "1", "--input", "x"], "give one of them"),
        (["trace", "model=simple_rnn", *SMALL, "--text", "1 2"], "reads values, not text; give --input FILE"),
        (["trace", "model=simple_rnn", *SMALL, "--output", "trace.doc"], "unknown suffix '.doc'"),
    ],
    ids=str,
)
def test_mistakes_are_told(arguments, told):
    with pytest.raises(InputError, match=told):
        unroll(*arguments)
