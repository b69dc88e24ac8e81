"""Teacher forcing: how often a decoder in training reads the true previous token instead of its own."""

import math
from dataclasses import dataclass
from enum import Enum

from unroll.config.registry import require


class Schedule(Enum):
    """How the ratio changes over the steps of training."""

    constant = "constant"
    linear = "linear"
    inverse_sigmoid = "inverse_sigmoid"


@dataclass(kw_only=True, slots=True)
class TeacherForcingConfig:
    """The ratio at step i of training (Bengio et al. 2015, "Scheduled sampling").

    Attributes:
        schedule: how the ratio changes; constant, linear over `steps`, or inverse_sigmoid, from `ratio` to
            `final` by k / (k + exp(i / k)) with k = `steps`
        ratio: how often the true token or value is given, at first; 1 is always, and fastest
        final: how often it is given in the end
        steps: steps of training until then, or k
    """

    schedule: Schedule = Schedule.constant
    ratio: float = 1.0
    final: float = 0.0
    steps: int = 1000

    def __post_init__(self) -> None:
        require(self, "ratio", 0 <= self.ratio <= 1, "in [0, 1]")
        require(self, "final", 0 <= self.final <= 1, "in [0, 1]")
        require(self, "steps", self.steps >= 1, "1 or more")


def teacher_forcing_ratio(config: TeacherForcingConfig, step: int) -> float:
    """The ratio at a step of training, counted from 0."""
    match config.schedule:
        case Schedule.constant:
            return config.ratio
        case Schedule.linear:
            progress = min(1.0, step / config.steps)
        case Schedule.inverse_sigmoid:
            k = config.steps
            progress = 1.0 - k / (k + math.exp(min(step / k, 700.0)))  # e^700 is near the largest float
    return config.ratio + (config.final - config.ratio) * progress
