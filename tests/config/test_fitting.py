"""A command line that names the data alone gets the model that fits."""

import pytest

from unroll.config.compose import CONF
from unroll.config.fitting import fitting_model
from unroll.errors import InputError


@pytest.mark.parametrize(
    ("overrides", "model"),
    {
        ("data=series",): "many_to_one",
        ("data=series", "data.task=seq2seq"): "seq2seq_continuous",
        ("data=series_one_ahead",): "many_to_many",
        ("data=context_tokens", "seed=2"): "one_to_many",
        ("data=majority,parity",): "many_to_one",
        ("data=series,series_one_ahead",): None,
        ("data=reverse",): None,
        ("data=token_pairs",): None,
        ("data=series", "model=many_to_one"): None,
        ("data=series", "experiment=copy"): None,
        ("data=series", "debug=fast"): "many_to_one",
        ("data=series", "sweep=cells"): None,
        ("data=series_seq2seq", "sweep=architectures"): "seq2seq_continuous",
        ("data=sine_features", "sweep=architectures", "model=feature_conv"): None,
        ("data=sine_next", "task=recall"): None,
        ("data=series", "data.task=no"): None,
        ("data=no",): None,
        ("model=many_to_one",): None,
        (): None,
    }.items(),
)
def test_fitting_model(overrides, model):
    assert fitting_model(overrides, CONF) == model


def test_a_sweep_of_architectures_needs_data():
    with pytest.raises(InputError, match="compares on what data"):
        fitting_model(["sweep=architectures"], CONF)
