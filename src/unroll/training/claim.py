"""The folder of a run and where the run begins: anew, where it was stopped, or at its end already."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unroll.errors import MissingEnvironmentError
from unroll.runs.checkpoints import recover
from unroll.runs.folder import RunFolder
from unroll.training import checkpoints
from unroll.training.build import Parts
from unroll.training.environment import changes, environment
from unroll.training.processes import slurm
from unroll.training.processes.rank import RUN_DIR, is_first


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run begins in its folder.

    Attributes:
        results: what came of it, if it has finished; there is nothing left to do then.
        checkpoint: the file to go on from; None if the run begins anew.
        saved: what that file holds.
        goes_on: whether the folder was there before, with or without a checkpoint.
        changes: what is not as it was when the run began, and its bits may depend on.
    """

    results: dict[str, Any] | None = None
    checkpoint: Path | None = None
    saved: dict[str, Any] | None = None
    goes_on: bool = False
    changes: tuple[str, ...] = ()

    @property
    def logged(self) -> dict[str, Any] | None:
        """The place that the loggers had come to; their beginning if the run was never saved."""
        if self.saved is not None:
            place: dict[str, Any] | None = self.saved["callbacks"]["Saving"]["logged"]
            return place
        return {"rows": 0, "columns": [], "wandb": None} if self.goes_on else None


def reserve(run_dir: Path) -> None:
    """See that nothing runs in the folder of a run that is to go on, before anything that takes time.

    Raises:
        InputError: something does.
    """
    folder = RunFolder(run_dir, writes=is_first())
    folder.require_free()
    if folder.writes:
        run_dir.mkdir(parents=True, exist_ok=True)


def claim(parts: Parts, run_dir: Path | None, *, resume: bool) -> tuple[RunFolder, bool]:
    """The folder that a run is to have, and whether the run goes on in it.

    Without a `run_dir` the folder is made; of several processes the first makes it. A job that SLURM has
    requeued goes on in the folder of its first start.

    Raises:
        InputError: the folder cannot be made, or nothing can go on from the config's checkpoint.
        MissingEnvironmentError: this process is not the first, and the first is not to be found.
    """
    config = parts.config
    wanted = Path(config.run_dir)
    if run_dir is None and slurm.restarted():
        run_dir = slurm.find_run_dir(wanted, parts.values) if is_first() else None
        resume = run_dir is not None or not is_first()
    if config.ckpt_path is not None and not resume:
        checkpoints.require_fit(Path(config.ckpt_path), parts.model, "ckpt_path=", config.trainer.max_epochs)
    if not is_first():
        return RunFolder(_run_dir_of_the_first(run_dir or wanted), writes=False), resume
    folder = RunFolder(run_dir) if run_dir else RunFolder.make(wanted)
    os.environ[RUN_DIR] = str(folder)
    return folder, resume


def begin(folder: RunFolder, parts: Parts, *, resume: bool) -> Start:
    """Write the record of a new run, or find out from where another goes on. The folder's lock is held.

    Raises:
        InputError: the checkpoints are torn, or those of another config.
    """
    slurm.mark(folder)
    if resume and (results := folder.read_results()):
        return Start(results=results)
    folder.clean()
    now = environment(parts.config.trainer)
    if not (resume and folder.was_begun):
        spec = parts.model.spec
        vocabulary = {"input": list(spec.input_vocabulary), "target": list(spec.target_vocabulary)}
        folder.write_json(folder.vocabulary, vocabulary)
        folder.write_record(parts.values, now)
    checkpoint = recover(folder) if resume else None
    saved = checkpoints.require_fit(checkpoint, parts.model) if checkpoint else None
    changed = tuple(changes(folder.read_environment(), now)) if resume and folder.writes else ()
    return Start(checkpoint=checkpoint, saved=saved, goes_on=resume, changes=changed)


def _run_dir_of_the_first(wanted: Path) -> Path:
    if RUN_DIR in os.environ:
        return Path(os.environ[RUN_DIR])
    if slurm.tasks() > 1:
        return slurm.run_dir_of_the_first(wanted)
    raise MissingEnvironmentError(
        "LOCAL_RANK: this process was started beside others; start one: trainer.devices starts the rest"
    )
