"""The packing picture, against torch's own packing."""

import pytest
import torch
from click.testing import CliRunner
from helpers import text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence

from unroll.cli import cli
from unroll.errors import InputError
from unroll.inspect.packing import packing


@settings(deadline=None, max_examples=60)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=12, unique=True))
def test_equals_torch(lengths):
    """Lengths that differ: torch does not say which of equal ones it puts first."""
    shown = packing(lengths)
    grid = torch.full((len(lengths), max(lengths)), -1)  # every valid step holds its sequence and step
    for i, length in enumerate(lengths):
        grid[i, :length] = 1000 * i + torch.arange(1, length + 1)
    packed = pack_padded_sequence(grid, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    assert shown.batch_sizes == packed.batch_sizes.tolist()
    assert list(shown.order) == packed.sorted_indices.tolist()
    assert [1000 * i + step for i, step in shown.data] == packed.data.tolist()
    valid = grid >= 0
    assert shown.frame().to_numpy().tolist() == valid.tolist()
    assert shown.frame(packed=True).to_numpy().tolist() == valid[packed.sorted_indices].tolist()
    assert shown.padding_share == pytest.approx(1 - valid.float().mean().item(), abs=1e-6)
    for column, alive in enumerate(shown.alive):
        assert sorted(alive) == valid[:, column].nonzero().flatten().tolist()


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_batch_sizes_of_equal_lengths(lengths):
    grid = torch.zeros(len(lengths), max(lengths))
    packed = pack_padded_sequence(grid, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    assert packing(lengths).batch_sizes == packed.batch_sizes.tolist()


def test_the_example():
    shown = packing([5, 3, 7, 2])
    assert shown.batch_sizes == [4, 4, 3, 2, 2, 1, 1]
    text = text_of(shown.tables())
    rows = [line.split() for line in text.splitlines()]
    assert ["0", "5", *"■■■■■··"] in rows
    assert ["batch_sizes", *"4432211"] in rows
    assert [row[0] for row in rows if row[1:2] in (["7"], ["5"], ["3"], ["2"])] == [*"0123", *"2013"]
    assert "17 valid steps of 28: 39.3% padding" in text


def test_picture():
    padded, packed = packing([5, 3, 7, 2]).figure().axes
    assert [label.get_text() for label in packed.get_xticklabels()] == [*"4432211"]
    assert [label.get_text() for label in packed.get_yticklabels()] == [*"2013"]
    for axes, rows in ((padded, [5, 3, 7, 2]), (packed, [7, 5, 3, 2])):
        assert (~axes.images[0].get_array().mask).sum(axis=1).tolist() == rows


def test_long_sequences_fit_the_terminal():
    lines = text_of(packing([500, 2]).tables()).splitlines()
    assert "…" in lines[1]
    assert max(map(len, lines)) < 100


@pytest.mark.parametrize(("lengths", "message"), [([], "give one or more"), ([3, 0], "length 0: must be in")])
def test_bad_lengths(lengths, message):
    with pytest.raises(InputError, match=message):
        packing(lengths)


def test_the_command_shows_and_draws_it(tmp_path):
    picture = tmp_path / "packing.png"
    done = CliRunner().invoke(cli, ["packing", "5", "3", "7", "2", "--output", str(picture)])
    assert done.exit_code == 0, done.output
    assert "17 valid steps of 28: 39.3% padding" in done.output
    rows = [line.split() for line in done.output.splitlines()]
    assert ["batch_sizes", "4", "4", "3", "2", "2", "1", "1"] in rows
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_names_the_formats_it_writes(tmp_path):
    done = CliRunner().invoke(cli, ["packing", "5", "3", "--output", str(tmp_path / "packing.doc")])
    assert isinstance(done.exception, InputError)
    assert "unknown suffix '.doc'; name it .png" in str(done.exception)
