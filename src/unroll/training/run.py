"""One run from a checked config to its results: fit, test, and everything that is left in its folder."""

import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, TQDMProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler as LightningProfiler
from lightning.pytorch.profilers import PyTorchProfiler, SimpleProfiler
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from unroll import config as root
from unroll import sockets
from unroll.batch import SequenceBatch
from unroll.components import RecurrentConfig
from unroll.config import Accelerator, NonFinite, Profiler, TrainConfig, TrainerConfig
from unroll.data.base import SequenceDataModule, build_data
from unroll.data.files import FilesConfig
from unroll.errors import MissingEnvironmentError, Stopped
from unroll.models.base import SequenceModel, build_model
from unroll.models.token_generator import TokenGenerator
from unroll.redact import redact, redacted
from unroll.spec import Kind
from unroll.training import checkpoints, lock, loggers, results, safe_files
from unroll.training.callbacks import METRICS, EpochLines, KeepMetrics, StepSeeds, Throughput
from unroll.training.environment import deterministic
from unroll.training.gradient_norms import GradientNorms
from unroll.training.quiet import quiet
from unroll.training.saving import Saving
from unroll.training.signals import Signals, requeue, restarted_by_slurm

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
    _require_device(config.trainer)
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
    if run_dir is None and restarted_by_slurm():
        run_dir = results.find_run_dir(Path(config.run_dir), shown)
        resume = run_dir is not None
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
        _logging_to(run_dir, first),
    ):
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
        _say_what_runs(run_dir, config, model, data, saved)
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
            if isinstance(error, Stopped) and (line := requeue(error.signal_number)):
                log.info(line)
            raise
        outcome["seconds"] = round(time.perf_counter() - start, 2)
        loggers.log_summary(outcome)
        loggers.finish()
        if first:
            results.write_results(run_dir, outcome)
        _say_what_came_of_it(outcome)
        _say_what_is_next(run_dir, model, data, batch, outcome["seconds"])
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
    callbacks = [saving, throughput, *_callbacks(config, run_dir, model, destinations), *more]
    trainer = _build_trainer(config.trainer, run_dir, destinations, callbacks, saving.files)
    with _ending_others(trainer, data):
        trainer.fit(model, data, ckpt_path=saving.resumed_from or config.ckpt_path, weights_only=True)
        saving.finish(trainer)
        chosen = checkpoints.read(saving.best_file)
        model.load_state_dict(chosen["state_dict"])
        test = trainer.test(model, data, verbose=False)[0]
    model.eval()
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
        **throughput.results(),
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


def _callbacks(
    config: TrainConfig, run_dir: Path, model: SequenceModel, destinations: list[Logger]
) -> list[Callback]:
    metric, mode = model.monitor
    callbacks: list[Callback] = [StepSeeds(config.seed), EpochLines(), KeepMetrics()]
    if config.trainer.progress_bar and sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=False))
    if destinations:
        callbacks.append(LearningRateMonitor(logging_interval="step"))
    if config.trainer.log_gradients_every is not None:
        callbacks.append(GradientNorms(config.trainer.log_gradients_every, run_dir))
    stopping = config.early_stopping
    if stopping.patience is not None:
        callbacks.append(
            EarlyStopping(metric, stopping.min_delta, stopping.patience, mode=mode, strict=False)
        )
    return callbacks


def _build_trainer(
    config: TrainerConfig,
    run_dir: Path,
    destinations: list[Logger],
    callbacks: list[Callback],
    files: checkpoints.CheckpointFiles,
) -> pl.Trainer:
    plugins: list[Any] = [files]
    if SLURMEnvironment.detect():
        plugins.append(SLURMEnvironment(auto_requeue=False))  # Lightning would save in the signal's handler
    return pl.Trainer(
        accelerator=config.accelerator.value,
        devices=config.devices if config.devices == "auto" else int(config.devices),
        strategy=config.strategy,
        precision=config.precision,  # type: ignore[arg-type]  # TrainerConfig checks it
        max_epochs=config.max_epochs,
        max_steps=config.max_steps,
        max_time=timedelta(minutes=config.max_minutes) if config.max_minutes else None,
        gradient_clip_val=config.gradient_clip or None,
        accumulate_grad_batches=config.accumulate,
        check_val_every_n_epoch=config.validate_every,
        log_every_n_steps=config.log_every,
        # The number of segments of an epoch is known to the loader of that epoch.
        reload_dataloaders_every_n_epochs=int(config.truncate_steps is not None),
        limit_train_batches=config.limit_train_batches,
        limit_val_batches=config.limit_valid_batches,
        limit_test_batches=config.limit_test_batches,
        detect_anomaly=config.detect_anomaly,
        profiler=_profiler(config.profiler, run_dir),
        default_root_dir=run_dir,
        logger=destinations,
        callbacks=callbacks,
        plugins=plugins,
        enable_checkpointing=False,  # `Saving` does it
        enable_progress_bar=any(isinstance(callback, TQDMProgressBar) for callback in callbacks),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # BucketedBatches deals out batches itself
    )


