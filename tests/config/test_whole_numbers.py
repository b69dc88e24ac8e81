"""Every whole number of every config: one that does not fit into 64 bits is refused by the check."""

import dataclasses
from typing import get_args, get_origin, get_type_hints

import pytest
from helpers import require_one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.config import registry
from unroll.config.registry import from_dict, to_dict, typed
from unroll.config.root import EarlyStoppingConfig, LoggerConfig, RefitConfig, TrainerConfig
from unroll.config.sweep import SweepConfig
from unroll.errors import InputError
from unroll.foreign import require_plain

ROOTS = {
    "trainer": TrainerConfig,
    "logger": LoggerConfig,
    "early_stopping": EarlyStoppingConfig,
    "refit": RefitConfig,
    "sweep": SweepConfig,
}
PARTS = {"cell": "gru", "block": "plain", "embedding": "word", "front_end": "none", "attention": "dot"}
"""What the groups inside a model's config are set to."""


def keys_of(config):
    hints = get_type_hints(config)
    for field in dataclasses.fields(config):
        if int in (hints[field.name], *get_args(hints[field.name])):
            yield field.name


ENTRIES = [(group, name) for group in registry.GROUPS for name in registry.names(group)]
KEYS = [
    *((part, None, key) for part, config in ROOTS.items() for key in keys_of(config)),
    *((group, name, key) for group, name in ENTRIES for key in keys_of(registry.config_class(group, name))),
]
LARGE = st.integers(2**63, 10**40) | st.sampled_from([2**63, 2**64 - 1, 2**64, 10**30])


def built(group, name, key, value):
    """The config of an entry with one value."""
    if name is None:
        return typed(ROOTS[group], {key: value}, group)
    fields = {field.name for field in dataclasses.fields(registry.config_class(group, name))}
    parts = {part: {"name": some} for part, some in PARTS.items() if group == "model" and part in fields}
    rate = {"lr": 0.1} if group == "optimizer" else {}
    is_list = get_origin(get_type_hints(registry.config_class(group, name))[key]) is list
    return from_dict(group, {"name": name, **parts, **rate, key: [value] if is_list else value})


def test_there_are_many():
    assert len(KEYS) > 100
    assert ("data", "words", "split_seed") in KEYS


def require_refused(group, name, key, value):
    with pytest.raises(InputError) as caught:
        built(group, name, key, value)
    require_one_line(caught.value, f"{group.replace('/', '.')}.{key}=", "must be ")


def test_every_key_refuses_a_number_that_does_not_fit():
    for key in KEYS:
        require_refused(*key, 2**63)


@given(key=st.sampled_from(KEYS), size=LARGE, sign=st.sampled_from([1, -1]))
@settings(max_examples=150, deadline=None)
def test_any_number_that_does_not_fit_is_refused(key, size, sign):
    require_refused(*key, sign * size - (sign < 0))  # -2^63 fits


@given(key=st.sampled_from(KEYS), value=st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=150, deadline=None)
def test_a_number_that_is_accepted_can_be_saved(key, value):
    try:
        config = built(*key, value)
    except InputError as error:
        require_one_line(error, "")
        return
    require_plain(to_dict(config), "config")
