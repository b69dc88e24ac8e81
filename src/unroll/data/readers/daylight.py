"""Hours that clocks skip in spring and repeat in autumn: why local times have gaps, or come twice."""

import pandas as pd

ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Athens",
    "America/New_York",
    "Australia/Sydney",
    "Pacific/Auckland",
)
"""Zones of different rules; others in the same part of the world change at the same local time."""

FIX = "write local times with their offset from UTC, as 2024-03-31T03:00+02:00, or write UTC"


def skipped(times: pd.Series) -> str:
    """What to say if one of these times is in an hour that clocks skip; nothing otherwise."""
    return _said(times, "is in an hour that clocks skip", nonexistent="NaT", ambiguous=False)


def repeated(times: pd.Series) -> str:
    """What to say if one of these times is in an hour that clocks repeat; nothing otherwise."""
    return _said(times, "is in an hour that comes twice", nonexistent="shift_forward", ambiguous="NaT")


def _said(times: pd.Series, what: str, *, nonexistent: str, ambiguous: str | bool) -> str:
    if len(times) == 0 or pd.api.types.is_numeric_dtype(times) or times.dt.tz is not None:
        return ""
    index = pd.DatetimeIndex(times)
    for zone in ZONES:
        flag = ambiguous if isinstance(ambiguous, str) else [ambiguous] * len(index)
        lost = index.tz_localize(zone, nonexistent=nonexistent, ambiguous=flag).isna()  # type: ignore[arg-type]
        if lost.any():
            return f"{index[int(lost.argmax())]} {what} (in {zone}, for example); {FIX}"
    return ""
