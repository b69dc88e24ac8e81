"""The root config: what it holds, and how a composed one is checked before anything heavy is imported."""

import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import hydra
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, QuotedString, Sweep
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from unroll import registry
from unroll.components import DataConfig, ModelConfig, OptimizerConfig, SchedulerConfig
from unroll.errors import InputError, MissingEnvironmentError, nearest
from unroll.foreign import require_plain_yaml
from unroll.registry import require
from unroll.sweep_config import SweepConfig


class Accelerator(Enum):
    """What to compute on."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class LoggerKind(Enum):
    """Where metrics go: W&B and metrics.csv, metrics.csv alone, or nowhere."""

    wandb = "wandb"
    csv = "csv"
    none = "none"


class LoggerMode(Enum):
    """Whether W&B writes to its local folder alone or also to its server."""

    offline = "offline"
    online = "online"


class NonFinite(Enum):
    """What to do with a step of training whose loss or gradient is NaN or infinite: end the run, or leave
    the step out."""

    stop = "stop"
    skip = "skip"


class Profiler(Enum):
    """What is timed: nothing, Lightning's hooks, or every operation."""

    none = "none"
    simple = "simple"
    pytorch = "pytorch"


CONF = Path(__file__).parents[2] / "conf"

OF_SEVERAL_PROCESSES = ("unroll", "submitit_slurm")
"""Launchers under which a trial's further processes run that trial, not the whole sweep."""

HELP_WIDTH = 100

MOST_MINUTES = 365 * 24 * 60
MOST_THREADS = 1024
"""More is a slip."""

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true")


@dataclass(kw_only=True, slots=True)
class TrainerConfig:
    """Config of Lightning's Trainer.

    `devices` is a number or "auto". `max_minutes` stops in time for a deadline (null: none).
    `gradient_clip` bounds the gradient's norm (0: off). `threads` is the number of CPU threads (null: as
    many as cores). `validate_every` counts epochs. Limits (null: none) count batches.

    With `deterministic` a GPU, too, gives the same bits every time (a CPU does in any case).

    A run is saved after every epoch, and after so many steps or minutes within one (null: not).

    `truncate_steps` cuts every training batch along time into segments of so many steps (null: off). Each is
    a step of training, and counts as a batch wherever batches are counted; the recurrence's state is carried
    over from the segment before, but no gradient goes back to it.

    `log_gradients_every` counts optimizer steps (null: off), before which the norm of the loss's gradient
    with respect to the state of every time step is written to gradients.csv and drawn.
    """

    accelerator: Accelerator = Accelerator.auto
    devices: str = "1"
    strategy: str = "auto"
    precision: str = "32-true"
    max_epochs: int = 10
    max_steps: int = -1
    max_minutes: float | None = None
    gradient_clip: float = 1.0
    accumulate: int = 1
    truncate_steps: int | None = None
    validate_every: int = 1
    checkpoint_every_steps: int | None = None
    checkpoint_every_minutes: float | None = 10.0
    log_every: int = 50
    log_gradients_every: int | None = None
    threads: int | None = 1
    limit_train_batches: int | None = None
    limit_valid_batches: int | None = None
    limit_test_batches: int | None = None
    deterministic: bool = False
    nonfinite: NonFinite = NonFinite.stop
    detect_anomaly: bool = False
    profiler: Profiler = Profiler.none
    progress_bar: bool = True

    def __post_init__(self) -> None:
        require(self, "precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        require(
            self, "devices", re.fullmatch(r"auto|[1-9]\d*", self.devices) is not None, "auto or 1 or more"
        )
        require(self, "strategy", self.strategy in ("auto", "ddp"), "auto or ddp")
        require(self, "max_epochs", self.max_epochs >= 1, "1 or more")
        require(self, "max_steps", self.max_steps >= -1, "-1 (no limit) or more")
        minutes = self.max_minutes
        in_time = minutes is None or 0 < minutes <= MOST_MINUTES
        require(self, "max_minutes", in_time, f"a positive number up to {MOST_MINUTES:,} (a year)")
        require(self, "gradient_clip", self.gradient_clip >= 0, "0 (off) or more")
        for key in ("accumulate", "validate_every", "log_every"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        minutes = self.checkpoint_every_minutes
        require(
            self, "checkpoint_every_minutes", minutes is None or minutes > 0, "a positive number, or null"
        )
        limits = ("limit_train_batches", "limit_valid_batches", "limit_test_batches")
        for key in ("threads", "truncate_steps", "checkpoint_every_steps", "log_gradients_every", *limits):
            require(self, key, getattr(self, key) is None or getattr(self, key) >= 1, "1 or more, or null")
        require(self, "threads", (self.threads or 1) <= MOST_THREADS, f"{MOST_THREADS} or less")
        # Batches of several processes would differ in their number of segments.
        alone = self.truncate_steps is None or self.devices == "1"
        require(self, "truncate_steps", alone, f"null with trainer.devices={self.devices}; set that to 1")


@dataclass(kw_only=True, slots=True)
class LoggerConfig:
    """Config of logging. `name` is the run's on the dashboard (null: its folder's; in a sweep: what varies),
    and `group` that of the runs beside it (null: none; in a sweep: its name). `samples` is the number of test
    sequences shown with their predictions."""

    kind: LoggerKind = LoggerKind.wandb
    mode: LoggerMode = LoggerMode.offline
    project: str = "unroll"
    name: str | None = None
    group: str | None = None
    tags: list[str] = field(default_factory=list)
    samples: int = 8

    def __post_init__(self) -> None:
        require(self, "samples", self.samples >= 1, "1 or more")
        project = re.fullmatch(r"[\w .-]{1,128}", self.project) is not None
        require(self, "project", project, "1 to 128 letters, digits, blanks, '_', '-' and '.'")
        tags = all(re.fullmatch(r"\S(.{,62}\S)?", tag) for tag in self.tags)
        require(self, "tags", tags, "of 1 to 64 characters each")


@dataclass(kw_only=True, slots=True)
class EarlyStoppingConfig:
    """Config of early stopping: after `patience` validations without improvement (null: never)."""

    patience: int | None = None
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        require(self, "patience", self.patience is None or self.patience >= 1, "1 or more, or null")
        require(self, "min_delta", self.min_delta >= 0, "0 or more")


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """Config of one run."""

    seed: int = 1
    run_dir: str = MISSING
    ckpt_path: str | None = None
    data: DataConfig = MISSING
    model: ModelConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    scheduler: SchedulerConfig = MISSING
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)

    def __post_init__(self) -> None:
        require(self, "seed", 0 <= self.seed < 2**32, "in [0, 2^32)")
        require(self, "run_dir", Path(self.run_dir).name != "", "the name of a folder")


