"""One run from a checked config to its results: fit, test, and everything that is left in its folder."""

import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, TQDMProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler as LightningProfiler
from lightning.pytorch.profilers import PyTorchProfiler, SimpleProfiler

from unroll import config as root
from unroll.batch import SequenceBatch
from unroll.config import Accelerator, Profiler, TrainConfig, TrainerConfig
from unroll.data.base import SequenceDataModule, build_data
from unroll.data.files import FilesConfig
from unroll.errors import MissingEnvironmentError
from unroll.models.base import SequenceModel, build_model
from unroll.models.token_generator import TokenGenerator
from unroll.spec import Kind
from unroll.training import checkpoints, loggers, results
from unroll.training.callbacks import EpochLines, StepSeeds, Throughput
from unroll.training.quiet import quiet

log = logging.getLogger("unroll")

RUN_DIR = "UNROLL_RUN_DIR"
"""The environment variable that tells a run's other processes where its folder is."""


def run(values: dict[str, Any]) -> dict[str, Any]:
    """Train, test and record one run of a checked config; returns what results.json holds.

    Where there are several processes, the first makes the folder and speaks; the others only compute.

    Raises:
        InputError: data or checkpoint are not what the config says.
        MissingEnvironmentError: the machine lacks a device or package that the config asks for.
    """
    start = time.perf_counter()
    config = root.load(values)
    _require_device(config.trainer)
    torch.set_num_threads(config.trainer.threads or len(os.sched_getaffinity(0)))
    pl.seed_everything(config.seed, verbose=False)
    data = build_data(config.data, config.seed)
    model = build_model(config.model, data.spec, config.optimizer, config.scheduler)
    if config.ckpt_path is not None:
        checkpoints.require_fit(Path(config.ckpt_path), model, config.trainer.max_epochs)

    first = int(os.environ.get("LOCAL_RANK", "0")) == 0  # Lightning starts the others with theirs
    if first:
        run_dir = results.make_run_dir(Path(config.run_dir))
        os.environ[RUN_DIR] = str(run_dir)
        results.write_record(run_dir, values)
        results.write_vocabulary(run_dir, model)
    else:
        run_dir = _run_dir_of_the_first()
    with quiet(), _logging_to(run_dir / "run.log", first):
        _say_what_runs(run_dir, config, model, data)
        try:
            destinations, note = (
                loggers.build_loggers(config.logger, run_dir, values) if first else ([], None)
            )
            if note:
                log.info(note)
            outcome = _fit_and_test(config, run_dir, model, data, destinations)
            outcome["data"] = data.description
            batch = _examples(model, data, config.logger.samples)
            if first:
                results.write_report(run_dir, model)
                results.show_examples(model, batch)
                results.draw_pictures(run_dir, model, batch)
        except BaseException:
            loggers.finish(exit_code=1)
            raise
        loggers.finish()
        outcome["seconds"] = round(time.perf_counter() - start, 2)
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
) -> dict[str, Any]:
    throughput = Throughput()
    best = checkpoints.keep_best(run_dir, model)
    last = checkpoints.keep_last(run_dir)
    callbacks = [throughput, best, last, *_callbacks(config, model, destinations)]
    trainer = _build_trainer(config.trainer, run_dir, destinations, callbacks)
    with _interrupts():
        trainer.fit(model, data, ckpt_path=config.ckpt_path, weights_only=True)
        last_file = run_dir / checkpoints.FOLDER / "last.ckpt"
        trainer.save_checkpoint(last_file)  # the run may have ended in the middle of an epoch
        # Without a best, the run has ended before its first validation.
        model.load_state_dict(checkpoints.read(Path(best.best_model_path or last_file))["state_dict"])
        test = trainer.test(model, data, verbose=False)[0]
    model.eval()
    metric, _ = model.monitor
    return {
        "test": dict(test),
        "best": {metric: float(best.best_model_score)} if best.best_model_score is not None else {},
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "sizes": {split: len(samples) for split, samples in data.splits.items()},
        **throughput.results(),
        "seed": config.seed,
    }


def _examples(model: SequenceModel, data: SequenceDataModule, number: int) -> SequenceBatch:
    """Some of the test sequences, from all over it: neighbours may be windows of the same series."""
    test = data.splits["test"]
    chosen = range(0, len(test), max(1, len(test) // number))[:number]
    return data.collate([test[index] for index in chosen]).to(model.device)


def _callbacks(config: TrainConfig, model: SequenceModel, destinations: list[Logger]) -> list[Callback]:
    metric, mode = model.monitor
    callbacks: list[Callback] = [StepSeeds(config.seed), EpochLines()]
    if config.trainer.progress_bar and sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=False))
    if destinations:
        callbacks.append(LearningRateMonitor(logging_interval="step"))
    stopping = config.early_stopping
    if stopping.patience is not None:
        callbacks.append(
            EarlyStopping(metric, stopping.min_delta, stopping.patience, mode=mode, strict=False)
        )
    return callbacks


def _build_trainer(
    config: TrainerConfig, run_dir: Path, destinations: list[Logger], callbacks: list[Callback]
) -> pl.Trainer:
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
        limit_train_batches=config.limit_train_batches,
        limit_val_batches=config.limit_valid_batches,
        limit_test_batches=config.limit_test_batches,
        detect_anomaly=config.detect_anomaly,
        profiler=_profiler(config.profiler, run_dir),
        default_root_dir=run_dir,
        logger=destinations,
        callbacks=callbacks,
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
def _interrupts() -> Iterator[None]:
    """Lightning turns Ctrl-C into an exit with code 1; turn it back."""
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


def _run_dir_of_the_first() -> Path:
    if RUN_DIR not in os.environ:
        raise MissingEnvironmentError(
            "LOCAL_RANK: this process was started beside others; start one: trainer.devices starts the rest"
        )
    return Path(os.environ[RUN_DIR])


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


@contextmanager
def _logging_to(path: Path, first: bool) -> Iterator[None]:
    """Send the lines of a run to the terminal and, with times, to a file; of the first process only."""
    log.propagate = False
    log.setLevel(logging.INFO if first else logging.WARNING)
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.handlers = [terminal, file]
    try:
        yield
    finally:
        log.handlers = []
        file.close()


def _say_what_runs(
    run_dir: Path, config: TrainConfig, model: SequenceModel, data: SequenceDataModule
) -> None:
    sizes = ", ".join(f"{len(samples):,} {split}" for split, samples in data.splits.items())
    log.info("model  %s, %s parameters", config.model.name, f"{sum(p.numel() for p in model.parameters()):,}")
    log.info("data   %s (%s): %s", config.data.name, data.description, sizes)
    log.info("run    %s\n", run_dir)


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
