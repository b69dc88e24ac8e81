"""Shape annotations are checked while the tests run, and torch has one thread, as runs have by default."""

import importlib
from pathlib import Path

from jaxtyping import install_import_hook

from unroll.config import registry

with install_import_hook(["unroll.batch", "unroll.nn", "unroll.models", "unroll.data"], "beartype.beartype"):
    for group in registry.GROUPS:
        for name in registry.names(group):
            importlib.import_module(registry.names(group)[name])

import pytest
import torch

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def entries(group: str) -> list[str]:
    """The names in the registry, for tests that every entry must pass."""
    return sorted(registry.names(group))
