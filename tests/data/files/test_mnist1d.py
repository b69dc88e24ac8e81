"""MNIST-1D: what the package makes, and what is said where it is missing."""

import sys

import numpy as np
import pytest
import torch

from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.errors import InputError, MissingEnvironmentError


def mnist1d(**values):
    return build_data(from_dict("data", {"name": "mnist1d", **values}), 1)


@pytest.mark.parametrize("values", [{"valid_size": 0}, {"valid_size": 4000}, {"signal_seed": -1}])
def test_bad_values_are_told(values):
    with pytest.raises(InputError, match=r"^data\.(valid_size|signal_seed)=-?\d+: must be "):
        mnist1d(**values)


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)  # as if it were not installed
    with pytest.raises(MissingEnvironmentError, match="pip install mnist1d"):
        _ = mnist1d().spec


def test_signals_and_digits():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    ordered, shuffled = mnist1d(), mnist1d(shuffled=True)
    assert {name: len(split) for name, split in ordered.splits.items()} == {
        "train": 3600,
        "valid": 400,
        "test": 1000,
    }
    # The run's own generator is as before. (That of `random` beartype draws from, in tests.)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    signals, others = (
        torch.stack([sample.inputs[:, 0] for split in data.splits.values() for sample in split.samples])
        for data in (ordered, shuffled)
    )
    digits = torch.stack([sample.targets for split in ordered.splits.values() for sample in split.samples])
    assert signals.shape == (5000, 40)
    assert digits.bincount().tolist() == [500] * 10
    assert signals.mean().item() == pytest.approx(0, abs=1e-4)
    assert signals.std().item() == pytest.approx(1, abs=1e-3)
    # One order of the steps, the same for all signals, makes the shuffled of the ordered.
    order = [int((signals[0] - value).abs().argmin()) for value in others[0]]
    assert sorted(order) == list(range(40)) != order
    torch.testing.assert_close(signals[:, order], others, rtol=0, atol=1e-5)
    # Neighbours are alike in order, and are not when shuffled.
    assert (signals.diff(dim=1).abs().mean() < 0.6 * others.diff(dim=1).abs().mean()).item()
    assert not torch.equal(mnist1d(signal_seed=1).splits["train"].samples[0].inputs[:, 0], signals[0])