def register() -> None:
    """Give Hydra the dataclasses, under `schema/`."""
    store = ConfigStore.instance()
    for name, schema in (("train", TrainConfig), ("trainer", TrainerConfig), ("logger", LoggerConfig)):
        store.store(name, schema, group="schema")
    store.store("sweep", SweepConfig, group="schema")
    for group in registry.GROUPS:
        for name in registry.names(group):
            store.store(name, registry.config_class(group, name, light=True), group=f"schema/{group}")


def help_text(conf: Path) -> str:
    """What `--help` prints: conf/help.txt with the choices of each group it names."""
    text = (conf / "help.txt").read_text(encoding="utf-8")
    return re.sub(
        r"^( +\S+ +)\{([\w/]+)\}", lambda line: _listed(line[1], choices(conf, line[2])), text, flags=re.M
    )


def _listed(start: str, names: list[str]) -> str:
    """Names after the start of a line, wrapped under one another."""
    return textwrap.fill(
        ", ".join(names), HELP_WIDTH, initial_indent=start, subsequent_indent=" " * len(start)
    )


def compose(overrides: Sequence[str]) -> DictConfig:
    """What train.py would compose of these overrides.

    Raises:
        InputError: one of them is wrong.
        MissingEnvironmentError: Unroll was installed without conf/.
    """
    if not CONF.is_dir():
        raise MissingEnvironmentError(f"{CONF}: no such folder; install from a clone, with `make setup`")
    require_harmless(CONF)
    with composition_errors(CONF):
        require_names(overrides, CONF)
        register()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra.compose("train", [*overrides, "run_dir=none"])


def require_harmless(conf: Path) -> None:
    """Raise an `InputError` where a config file names code to run, which Hydra would do before any check.

    A file may come from somebody else.
    """
    for file in sorted(conf.rglob("*.yaml")):
        require_plain_yaml(file)


