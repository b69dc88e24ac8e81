"""One run from a checked config to its results: build, claim a folder, fit and test, leave the results."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from unroll.config import root
from unroll.config.root import TrainConfig
from unroll.errors import Stopped
from unroll.models.size import state_count, step_operations
from unroll.runs.folder import RunFolder
from unroll.training import checkpoints
from unroll.training.bare_trainer import quiet
from unroll.training.build import Parts, build
from unroll.training.callbacks import METRICS, Throughput
from unroll.training.claim import Start, begin, claim, reserve
from unroll.training.environment import deterministic
from unroll.training.logging import leaving, loggers, run_log
from unroll.training.processes import slurm, sockets
from unroll.training.processes.watch import watching
from unroll.training.saving import Saving
from unroll.training.signals import Signals
from unroll.training.trainer import build_trainer, own_callbacks

log = logging.getLogger("unroll")


def run(
    values: dict[str, Any],
    *,
    run_dir: Path | None = None,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
) -> dict[str, Any]:
    """Train, test and record one run of a checked config; returns what results.json holds.

    `run_dir` is a folder that has been made for this run; without it, one is made. `callbacks` join its own.
    Where there are several processes, the first makes the folder and speaks; the others only compute.

    With `resume`, the run in that very folder goes on from its last checkpoint, to the same bits as if it
    had never ended; without a checkpoint it begins anew; of one that has finished the results are returned.
    So it is in a job that SLURM has requeued, for the run with the same config.

    Raises:
        InputError: data or checkpoint are not what the config says, or another process runs in the folder.
        MissingEnvironmentError: the machine lacks a device or package that the config asks for, or room.
        Stopped: a signal has ended the run, which is saved.
    """
    clock = time.perf_counter()
    config = root.load(values)
    if resume:
        run_dir = run_dir or Path(config.run_dir)
        reserve(run_dir)
    sockets.keep_paths_short()
    parts = build(config, values)
    folder, resume = claim(parts, run_dir, resume=resume)
    with _attended(folder, config) as signals:
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
            examples = leaving.leave(folder, parts.model, parts.data, config.logger.samples)
            outcome["seconds"] = round(time.perf_counter() - clock, 2)
            loggers.log_summary(outcome)
        folder.write_json(folder.results, outcome)
        run_log.say_what_came_of_it(outcome)
        run_log.say_what_is_next(folder, parts, examples, outcome["seconds"])
    return outcome


@contextmanager
def _attended(folder: RunFolder, config: TrainConfig) -> Iterator[Signals]:
    """Around a run from the moment that it has a folder: its log and lock, signals, errors of the disk."""
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


def _fit_and_test(
    parts: Parts,
    folder: RunFolder,
    start: Start,
    signals: Signals,
    destinations: list[Logger],
    callbacks: Sequence[Callback],
) -> dict[str, Any]:
    """Train, and test the best checkpoint; what results.json holds, but for the seconds."""
    config, model, data = parts.config, parts.model, parts.data
    throughput = Throughput()
    saving = Saving(folder, model, config.trainer, signals, destinations, resumed_from=start.checkpoint)
    everything = [saving, throughput, *own_callbacks(config, folder, model, destinations), *callbacks]
    trainer = build_trainer(config.trainer, folder, destinations, everything, saving.files)
    with ExitStack() as stack:
        stack.callback(data.stop_workers)
        stack.enter_context(watching(trainer.strategy.launcher, folder))
        origin = start.checkpoint or config.ckpt_path
        with checkpoints.going_on_from(origin, lambda: saving.has_begun):
            trainer.fit(model, data, ckpt_path=origin, weights_only=True)
        saving.finish(trainer)
        chosen = checkpoints.read(saving.best_file)
        model.load_state_dict(chosen["state_dict"])
        test = trainer.test(model, data, verbose=False)[0]
        speed = throughput.results()  # of all processes: after this there is but the first
    model.float().eval()  # whatever the precision, as it will be when it is loaded again
    metric, mode = model.monitor
    return {
        "test": dict(test),
        "valid": chosen.get(METRICS, {}),
        "monitor": {metric: f"{mode}imize"},
        "best": {metric: saving.best} if saving.best is not None else {},
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "state_size": state_count(model),
        "step_operations": step_operations(model),
        "sizes": {split: len(samples) for split, samples in data.splits.items()},
        **speed,
        "seed": config.seed,
        "data": data.description,
    }
