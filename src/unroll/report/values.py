"""Values from files: as comparable text, as numbers, and as text for people."""

import math
from typing import Any

NO_VALUE = "–"
"""Shown for a setting or a number that a run does not have."""

LARGEST_LINEAR_RATIO = 10
"""A scale is logarithmic if the largest value is more than this many times the smallest."""


def text_of(value: Any) -> str:
    """A setting as text, independent of how it was written: 3e-3, 0.003 and "0.003" are one value."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    text = str(value).strip()
    number = number_of(text)
    if number is None:
        return text
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def number_of(text: str) -> float | None:
    """The finite number that a text holds, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def place(text: str) -> tuple[bool, float, str]:
    """The sort key of settings: numbers by size, then words."""
    number = number_of(text)
    return (number is None, number or 0.0, text)


def flat(values: dict[Any, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as text, by dotted keys."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = text_of(value)
    return found


def measured(values: Any) -> dict[str, float]:
    """The finite numbers of a dict; empty for anything else."""
    if not isinstance(values, dict):
        return {}
    return {
        str(key): float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def show(number: float | None) -> str:
    """A number with four significant digits. Large numbers and whole numbers have no decimals."""
    if number is None:
        return NO_VALUE
    if abs(number) < 1e9 and (abs(number) >= 1000 or float(number).is_integer()):
        return f"{number:,.0f}"
    return f"{number:#.4g}".rstrip(".")


def show_spread(mean: float, spread: float) -> str:
    """A mean ± its spread. The spread has two significant digits, and the mean as many decimals."""
    places = 1 - math.floor(math.log10(spread)) if spread > 0 else 0
    if not spread or places > 6:
        return f"{show(mean)} ± {spread:.2g}"
    places = max(0, places)
    return f"{mean:,.{places}f} ± {spread:,.{places}f}"


def show_setting(text: str) -> str:
    """A setting with at most four significant digits: 0.001235 for 0.0012345678."""
    number = number_of(text)
    return text if number is None or number.is_integer() else f"{number:.4g}"


def is_wide(values: list[float]) -> bool:
    """Whether all values are positive and so far apart that a logarithmic scale suits them."""
    return min(values) > 0 and max(values) / min(values) > LARGEST_LINEAR_RATIO