def require_names(overrides: Sequence[str], conf: Path) -> None:
    """Raise an `InputError` where a group is set to what is no name: Hydra's own words say of what kind
    it is, but not of which group."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        group = override.key_or_group
        if override.is_delete() or not ("/" in group or (conf / group).is_dir()):
            continue
        value = override.value()
        for name in value.list if isinstance(value, ChoiceSweep) else [value]:
            if not isinstance(name, str | list | Sweep | Glob | QuotedString):
                known = choices(conf, group)
                fix = f"choose from: {', '.join(known)}" if known else "give a name"
                raise InputError(f"{override.input_line}: no such choice, {fix}")


def choices(conf: Path, group: str) -> list[str]:
    """The names that a group can take on the command line."""
    return sorted(file.stem for file in (conf / group).glob("*.yaml"))


def check(composed: DictConfig, conf: Path, *, launcher: str | None = None) -> dict[str, Any]:
    """The plain values of a composed config, once they are known to be right. Imports nothing heavy.

    `launcher` is that of a sweep, if the config is one of its trials.

    Raises:
        InputError: a wrong key, type, range or combination; no such `ckpt_path`.
    """
    try:
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True, enum_to_str=True)
    except OmegaConfBaseException as error:
        raise InputError(_of_a_value(error)) from error
    assert isinstance(values, dict)
    plain = {str(key): value for key, value in values.items()}
    config = load(plain, light=True)
    if config.trainer.devices != "1" and launcher not in (None, *OF_SEVERAL_PROCESSES):
        raise InputError(
            f"trainer.devices={config.trainer.devices}: with hydra/launcher={launcher} the further processes "
            f"would run the whole sweep again; use {' or '.join(OF_SEVERAL_PROCESSES)}"
        )
    signature = config.data.signature()
    if signature not in config.model.accepts:
        fitting = [name for name in choices(conf, "data") if _signature(conf, name) in config.model.accepts]
        raise InputError(
            f"data.name={config.data.name}: model {config.model.name} cannot learn from {signature}; "
            f"data that fit it: {', '.join(fitting)}"
        )
    config.data.require_ready()
    if config.ckpt_path is not None and not Path(config.ckpt_path).is_file():
        raise InputError(
            f"ckpt_path={config.ckpt_path}: no such file; give a checkpoint, as in a run's checkpoints/"
        )
    return plain


def load(values: dict[str, Any], *, light: bool = False) -> TrainConfig:
    """The typed root config from plain values; with `light`, without importing torch."""
    config = registry.typed(TrainConfig, values, light=light)
    assert isinstance(config, TrainConfig)
    return config


def _signature(conf: Path, data: str) -> Any:
    """The signature of a data set that stands in a file of `conf/data`."""
    values = OmegaConf.to_container(OmegaConf.load(conf / "data" / f"{data}.yaml"))
    assert isinstance(values, dict)
    del values["defaults"]
    return registry.from_dict("data", {str(k): v for k, v in values.items()}, light=True).signature()


@contextmanager
def composition_errors(conf: Path) -> Iterator[None]:
    """Turn what Hydra and OmegaConf say of a bad command line into one line that names key, value and fix.

    What a run or a sweep raises does not come here: a `boundary` of its own is around it.
    """
    # Hydra prints its own errors and exits with 1, unless this asks for the exception itself.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except MissingConfigException as error:
        raise InputError(_missing_choice(error)) from error
    except ConfigCompositionException as error:
        raise InputError(_composition(error, conf)) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise InputError(_first_lines(error)) from error


def _missing_choice(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    if not group or error.options is None:
        return str(error).splitlines()[0]
    return f"{group}={name}: no such choice, {_one_of(name, error.options)}"


def _composition(error: ConfigCompositionException, conf: Path) -> str:
    cause = error.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        parent = cause.parent_node
        keys = {str(key) for key in parent} - {"hydra"} if isinstance(parent, DictConfig) else set()
        if "/" in str(cause.key):  # a group was meant, and is named with slashes
            keys = {str(folder.relative_to(conf)) for folder in conf.rglob("*") if folder.is_dir()}
        if not keys:
            return f"{cause.full_key}: no such key; to add it, write +{cause.full_key}=VALUE"
        return f"{cause.full_key}: no such key, {_one_of(str(cause.key), keys)}"
    if isinstance(cause, OmegaConfBaseException):
        group = str(cause.full_key).replace(".", "/")
        if group in registry.GROUPS:
            return (
                f"{cause.full_key}: is a group; choose with a slash: {group}={'|'.join(choices(conf, group))}"
            )
        if "Invalid type assigned" in str(cause):
            return f"{cause.full_key}: holds keys of its own; set one of them, as {cause.full_key}.KEY=VALUE"
        return _of_a_value(cause)
    return _first_lines(error)


def _of_a_value(error: OmegaConfBaseException) -> str:
    reason = str(error).splitlines()[0]
    if isinstance(error, MissingMandatoryValue):
        reason = "not given; give it a value"
    elif reason.endswith("is not Optional"):
        reason = "is null, and must have a value; give it one"
    return f"{error.full_key}: {reason}"


def _first_lines(error: Exception) -> str:
    if sign := re.match(r"LexerNoViableAltException: (.*)\n", str(error)):
        return f"{sign[1]}: cannot be read; put a value in quotes that has other signs than a-z, A-Z, 0-9, _"
    if ambiguous := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'", str(error)):
        return f"{ambiguous[1]}: several values make a sweep; add -m"
    if isinstance(error, OverrideParseException) and "missing EQUAL" in str(error):
        return f"{error.override}: has no value; write KEY=VALUE"
    lines = [line.rstrip(":.") for line in str(error).splitlines()[:2]]
    if isinstance(error, OverrideParseException) and error.override not in lines[0]:
        return f"{error.override}: cannot be read ({lines[0]})"
    return ": ".join(lines)


def _one_of(word: str, known: Iterable[str]) -> str:
    hint = nearest(word, known)
    everything = f"there are: {', '.join(sorted(known))}"
    return f"{hint} ({everything})" if hint.startswith("did you mean") else hint