def _profiler(profiler: Profiler, run_dir: Path) -> LightningProfiler | None:
    match profiler:
        case Profiler.none:
            return None
        case Profiler.simple:
            return SimpleProfiler(run_dir, "profile")
        case Profiler.pytorch:
            return PyTorchProfiler(run_dir, "profile")


@contextmanager
def _ending_others(trainer: pl.Trainer, data: SequenceDataModule) -> Iterator[None]:
    """End the processes that this one has started: if it fails, also those of the run, which wait for it."""
    try:
        yield
    except BaseException:
        launcher = trainer.strategy.launcher
        if isinstance(launcher, _SubprocessScriptLauncher):
            launcher.kill(signal.SIGKILL)
            launcher.procs.clear()  # Lightning watches them, and kills this process after one of them
        raise
    finally:
        data.stop_workers()


def _is_first() -> bool:
    """Whether this is the first of a run's processes; Lightning or srun has started the others."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0) == 0


def _run_dir_of_the_first(wanted: Path) -> Path:
    if RUN_DIR in os.environ:
        return Path(os.environ[RUN_DIR])
    if "SLURM_PROCID" in os.environ:
        return wanted
    raise MissingEnvironmentError(
        "LOCAL_RANK: this process was started beside others; start one: trainer.devices starts the rest"
    )


def _require_device(config: TrainerConfig) -> None:
    gpus = torch.cuda.device_count()
    if config.accelerator is Accelerator.gpu and gpus == 0:
        raise MissingEnvironmentError(
            "trainer.accelerator=gpu: this machine has no GPU that torch can use; "
            "try trainer.accelerator=cpu, or auto"
        )
    wanted = 1 if config.devices == "auto" else int(config.devices)
    if config.accelerator is not Accelerator.cpu and 0 < gpus < wanted:
        raise MissingEnvironmentError(f"trainer.devices={wanted}: this machine has only {gpus} GPUs")


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name is logging's
        raise  # a full disk ends the run; by default each line would print a traceback


@contextmanager
def _logging_to(run_dir: Path, first: bool) -> Iterator[None]:
    """Send the lines of a run to the terminal and, with times, to a file; of the first process only.

    Raises:
        InputError: another process runs in the folder.
    """
    log.propagate = False
    log.setLevel(logging.INFO if first else logging.WARNING)
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(_Redacting("%(message)s"))
    file = _LogFile(run_dir / lock.LOG_FILE, encoding="utf-8")
    file.setFormatter(_Redacting("%(asctime)s %(message)s"))
    log.handlers = [terminal, file]
    try:
        if first:
            assert file.stream is not None
            lock.take(file.stream.fileno(), run_dir)
        yield
    finally:
        log.handlers = []
        file.close()


def _say_what_runs(
    run_dir: Path,
    config: TrainConfig,
    model: SequenceModel,
    data: SequenceDataModule,
    saved: dict[str, Any] | None,
) -> None:
    sizes = ", ".join(f"{len(samples):,} {split}" for split, samples in data.splits.items())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    chosen = ""
    if isinstance(config.model, RecurrentConfig) and config.model.parameters is not None:
        chosen = f" with hidden_size={model.hparams['model']['hidden_size']}"
    log.info("model  %s, %s parameters%s", config.model.name, f"{parameters:,}", chosen)
    log.info("data   %s (%s): %s", config.data.name, data.description, sizes)
    log.info("run    %s%s\n", run_dir, f", on from step {saved['global_step']}" if saved else "")


def _say_what_came_of_it(outcome: dict[str, Any]) -> None:
    log.info("\ntest")
    for name, value in outcome["test"].items():
        log.info("  %-28s %.4f", name.removeprefix("test/"), value)


def _say_what_is_next(
    run_dir: Path, model: SequenceModel, data: SequenceDataModule, batch: SequenceBatch, seconds: float
) -> None:
    log.info("\nrun    %s   (%.0f s)", run_dir, seconds)
    commands = []
    if model.spec.signature.inputs is not Kind.CONTINUOUS:
        commands.append(f"unroll predict {run_dir} --text {shlex.quote(model.examples(batch)[0].inputs)}")
    elif isinstance(data.config, FilesConfig):
        commands.append(f"unroll predict {run_dir} --input FILE")
    beam = " --search beam" if isinstance(model, TokenGenerator) else ""
    commands += [f"unroll evaluate {run_dir}{beam}", "unroll dashboard"]
    for start, command in zip(["next  ", *[" " * 6] * 9], commands, strict=False):
        log.info("%s %s", start, command)
