import pytest
import torch
from conftest import entries

from unroll.config.registry import build, from_dict

KINDS = [name for name in entries("model/attention") if name != "none"]
PAPERS = ["additive", "dot"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("memory_size", [4, 6])
def test_padding_gets_no_weight_and_no_gradient(name, memory_size):
    attention = build(from_dict("model/attention", {"name": name}), 4, memory_size)
    memory = torch.randn(2, 5, memory_size, requires_grad=True)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    context, weights = attention(torch.randn(2, 3, 4), memory, attention.keys(memory), mask)
    assert (weights[1, :, 2:] == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3))
    context.sum().backward()
    assert (memory.grad[1, 2:] == 0).all()
    assert (memory.grad[1, :2] != 0).any()


@pytest.mark.parametrize("name", PAPERS)
def test_scores_are_the_papers(name):
    attention = build(from_dict("model/attention", {"name": name}), 4, 4)
    query, memory = torch.randn(1, 2, 4), torch.randn(1, 3, 4)
    scores = attention.scores(query, attention.keys(memory))
    for s in range(2):
        for t in range(3):
            q, m = query[0, s], memory[0, t]
            if name == "dot":
                expected = q @ m
            else:
                inner = attention.query.weight @ q + attention.key.weight @ m + attention.key.bias
                expected = attention.score.weight[0] @ torch.tanh(inner)
            torch.testing.assert_close(scores[0, s, t], expected)


def test_none_is_an_empty_context():
    attention = build(from_dict("model/attention", {"name": "none"}), 4, 6)
    memory = torch.randn(2, 5, 6)
    context, weights = attention(torch.randn(2, 3, 4), memory, attention.keys(memory), torch.ones(2, 5) > 0)
    assert context.shape == (2, 3, 0)
    assert weights is None
    assert attention.context_size == 0
