"""Which keys of a config change what a run learns."""

from typing import Any

from unroll.redact import redacted

KEYS_WITHOUT_EFFECT = {
    "run_dir": True,
    "logger": True,
    "sweep": True,
    "trainer": {"threads": True, "progress_bar": True},
}
"""Config keys that do not change what a run learns."""

KEYS_OF_A_PLACE = {
    "ckpt_path": True,
    "data": {"path": True, "train": True, "valid": True, "test": True, "workers": True},
    "trainer": dict.fromkeys(
        (
            *("accelerator", "devices", "num_nodes", "strategy"),
            *("deterministic", "profiler", "detect_anomaly"),
            *("max_minutes", "checkpoint_every_steps", "checkpoint_every_minutes"),
        ),
        True,
    ),
}
"""Config keys that may change when a run is resumed: on another machine, or with its data in another place.

The data have to be the same, and a note tells of what else the bits depend on."""


def without(values: dict[str, Any], left_out: dict[str, Any]) -> dict[str, Any]:
    """Values without the keys that `left_out` marks as True."""
    rest = {key: value for key, value in values.items() if left_out.get(key) is not True}
    for key, inner in left_out.items():
        if isinstance(inner, dict) and isinstance(rest.get(key), dict):
            rest[key] = without(rest[key], inner)
    return rest


def kept(values: dict[str, Any]) -> dict[str, Any]:
    """The part of a config that a resumed run has to keep, redacted."""
    part: dict[str, Any] = redacted(without(without(values, KEYS_WITHOUT_EFFECT), KEYS_OF_A_PLACE))
    return part


def first_difference(before: Any, now: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """The first key whose value differs, with both values. A key that one side lacks is none: it is newer."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before.keys() & now.keys():
            if found := first_difference(before[name], now[name], f"{key}.{name}".lstrip(".")):
                return found
        return None
    return None if before == now else (key, before, now)
