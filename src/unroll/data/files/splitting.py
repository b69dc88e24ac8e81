"""Seeded splits into a part to train on and two that are held out."""

import numpy as np

from unroll.data.readers.files import FilesConfig
from unroll.errors import InputError


def split_sizes(number: int, config: FilesConfig, what: str) -> dict[str, int]:
    """How many of a `number` of things each split gets.

    Raises:
        InputError: a split would be empty; `what` says what is split, and where.
    """
    held_out = {
        "valid": round(number * config.valid_fraction),
        "test": round(number * config.test_fraction),
    }
    sizes = {"train": number - sum(held_out.values()), **held_out}
    for name, size in sizes.items():
        if size < 1:
            key = "valid_fraction" if name == "valid" else "test_fraction"
            raise InputError(
                f"data.{key}={getattr(config, key)}: of {number} {what} this leaves none for the {name} "
                "split; take other fractions, or more data"
            )
    return sizes


def split_randomly(number: int, config: FilesConfig, seed: int, what: str) -> dict[str, np.ndarray]:
    """Which of a `number` of things are in each split, in order.

    Raises:
        InputError: as `split_sizes`.
    """
    sizes = split_sizes(number, config, what)
    order = np.random.default_rng(seed).permutation(number)
    parts = np.split(order, np.cumsum(list(sizes.values()))[:-1])
    return {name: np.sort(part) for name, part in zip(sizes, parts, strict=True)}
