"""Claims the folder of a run, and finds where the run starts: anew, where it stopped, or finished."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unroll.config.registry import to_dict
from unroll.errors import MissingEnvironmentError
from unroll.runs.checkpoints import recover
from unroll.runs.folder import RunFolder
from unroll.training import checkpoints
from unroll.training.build import RunParts
from unroll.training.environment import changes, environment
from unroll.training.processes import slurm, torchrun
from unroll.training.processes.rank import RUN_DIR_VARIABLE, is_first
from unroll.training.processes.started import by_torchrun, started


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run starts in its folder.

    Attributes:
        results: the results of a run that has finished; then nothing is left to do.
        checkpoint: the file to resume from; None if the run starts anew.
        saved: the content of that file.
        goes_on: whether the folder existed before, with or without a checkpoint.
        changes: differences in the environment since the first start, which may change the bits.
    """

    results: dict[str, Any] | None = None
    checkpoint: Path | None = None
    saved: dict[str, Any] | None = None
    goes_on: bool = False
    changes: tuple[str, ...] = ()

    @property
    def logged(self) -> dict[str, Any] | None:
        """The place up to which the loggers had written; their beginning if the run was never saved."""
        if self.saved is not None:
            place: dict[str, Any] | None = self.saved["callbacks"]["Saving"]["logged"]
            return place
        return {"rows": 0, "columns": [], "wandb": None} if self.goes_on else None


def reserve(run_dir: Path) -> None:
    """Check, before anything that takes time, that no other run uses the folder of a run to resume.

    Raises:
        InputError: another run uses it.
    """
    folder = RunFolder(run_dir, writes=is_first())
    folder.require_free()
    if folder.writes:
        run_dir.mkdir(parents=True, exist_ok=True)


def claim(parts: RunParts, run_dir: Path | None, *, resume: bool) -> tuple[RunFolder, bool]:
    """The folder of a run, and whether the run resumes in it.

    Without a `run_dir` the first process makes the folder. A job that SLURM has requeued resumes in the
    folder of its first start, and so does one that torchrun has restarted.

    Raises:
        InputError: the folder cannot be made, or the run cannot start from the config's checkpoint.
        MissingEnvironmentError: this is not the first process, and the folder of the first is unknown.
    """
    config = parts.config
    wanted = Path(config.run_dir)
    if run_dir is None and (slurm.restarted() or by_torchrun()):
        find = torchrun.find_run_dir if by_torchrun() else slurm.find_run_dir
        run_dir = find(wanted, parts.values) if is_first() else None
        resume = run_dir is not None or not is_first()
    if config.ckpt_path is not None and not resume:
        checkpoints.require_fit(Path(config.ckpt_path), parts.model, "ckpt_path=", config.trainer.max_epochs)
    if not is_first():
        return RunFolder(_run_dir_of_the_first(run_dir or wanted), writes=False), resume
    folder = RunFolder(run_dir) if run_dir else RunFolder.make(wanted)
    os.environ[RUN_DIR_VARIABLE] = str(folder)
    torchrun.tell_run_dir(folder)
    return folder, resume


def forget(folder: RunFolder) -> None:
    """Tell the folder of this run to no process that is started after it. Call it in the first process."""
    if folder.writes:
        os.environ.pop(RUN_DIR_VARIABLE, None)


def begin(folder: RunFolder, parts: RunParts, *, resume: bool) -> Start:
    """Write the record of a new run, or find where to resume an old one. The caller holds the folder's lock.

    Raises:
        InputError: the checkpoints are torn, or belong to a run with another config.
    """
    slurm.mark(folder)
    torchrun.mark(folder)
    if resume and (results := folder.read_results()):
        return Start(results=results)
    folder.clean()
    now = environment(parts.config.trainer)
    if not (resume and folder.has_started):
        spec = parts.model.spec
        vocabulary = {"input": list(spec.input_vocabulary), "target": list(spec.target_vocabulary)}
        folder.write_json(folder.vocabulary, vocabulary)
        folder.write_record(parts.values, now)
    checkpoint = recover(folder) if resume else None
    saved = None
    if checkpoint:
        saved = checkpoints.require_fit(checkpoint, parts.model)
        checkpoints.require_same_config(saved, to_dict(parts.config), folder)
    changed = tuple(changes(folder.read_environment(), now)) if resume and folder.writes else ()
    return Start(checkpoint=checkpoint, saved=saved, goes_on=resume, changes=changed)


def _run_dir_of_the_first(wanted: Path) -> Path:
    if RUN_DIR_VARIABLE in os.environ:
        return Path(os.environ[RUN_DIR_VARIABLE])
    if found := started():
        return (
            torchrun.run_dir_of_the_first() if found.by == "torchrun" else slurm.run_dir_of_the_first(wanted)
        )
    raise MissingEnvironmentError(
        "LOCAL_RANK: this process was started as one of several; start one: trainer.devices starts the rest"
    )
