"""A study: trials that Optuna chooses (Akiba et al. 2019)."""

import random
from pathlib import Path

import optuna
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.samplers import BaseSampler, CmaEsSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from unroll.config.sweep import Sampler, SweepConfig
from unroll.errors import InputError
from unroll.sweep.commands import Commands
from unroll.sweep.locks import Ownership
from unroll.sweep.search.journal import open_study
from unroll.sweep.search.objectives import Objectives
from unroll.sweep.search.queue import TrialQueue
from unroll.sweep.search.space import Space, bounds, values
from unroll.sweep.trials import Record, Trial, TrialState, read_record

RETRY_OF_ATTRIBUTE = "retry_of"


class Study(TrialQueue):
    """The trials of a study. `n_trials` counts those of all processes and restarts together.

    A trial whose owner has died is run again in the same folder, by the first process that finds it. With
    sampler=grid the study holds all combinations from the start.
    """

    def __init__(
        self, space: Space, commands: Commands, folder: Path, config: SweepConfig, objectives: Objectives
    ) -> None:
        super().__init__(commands, folder, objectives)
        self._config = config
        self._axes = space.axes
        self._listed = space.combinations() if config.sampler is Sampler.grid else []

    @property
    def size(self) -> int:
        return self._config.n_trials or len(self._listed)

    def _prepare(self) -> None:
        self._study = open_study(self._folder, self._objectives.directions, self._config.pruner)
        if not self._trials():
            for combination in self._listed:
                self._study.enqueue_trial(dict(combination))
        if self._config.retry_failed:
            for trial in self._trials():
                if trial.state is OptunaState.FAIL:
                    self._study.enqueue_trial(trial.params, user_attrs={RETRY_OF_ATTRIBUTE: trial.number})

    def _next(self) -> Trial | None:
        for number in self._open():
            ownership = self._claim(number)
            if ownership is not None:  # its owner has died
                trial = self._take_over(number, ownership)
                if trial is not None:
                    return trial
        while self._wants_more():
            number = self._study.ask().number
            ownership = self._claim(number)
            assert ownership is not None
            trial = self._start(number, ownership)
            if trial is not None:
                return trial
        return None

    def _wants_more(self) -> bool:
        trials = self._trials()
        return len(trials) < self.size or any(trial.state is OptunaState.WAITING for trial in trials)

    def _take_over(self, number: int, ownership: Ownership) -> Trial | None:
        """Go on with a trial whose owner has died; None if the trial had ended."""
        record = read_record(self._commands.folder(number))
        if record is None or record.state in (TrialState.waiting, TrialState.running):
            return self._start(number, ownership)
        self._tell(record)
        ownership.release()
        return None

    def _start(self, number: int, ownership: Ownership) -> Trial | None:
        """Begin a trial of the study. A trial with a wrong config is recorded as failed; then return None."""
        seed = random.Random(f"{self._config.seed} {number}").getrandbits(32)
        self._study.sampler = make_sampler(self._config.sampler, seed)
        frozen = self._study.get_trials(deepcopy=False)[number]
        trial = optuna.trial.Trial(self._study, frozen._trial_id)
        listed = bool(self._listed)
        varied = {key: suggest(trial, key, axis, listed=listed) for key, axis in self._axes.items()}
        try:
            config = self._commands.values(self._commands.overrides(varied, number))
        except InputError as error:
            overrides = self._commands.overrides(varied, number)
            record = Record(number=number, varied=varied, overrides=overrides)
            record.end(TrialState.failed, str(error), error.exit_code)
            record.write(self._commands.folder(number))
            self._study.tell(number, state=OptunaState.FAIL)
            ownership.release()
            return None
        return self._begin(number, varied, config, ownership)

    def _note(self, trial: Trial) -> None:
        record = trial.record
        if record.state is TrialState.finished and len(record.values) < len(self._study.directions):
            record.end(TrialState.failed, "it ended before its first validation", None)
        record.write(trial.folder)
        self._tell(record)

    def _tell(self, record: Record) -> None:
        """Enter into the study how a trial ended."""
        if record.state is TrialState.finished:
            self._study.tell(record.number, list(record.values.values()), skip_if_finished=True)
        else:
            state = OptunaState.PRUNED if record.state is TrialState.pruned else OptunaState.FAIL
            self._study.tell(record.number, state=state, skip_if_finished=True)

    def _trials(self) -> list[FrozenTrial]:
        """The trials of the study, without those that were tried again."""
        trials = self._study.get_trials(deepcopy=False)
        again = {trial.user_attrs.get(RETRY_OF_ATTRIBUTE) for trial in trials}
        return [trial for trial in trials if trial.number not in again]

    def _numbers(self) -> list[int]:
        return [trial.number for trial in self._trials() if trial.state is not OptunaState.WAITING]

    def _open(self) -> list[int]:
        running = [trial.number for trial in self._trials() if trial.state is OptunaState.RUNNING]
        return [number for number in running if number not in self._own]


def make_sampler(sampler: Sampler, seed: int) -> BaseSampler:
    """A sampler for one trial. It learns from the study; only its random numbers are its own."""
    match sampler:
        case Sampler.tpe:
            return TPESampler(seed=seed, constant_liar=True)
        case Sampler.cmaes:
            return CmaEsSampler(seed=seed, warn_independent_sampling=False)
        case _:
            return RandomSampler(seed=seed)


def suggest(trial: optuna.trial.Trial, key: str, axis: Override, *, listed: bool) -> str:
    """The value of an axis in a trial, as on the command line. `listed`: the study lists all combinations."""
    sweep = axis.value()
    if listed or not isinstance(sweep, IntervalSweep | RangeSweep):
        return str(trial.suggest_categorical(key, values(axis)))
    log = "log" in sweep.tags
    if isinstance(sweep, RangeSweep):
        low, high, step = bounds(sweep)
    else:
        assert sweep.start is not None
        assert sweep.end is not None
        low, high, step = sweep.start, sweep.end, 1
    if isinstance(low, int) and isinstance(high, int) and isinstance(step, int):
        return str(trial.suggest_int(key, low, high, step=step, log=log))
    between = step if isinstance(sweep, RangeSweep) else None
    return repr(trial.suggest_float(key, low, high, step=between, log=log))
