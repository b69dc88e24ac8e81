"""The measures by which the trials of a sweep are compared."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from unroll.config.sweep import Direction
from unroll.errors import InputError, nearest
from unroll.sweep.trials import Record, TrialState


class Objectives:
    """Measures and their directions. Without any, a run is compared by its model's own measure."""

    def __init__(self, wanted: Mapping[str, Direction]) -> None:
        self._wanted = wanted

    @property
    def directions(self) -> list[Direction]:
        """The directions in the order of the measures. A model's own measure is minimised."""
        return list(self._wanted.values()) or [Direction.minimize]

    def measure(self, record: Record, results: Mapping[str, Any]) -> None:
        """Enter the run's values of the objectives into its record.

        Raises:
            InputError: the run did not measure one of the objectives.
        """
        valid = results.get("valid", {})
        known = {**results, **valid}
        wanted = {name: direction.value for name, direction in self._wanted.items()}
        directions = wanted or results.get("monitor", {})
        for name in directions:
            if name not in known and valid:  # a run without validation has no measures
                raise InputError(f"sweep.objectives: {name} is not measured, {nearest(name, valid)}")
        record.directions = dict(directions)
        record.values = {name: float(known[name]) for name in directions if known.get(name) is not None}


def best_first(records: Sequence[Record]) -> list[Record]:
    """The finished trials by their first objective, then by the next; after them the others."""

    def losses(record: Record) -> list[float]:
        signs = [-1 if each == Direction.maximize.value else 1 for each in record.directions.values()]
        found = [sign * value for sign, value in zip(signs, record.values.values(), strict=False)]
        return [math.inf if math.isnan(loss) else loss for loss in found] or [math.inf]

    order = list(TrialState)
    return sorted(
        records,
        key=lambda record: (
            record.state is not TrialState.finished,
            losses(record),
            order.index(record.state),
            record.number,
        ),
    )
