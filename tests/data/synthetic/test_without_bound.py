"""Data that are drawn: what would fill the memory is refused before any of it is drawn."""

import time

import pytest
from conftest import ROOT
from file_data import PRESETS
from helpers import require_one_line, shipped
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.config.components import DRAWN_NUMBER_LIMIT, SEQUENCE_LIMIT
from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.errors import InputError

CHOICES = sorted(
    {path.stem for path in (ROOT / "conf" / "data").glob("*.yaml")}
    - {"cmudict", "mnist1d", "wheel_series", *PRESETS}
)
SMALL = {"train_size": 20, "valid_size": 5, "test_size": 5, "test_per_length": 1}


def config_of(choice, **values):
    given = shipped(choice)
    return from_dict("data", given | {key: value for key, value in values.items() if key in given})


def numbers(sample):
    targets = 0 if sample.targets is None else sample.targets.numel()
    letters = sum(map(len, sample.characters or []))
    return sample.inputs.numel() + targets + letters


@pytest.mark.parametrize("choice", CHOICES)
def test_the_longest_sequence_is_counted(choice):
    data = build_data(config_of(choice, **SMALL), 1)
    drawn = max(numbers(sample) for split in data.splits.values() for sample in split.samples)
    assert drawn <= data.config.longest() <= 20 * drawn


@given(
    choice=st.sampled_from(CHOICES),
    sizes=st.dictionaries(
        st.sampled_from(
            [*SMALL, "max_length", "test_max_length", "length", "delay", "horizon", "features", "classes"]
        ),
        st.integers(1, 10**7),
        min_size=1,
    ),
)
@settings(max_examples=150, deadline=None)
def test_what_is_drawn_fits_or_is_told_at_once(choice, sizes):
    """The property: a config that passes the check, or comes out of a checkpoint, has a bound."""
    start = time.perf_counter()
    try:
        config = config_of(choice, **sizes)
        config.require_ready()
    except InputError as error:
        require_one_line(error, "data.")
        assert time.perf_counter() - start < 5  # a hundredth of it on a machine that does nothing else
        return
    assert sum(config.sizes().values()) <= SEQUENCE_LIMIT
    assert sum(config.sizes().values()) * config.longest() <= DRAWN_NUMBER_LIMIT


def test_a_checkpoint_does_not_get_around_it():
    """Its config is not checked on the command line."""
    data = build_data(config_of("copy", train_size=10**7), 1)
    with pytest.raises(InputError, match=r"its sequences \(10,000,000 train"):
        data.splits  # noqa: B018
