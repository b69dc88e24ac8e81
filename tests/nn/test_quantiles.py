"""Quantiles: their loss, that none crosses another, and that intervals hold what they say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from unroll.nn.quantiles import Quantiles, Residuals

LEVELS = (0.05, 0.1, 0.5, 0.9)


def test_the_loss_is_twice_the_pinball_loss():
    quantiles = Quantiles(LEVELS, 1, 3)
    outputs, targets = torch.randn(20, 3 * len(LEVELS)), torch.randn(20, 3)
    found = quantiles.loss(outputs, targets)
    for column, level in enumerate(LEVELS):
        wanted = mean_pinball_loss(targets, quantiles.split(outputs)[..., column], alpha=level)
        assert found[..., column].mean().item() == pytest.approx(2 * wanted, rel=1e-5)
    torch.testing.assert_close(found[..., 2], (targets - quantiles.median(outputs)).abs())


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), shape=st.sampled_from([(4,), (4, 3)]))
def test_no_quantile_crosses_another_and_offsets_leave_the_median(seed, shape):
    torch.manual_seed(seed)
    quantiles = Quantiles(LEVELS, 3, 2)
    raw = torch.randn(*shape, 2 * len(LEVELS))
    ordered = quantiles.ordered(raw)
    quantiles.offsets.copy_(torch.randn(3, 2, len(LEVELS)) * 3)
    quantiles.offsets[..., 2] = 0
    calibrated = quantiles.calibrated(ordered)
    for found in (ordered, calibrated):
        assert (quantiles.split(found).diff(dim=-1) >= 0).all()
    assert torch.equal(quantiles.median(calibrated), quantiles.median(ordered))


def test_offsets_move_quantiles_at_their_own_step_ahead():
    quantiles = Quantiles((0.1, 0.5, 0.9), 2, 1)
    quantiles.offsets.copy_(torch.tensor([[[-1.0, 0.0, 2.0]], [[-3.0, 0.0, 4.0]]]))
    calibrated = quantiles.calibrated(torch.zeros(5, 2, 3))
    assert calibrated[0].tolist() == [[-1, 0, 2], [-3, 0, 4]]


@pytest.mark.parametrize("number", [1, 5, 40, 399])
def test_offsets_are_of_the_rank_that_conformal_prediction_asks_for(number):
    quantiles = Quantiles((0.1, 0.5, 0.9), 1, 1)
    found = Residuals(quantiles)
    residuals = torch.randperm(number).float()
    for part in residuals.split(7):
        found.update(part[:, None, None].expand(-1, 1, 3), None)
    low, middle, high = found.compute()[0, 0].tolist()
    # numpy has the ranks of conformal prediction by these names, where they exist.
    share = min(1.0, np.ceil((number + 1) * 0.9) / number)
    assert high == np.quantile(residuals, share, method="inverted_cdf")
    assert low == residuals.max() - high
    assert middle == 0


def test_intervals_hold_what_they_say():
    """Noise whose size differs by step, and outputs that know nothing of it: only offsets can tell."""
    generator = torch.Generator().manual_seed(0)
    quantiles = Quantiles((0.1, 0.5, 0.9), 3, 1)
    size = torch.tensor([1.0, 5.0, 0.2])
    residuals = Residuals(quantiles)
    for batch in (torch.randn(2000, 3, generator=generator) * size).split(300):
        rows = batch.reshape(-1, 1, 1).expand(-1, 1, 3)
        residuals.update(rows, torch.arange(3).repeat(len(batch)))
    quantiles.offsets.copy_(residuals.compute())
    unseen = torch.randn(5000, 3, generator=generator) * size
    found = quantiles.calibrated(torch.zeros(5000, 3, 3))
    inside = (found[..., 0] <= unseen) & (unseen <= found[..., 2])
    assert ((inside.float().mean(dim=0) - 0.8).abs() < 0.03).all()
