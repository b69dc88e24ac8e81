"""One run from a checked config to its results: build, claim a folder, fit and test, leave the results."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from unroll.baselines.errors import compare
from unroll.baselines.verdict import judge, warning
from unroll.config import root
from unroll.config.registry import to_dict
from unroll.config.root import TrainConfig
from unroll.data.module import SequenceDataModule
from unroll.errors import Stopped
from unroll.models.base import SequenceModel
from unroll.runs.effect import kept
from unroll.runs.folder import RunFolder
from unroll.runs.metrics import defined
from unroll.training import checkpoints, refit
from unroll.training.bare_trainer import quiet
from unroll.training.build import RunParts, build
from unroll.training.callbacks import CHECKPOINT_METRICS, Throughput
from unroll.training.claim import Start, begin, claim, forget, reserve
from unroll.training.environment import deterministic
from unroll.training.logging import leaving, loggers, run_log
from unroll.training.processes import slurm, sockets
from unroll.training.processes.started import told_once
from unroll.training.processes.watch import watching
from unroll.training.progress import Progress
from unroll.training.saving import Saving
from unroll.training.signals import Signals
from unroll.training.trainer import build_trainer, own_callbacks
from unroll.training.usage import Usage

log = logging.getLogger("unroll")


def run(
    values: dict[str, Any],
    *,
    run_dir: Path | None = None,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
) -> dict[str, Any]:
    """Train, test and record one run of a checked config; returns what results.json holds.

    `run_dir` is a folder that exists for this run already; without it, the run makes one. `callbacks` are
    added to the run's own. Of several processes, the first makes the folder and prints; the others compute.

    With `resume`, the run continues in its folder from its last checkpoint, to the same bits as without the
    interruption. Without a checkpoint it starts anew. If it has finished, its results are returned. A job
    that SLURM has requeued resumes its run with the same config in the same way.

    Raises:
        InputError: data or checkpoint do not match the config, or another process runs in the folder.
        MissingEnvironmentError: the machine lacks a device or package that the config needs, or disk space.
        Stopped: a signal has stopped the run, which is saved.
    """
    clock = time.perf_counter()
    config = root.load(values)
    if resume:
        run_dir = run_dir or Path(config.run_dir)
        reserve(run_dir)
    sockets.keep_paths_short()
    with told_once():
        parts = build(config, values)
        config = parts.config
        folder, resume = claim(parts, run_dir, resume=resume)
    with _attended(folder, config) as signals:
        with told_once():
            start = begin(folder, parts, resume=resume)
        if start.results is not None:
            log.info("run    %s has finished before", folder)
            return start.results
        run_log.say_what_runs(folder, parts, start)
        for change in start.changes:
            log.info("note   %s: the bits may be others", change)
        shown = root.load(parts.values).logger
        destinations, note = loggers.build_loggers(shown, folder, parts.values, start.logged)
        if note:
            log.info(note)
        with loggers.closing():
            outcome = _fit_and_test(parts, folder, start, signals, destinations, callbacks)
            tested = config.refit.run is None
            examples = leaving.leave(folder, parts.model, parts.data, config.logger.samples, tested=tested)
            outcome["seconds"] = round(time.perf_counter() - clock, 2)
            loggers.log_summary(outcome)
        folder.write_json(folder.results, outcome)
        run_log.say_what_came_of_it(outcome)
        run_log.say_what_is_next(folder, parts, examples, outcome["seconds"])
    return outcome


@contextmanager
def _attended(folder: RunFolder, config: TrainConfig) -> Iterator[Signals]:
    """Wraps a run once it has a folder: its log and lock, signals, and errors of the disk."""
    with (
        deterministic(config.trainer.deterministic),
        folder.disk_errors(),
        Signals() as signals,
        quiet(),
        run_log.logging_to(folder),
    ):
        try:
            yield signals
        except Stopped as error:
            if line := slurm.requeue(error.signal_number):
                log.info(line)
            raise
        finally:
            forget(folder)


def _fit_and_test(
    parts: RunParts,
    folder: RunFolder,
    start: Start,
    signals: Signals,
    destinations: list[Logger],
    callbacks: Sequence[Callback],
) -> dict[str, Any]:
    """Train, then test the best checkpoint. Return the content of results.json, except the seconds.

    A run that has learned from all of the data is not tested.
    """
    config, model, data = parts.config, parts.model, parts.data
    throughput, usage, progress = Throughput(), Usage(), Progress(model, config.trainer.max_minutes)
    saving = Saving(
        folder,
        model,
        config.trainer,
        signals,
        destinations,
        kept=kept(to_dict(config)),
        resumed_from=start.checkpoint,
    )
    everything = [
        saving,
        throughput,
        usage,
        progress,
        *own_callbacks(config, folder, model, destinations),
        *callbacks,
    ]
    trainer = build_trainer(
        *(config.trainer, folder, destinations, everything, saving.files), validates=config.refit.run is None
    )
    with ExitStack() as stack:
        stack.callback(data.stop_workers)
        stack.enter_context(watching(trainer.strategy.launcher, folder))
        origin = start.checkpoint or config.ckpt_path
        if config.refit.run is not None and origin is None:
            refit.take_calibration(model, config.refit)
        with checkpoints.resuming_from(origin, lambda: saving.has_begun):
            trainer.fit(model, data, ckpt_path=origin, weights_only=True)
        saving.finish(trainer)
        if config.refit.run is not None:
            found = refit.nothing_to_test(config.refit, trainer.global_step)
            model.float().eval()
        else:
            found = _test(trainer, model, data, saving, progress)
        speed = throughput.results()  # of all processes, as the verdict; they end after this
    metric, mode = model.monitor
    return {
        **found,
        "monitor": {metric: f"{mode}imize"},
        "best": {metric: saving.best} if saving.best is not None else {},
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        **asdict(parts.size),
        "sizes": {split: len(samples) for split, samples in data.splits.items()},
        **speed,
        **usage.results(),
        "seed": config.seed,
        "data": data.description,
    }


def _test(
    trainer: pl.Trainer, model: SequenceModel, data: SequenceDataModule, saving: Saving, progress: Progress
) -> dict[str, Any]:
    """The test of the best checkpoint, and the verdict on it."""
    chosen = checkpoints.read(saving.best_file)
    model.load_state_dict(chosen["state_dict"])
    test = trainer.test(model, data, verbose=False)[0]
    model.float().eval()  # in the state in which the model will be loaded, whatever the precision
    verdict = judge(compare(model, data))
    stopping = trainer.early_stopping_callback
    stopped = stopping is not None and stopping.wait_count >= stopping.patience
    ending = progress.history.ending(trainer.current_epoch, stopped=stopped)
    valid = defined(chosen.get(CHECKPOINT_METRICS, {}))
    return {
        "test": defined(test),
        "verdict": " ".join(filter(None, [str(verdict), ending, warning(valid)])),
        "baseline": verdict.to_dict(),
        "valid": valid,
    }
