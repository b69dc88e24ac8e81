"""Peak and kept memory, on work whose tensors can be counted by hand."""

import pytest
import torch

from unroll.cost.memory import kept_bytes, peak_bytes

THOUSAND_VALUES = 4000  # bytes


def test_peak_is_what_is_alive_at_once():
    before = torch.zeros(5000)

    def work():
        first = torch.ones(1000)
        second = first + 1  # 2 alive
        del first
        third = torch.ones(2000)  # 3
        del second, third
        return before * 1  # 5, and nothing else

    assert peak_bytes(work, torch.device("cpu")) == pytest.approx(5 * THOUSAND_VALUES, abs=200)


def test_kept_counts_shared_memory_once_and_nothing_beside():
    weight, x = torch.ones(1000, requires_grad=True), torch.ones(1000)

    def work():
        product = weight * x  # keeps both
        activated = product.exp()  # keeps its result
        return (activated.view(10, 100) * activated.view(10, 100)).sum()  # keeps it twice more

    assert kept_bytes(work, besides=[weight, x]) == THOUSAND_VALUES
    assert kept_bytes(work, besides=[weight]) == 2 * THOUSAND_VALUES
