"""What a command leaves open, for `--cfg job`, which shows what will be used."""

from collections.abc import Sequence
from contextlib import suppress

from unroll.config.compose import CONF, check, compose
from unroll.config.root import load
from unroll.data.module import build_data
from unroll.errors import InputError, MissingEnvironmentError
from unroll.training.settle import settle


def settled(words: Sequence[str]) -> list[str]:
    """The keys that these overrides leave open, as further overrides; none if the run would not begin."""
    with suppress(InputError, MissingEnvironmentError):
        values = check(compose(words), CONF)
        config = load(values)
        found = settle(values, build_data(config.data, config.seed))
        chosen = dict(found.chosen)
        schedule = chosen.pop("scheduler", None)
        own = found.values["scheduler"] if schedule else {}
        chosen |= {f"scheduler.{key}": value for key, value in own.items() if key != "name"}
        return [
            *([f"scheduler={schedule}"] if schedule else []),
            *(f"{key}={value}" for key, value in chosen.items()),
        ]
    return []
