"""Splits of the user's own data into training, validation and test parts."""

import numpy as np

from unroll.data.readers.files_config import FilesConfig
from unroll.errors import InputError


def split_sizes(number: int, config: FilesConfig, what: str) -> dict[str, int]:
    """How many of `number` things each split gets. `what` names the things and their place.

    Raises:
        InputError: a split would be empty.
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
    """The numbers of the things in each split, in order: a random choice by `seed`.

    Raises:
        InputError: as `split_sizes`.
    """
    sizes = split_sizes(number, config, what)
    order = np.random.default_rng(seed).permutation(number)
    parts = np.split(order, np.cumsum(list(sizes.values()))[:-1])
    return {name: np.sort(part) for name, part in zip(sizes, parts, strict=True)}
