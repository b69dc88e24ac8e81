"""Trials under another launcher than Unroll's, such as SLURM's: whole batches at once."""

from hydra.plugins.launcher import Launcher

from unroll.config.sweep import Sampler, SweepConfig
from unroll.errors import MissingEnvironmentError
from unroll.sweep.progress import Progress
from unroll.sweep.search.queue import TrialQueue
from unroll.sweep.trials import Trial, TrialState, read_record


def run_in_batches(launcher: Launcher, queue: TrialQueue, config: SweepConfig, progress: Progress) -> None:
    """Run all trials that are left: those of a grid at once, those of a sampler `n_jobs` at a time.

    A trial's folder says how it ended, whatever the launcher says.

    Raises:
        MissingEnvironmentError: the launcher did not start a trial.
    """
    limit = None if config.sampler is Sampler.grid else config.n_jobs
    first = 0
    while batch := _take(queue, limit):
        reason = "no trial was started"
        open_trials = [trial for trial in batch if not trial.is_over]
        for trial in open_trials:
            trial.record.state = TrialState.waiting  # the trial's own process says when it runs
            trial.record.write(trial.folder)
        try:
            if open_trials:
                launcher.launch([trial.overrides for trial in open_trials], initial_job_idx=first)
        except Exception as error:  # a trial's, or the launcher's own
            reason = " ".join(str(error).split())
        first += len(open_trials)
        missed = [trial for trial in open_trials if _has_not_run(trial)]
        for trial in batch:
            if trial in missed:
                queue.put_back(trial)
            else:
                trial.conclude(None, None)
                queue.close(trial)
                progress.tell(trial.record)
        if missed:
            number = missed[0].record.number
            raise MissingEnvironmentError(f"hydra/launcher: trial {number:04d} was not run: {reason}")


def _has_not_run(trial: Trial) -> bool:
    record = read_record(trial.folder)
    return record is not None and record.state is TrialState.waiting and not trial.is_over


def _take(queue: TrialQueue, limit: int | None) -> list[Trial]:
    batch: list[Trial] = []
    while limit is None or len(batch) < limit:
        trial = queue.take()
        if trial is None:
            break
        batch.append(trial)
    return batch
