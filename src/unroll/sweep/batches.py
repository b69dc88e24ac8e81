"""Trials under a launcher that is not Unroll's, as SLURM's: whole batches at once."""

from hydra.plugins.launcher import Launcher

from unroll.config.sweep import Sampler, SweepConfig
from unroll.errors import MissingEnvironmentError
from unroll.sweep.source import Source
from unroll.sweep.terminal import Terminal
from unroll.sweep.trials import State, Trial, read_record


def run_in_batches(launcher: Launcher, source: Source, config: SweepConfig, terminal: Terminal) -> None:
    """Run all trials that are left: a grid's at once, a sampler's `n_jobs` at a time.

    What came of a trial stands in its folder, whatever the launcher says.

    Raises:
        MissingEnvironmentError: the launcher has not started a trial.
    """
    limit = None if config.sampler is Sampler.grid else config.n_jobs
    first = 0
    while batch := _take(source, limit):
        reason = "no trial was started"
        open_trials = [trial for trial in batch if not trial.is_over]
        for trial in open_trials:
            trial.record.state = State.waiting  # its own process says when it runs
            trial.record.write(trial.folder)
        try:
            if open_trials:
                launcher.launch([trial.overrides for trial in open_trials], initial_job_idx=first)
        except Exception as error:  # that of a trial, or the launcher's own
            reason = " ".join(str(error).split())
        first += len(open_trials)
        missed = [trial for trial in open_trials if _has_not_run(trial)]
        for trial in batch:
            if trial in missed:
                source.put_back(trial)
            else:
                trial.conclude(None, None)
                source.close(trial)
                terminal.tell(trial.record)
        if missed:
            number = missed[0].record.number
            raise MissingEnvironmentError(f"hydra/launcher: trial {number:04d} was not run: {reason}")


def _has_not_run(trial: Trial) -> bool:
    record = read_record(trial.folder)
    return record is not None and record.state is State.waiting and not trial.is_over


def _take(source: Source, limit: int | None) -> list[Trial]:
    batch: list[Trial] = []
    while limit is None or len(batch) < limit:
        trial = source.take()
        if trial is None:
            break
        batch.append(trial)
    return batch
