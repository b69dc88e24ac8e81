"""The base of drawn data: what all generators promise, and what a new one gets from it."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from conftest import ROOT
from file_data import PRESETS, preset

from unroll.config import registry
from unroll.data.collate import Sample
from unroll.data.samples import common_length
from unroll.data.synthetic.base import SplitSizesConfig, SyntheticConfig, SyntheticData, token_ids
from unroll.errors import InputError
from unroll.spec import Alignment, DataSpec, Kind, Signature

CHOICES = sorted(
    {path.stem for path in (ROOT / "conf" / "data").glob("*.yaml")}
    - {"cmudict", "mnist1d", "wheel_series", *PRESETS}
)
SIZES = {"train_size": 40, "valid_size": 15, "test_size": 15, "test_per_length": 1}


def items(data):
    """Items as lists that can be compared."""

    def plain(value):
        if isinstance(value, tuple):
            return [plain(each) for each in value]
        return value.tolist() if isinstance(value, np.ndarray | torch.Tensor) else value

    return [plain(item) for item in data.train_items]


@dataclass(kw_only=True, slots=True)
class DiceConfig(SplitSizesConfig):
    name: str = "dice"
    min_throws: int = 1
    max_throws: int = 9

    def __post_init__(self) -> None:
        SplitSizesConfig.__post_init__(self)
        self.require_ranges("throws")

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.SEQUENCE)


class Dice(SyntheticData[np.ndarray]):
    """Throws of a die, and whether a training sequence has as many."""

    config: DiceConfig

    def draw(self, random, split, index):
        if split != "train":
            assert len(self.train_items) == self.config.train_size
        self.drawn.append((split, index))
        return random.integers(6, size=random.integers(self.config.min_throws, self.config.max_throws + 1))

    def sample(self, index, item):
        return Sample(index, token_ids(item), torch.tensor(len(item)))

    def make_spec(self):
        return DataSpec(
            signature=self.config.signature(), input_size=10, target_size=len(self.train_items) + 1
        )


def dice(seed=3, **values):
    data = Dice(DiceConfig(train_size=5, valid_size=3, test_size=4, **values), seed)
    data.drawn = []
    return data


def test_a_generator_says_only_what_is_drawn_and_what_follows():
    data = dice()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 5, "valid": 3, "test": 4}
    assert data.spec.target_size == 6
    for number, split in enumerate(data.splits.values()):
        for index, sample in enumerate(split.samples):
            assert sample.index == index
            random = np.random.default_rng([3, number, index])
            throws = random.integers(6, size=random.integers(1, 10))
            assert sample.inputs.tolist() == [throw + 4 for throw in throws]


def test_each_item_is_drawn_once_and_the_training_items_first():
    data = dice()
    assert data.drawn == []  # not before somebody asks
    assert data.spec is data.spec
    assert len(data.splits["test"]) == 4
    expected = [(split, i) for split, size in (("train", 5), ("valid", 3), ("test", 4)) for i in range(size)]
    assert data.drawn == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train_size": 0}, "train_size=0: must be 1 or more"),
        ({"min_throws": 4, "max_throws": 3}, "max_throws=3: must be min_throws=4 or more"),
        ({"max_throws": float("inf")}, "max_throws=inf: must be min_throws=1 or more"),
    ],
)
def test_shared_checks(values, message):
    with pytest.raises(InputError, match=f"^{message}"):
        DiceConfig(**values)


def test_every_drawn_data_set_has_this_base():
    configs = [registry.config_class("data", name) for name in registry.names("data")]
    drawn = {config for config in configs if config.__module__.startswith("unroll.data.synthetic.")}
    assert len(drawn) == 15
    assert all(issubclass(config, SyntheticConfig) for config in drawn)


@pytest.mark.parametrize("name", CHOICES)
def test_sizes_and_items_of_every_choice(tmp_path, name):
    data = preset(tmp_path, name, **SIZES)
    assert isinstance(data, SyntheticData)
    assert {split: len(samples) for split, samples in data.splits.items()} == data.config.sizes()
    assert data.splits["train"].samples[7].index == 7
    assert len(data.train_items) == 40
    # An item of the training split does not depend on how many there are.
    more = preset(tmp_path, name, **{**SIZES, "train_size": 60})
    assert items(more)[:40] == items(data)
    assert type(data)(data.config, 1).spec == data.spec
    assert items(type(data)(data.config, 2)) != items(data)


@pytest.mark.parametrize("name", ["copy", "reverse", "sort", "majority", "parity", "generate"])
def test_held_out_inputs_are_not_in_training(tmp_path, name):
    """Of short sequences too, of which the training split holds many."""
    few = {} if name == "generate" else {"vocabulary_size": 2}
    data = preset(tmp_path, name, **SIZES, **few, min_length=3, max_length=8)
    train, valid, test = (
        {str(sample.inputs.tolist()) for sample in split.samples} for split in data.splits.values()
    )
    assert not train & (valid | test)


@pytest.mark.parametrize(
    ("lengths", "common"), [([3, 3, 3], 3), ([3, 4], 0), ([5], 5), ([], 0), (iter([2, 2]), 2)]
)
def test_common_length(lengths, common):
    assert common_length(lengths) == common
