"""The command line of a trial, and the config that it stands for."""

import copy
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, Quote, QuotedString
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from unroll.config.compose import CONF, check
from unroll.config.mistakes import composition_errors
from unroll.runs.folder import RunFolder
from unroll.sweep.search.space import Space

LAUNCHER_GROUP = "hydra/launcher"


class Commands:
    """Turns what varies in a trial into the trial's overrides, and these into a checked config.

    `master` is the config that Hydra composed from the sweep's own command line.
    """

    def __init__(self, master: DictConfig, loader: ConfigLoader, space: Space, folder: Path) -> None:
        self._master = master
        self._loader = loader
        self._space = space
        self._folder = folder
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._is_group = cache(lambda key: bool(loader.get_group_options(key)))

    def overrides(self, varied: Mapping[str, str], number: int) -> list[str]:
        """The whole command line of a trial, without Hydra's own part."""
        logger = self._master.logger
        own = {
            "run_dir": self.folder(number),
            "logger.group": logger.group or self._folder.name,
            "logger.name": logger.name or self._space.label(varied) or "trial",
        }
        return [
            *self._space.fixed,
            *(f"{key}={value}" for key, value in varied.items()),
            *(f"{key}={_quoted(str(value))}" for key, value in own.items()),
        ]

    def folder(self, number: int) -> RunFolder:
        """The folder of a trial."""
        return RunFolder(self._folder / f"{number:04d}")

    def values(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The checked config of a trial.

        Raises:
            InputError: the overrides cannot be composed, or `check` refuses the config.
        """
        launcher = self._master.hydra.runtime.choices[LAUNCHER_GROUP]
        values = check(self._compose(overrides), CONF, launcher=str(launcher))
        del values["sweep"]
        return values

    def argv(self, overrides: Sequence[str]) -> list[str]:
        """The command line that runs this trial alone. Further processes of the trial run it."""
        hydra = [str(each) for each in self._master.hydra.overrides.hydra]
        task = [str(each) for each in self._master.hydra.overrides.task]
        flags = [each for each in sys.argv[1:] if each not in (*task, *hydra, "-m", "--multirun")]
        kept = [
            each for each in hydra if not each.startswith(("hydra.mode=", LAUNCHER_GROUP, "hydra.launcher"))
        ]
        return [sys.argv[0], *flags, *kept, *overrides, "hydra.mode=RUN"]

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        """What Hydra composes from these overrides.

        That takes a third of a second. Trials that choose the same files differ in single values, so these
        are set in a copy of what Hydra once composed from the files.
        """
        with composition_errors(CONF):
            parsed = OverridesParser.create().parse_overrides(list(overrides))
            single = [each for each in parsed if self._is_single(each)]
            chosen = tuple(str(each.input_line) for each in parsed if not self._is_single(each))
            if chosen not in self._composed:
                self._composed[chosen] = self._load(chosen)
            composed = copy.deepcopy(self._composed[chosen])
            try:
                for override in single:
                    OmegaConf.update(composed, override.key_or_group, override.value(), merge=True)
            except OmegaConfBaseException:
                composed = self._load(overrides)  # raises an error that says more
            return composed

    def _load(self, overrides: Sequence[str]) -> DictConfig:
        composed = self._loader.load_sweep_config(self._master, list(overrides))
        with open_dict(composed):
            del composed["hydra"]
        return composed

    def _is_single(self, override: Override) -> bool:
        """Whether an override only sets a value: it chooses no file, and adds or deletes no key."""
        plain = override.type is OverrideType.CHANGE and override.package is None
        return plain and not self._is_group(override.key_or_group)


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()
