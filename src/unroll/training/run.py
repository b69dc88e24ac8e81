"""One run from a checked config to its results: fit, test, and everything that is left in its folder."""

import logging
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from unroll.batch import SequenceBatch
from unroll.config import root
from unroll.config.root import NonFinite, TrainConfig
from unroll.data.module import SequenceDataModule, build_data
from unroll.errors import MissingEnvironmentError, Stopped
from unroll.models.base import SequenceModel, build_model
from unroll.redact import redacted
from unroll.runs import files as safe_files
from unroll.runs import lock
from unroll.training import checkpoints, results
from unroll.training.bare_trainer import quiet
from unroll.training.callbacks import METRICS, Throughput
from unroll.training.environment import deterministic, number
from unroll.training.logging import loggers, run_log
from unroll.training.processes import slurm, sockets
from unroll.training.processes.watch import others
from unroll.training.saving import Saving
from unroll.training.signals import Signals
from unroll.training.trainer import build_trainer, own_callbacks, require_device

log = logging.getLogger("unroll")

RUN_DIR = "UNROLL_RUN_DIR"
"""The environment variable that tells a run's other processes where its folder is."""


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
    start = time.perf_counter()
    config = root.load(values)
    first = _is_first()
    if resume and first:
        run_dir = run_dir or Path(config.run_dir)
        lock.require_free(run_dir)
        run_dir.mkdir(parents=True, exist_ok=True)
    sockets.keep_paths_short()
    require_device(config.trainer)
    torch.set_num_threads(config.trainer.threads or len(os.sched_getaffinity(0)))
    pl.seed_everything(config.seed, verbose=False)
    data = build_data(config.data, config.seed)
    model = build_model(config.model, data.spec, config.optimizer, config.scheduler)
    shown = redacted({**values, "model": model.hparams["model"]})  # model.parameters is a hidden_size now
    model.finite_steps.skip = config.trainer.nonfinite is NonFinite.skip
    model.finite_steps.scaled = config.trainer.precision == "16-mixed"
    if config.trainer.truncate_steps is not None:
        model.require_truncatable(config.trainer.truncate_steps)
        data.truncate_steps = config.trainer.truncate_steps
    if run_dir is None and slurm.restarted():
        run_dir = slurm.find_run_dir(Path(config.run_dir), shown) if first else None
        resume = not first or run_dir is not None
    if config.ckpt_path is not None and not resume:
        checkpoints.require_fit(Path(config.ckpt_path), model, "ckpt_path=", config.trainer.max_epochs)

    if first:
        run_dir = run_dir or results.make_run_dir(Path(config.run_dir))
        os.environ[RUN_DIR] = str(run_dir)
    else:
        run_dir = _run_dir_of_the_first(run_dir or Path(config.run_dir))
    with (
        deterministic(config.trainer.deterministic),
        safe_files.disk_errors(run_dir),
        Signals() as signals,
        quiet(),
        run_log.logging_to(run_dir, first),
    ):
        if first:
            slurm.mark(run_dir)
        if resume and (done := results.read_results(run_dir)):
            log.info("run    %s has finished before", run_dir)
            return done
        if first:
            safe_files.clean(run_dir / checkpoints.FOLDER)
            if not (resume and (run_dir / "config.yaml").exists()):
                results.write_vocabulary(run_dir, model)
                results.write_record(run_dir, shown, config.trainer)
        checkpoint = checkpoints.recover(run_dir) if resume else None
        saved = checkpoints.require_fit(checkpoint, model) if checkpoint else None
        run_log.say_what_runs(run_dir, config, model, data, saved)
        if first and resume:
            for change in results.changes(run_dir, config.trainer):
                log.info("note   %s: the bits may be others", change)
        try:
            destinations, note = (
                loggers.build_loggers(root.load(shown).logger, run_dir, shown, _place(saved, resume))
                if first
                else ([], None)
            )
            if note:
                log.info(note)
            saving = Saving(run_dir, model, config.trainer, signals, destinations, resumed_from=checkpoint)
            outcome = _fit_and_test(config, run_dir, model, data, destinations, saving, callbacks)
            outcome["data"] = data.description
            batch = _examples(model, data, config.logger.samples)
            if first:
                results.write_report(run_dir, model)
                results.show_examples(run_dir, model, batch)
                results.draw_pictures(run_dir, model, batch, _examples(model, data, 1))
        except BaseException as error:
            loggers.finish(exit_code=getattr(error, "exit_code", 1))
            if isinstance(error, Stopped) and (line := slurm.requeue(error.signal_number)):
                log.info(line)
            raise
        outcome["seconds"] = round(time.perf_counter() - start, 2)
        loggers.log_summary(outcome)
        loggers.finish()
        if first:
            results.write_results(run_dir, outcome)
        run_log.say_what_came_of_it(outcome)
        run_log.say_what_is_next(run_dir, model, data, batch, outcome["seconds"])
    return outcome


def _fit_and_test(
    config: TrainConfig,
    run_dir: Path,
    model: SequenceModel,
    data: SequenceDataModule,
    destinations: list[Logger],
    saving: Saving,
    more: Sequence[Callback],
) -> dict[str, Any]:
    throughput = Throughput()
    callbacks = [saving, throughput, *own_callbacks(config, run_dir, model, destinations), *more]
    trainer = build_trainer(config.trainer, run_dir, destinations, callbacks, saving.files)
    with ExitStack() as stack:
        stack.callback(data.stop_workers)
        stack.enter_context(others(trainer.strategy.launcher, run_dir))
        start = saving.resumed_from or config.ckpt_path
        with checkpoints.going_on_from(start, lambda: saving.has_begun):
            trainer.fit(model, data, ckpt_path=start, weights_only=True)
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
        "sizes": {split: len(samples) for split, samples in data.splits.items()},
        **speed,
        "seed": config.seed,
    }


def _place(saved: dict[str, Any] | None, resume: bool) -> dict[str, Any] | None:
    """Where the loggers of a run were when it was saved; at their beginning if that was never yet."""
    if saved is None:
        return {"rows": 0, "columns": [], "wandb": None} if resume else None
    place: dict[str, Any] | None = saved["callbacks"]["Saving"]["logged"]
    return place


def _examples(model: SequenceModel, data: SequenceDataModule, number: int) -> SequenceBatch:
    """Some of the test sequences, from all over it: neighbours may be windows of the same series."""
    test = data.splits["test"]
    chosen = range(0, len(test), max(1, len(test) // number))[:number]
    return data.collate([test[index] for index in chosen]).to(model.device)


def _is_first() -> bool:
    """Whether this is the first of a run's processes; Lightning or srun has started the others."""
    return number("LOCAL_RANK" if "LOCAL_RANK" in os.environ else "SLURM_PROCID") == 0


def _run_dir_of_the_first(wanted: Path) -> Path:
    if RUN_DIR in os.environ:
        return Path(os.environ[RUN_DIR])
    if slurm.tasks() > 1:
        return slurm.run_dir_of_the_first(wanted)
    raise MissingEnvironmentError(
        "LOCAL_RANK: this process was started beside others; start one: trainer.devices starts the rest"
    )
