"""Checkpoints are whole or not there, whatever happens to the process or the disk."""

import json
import os
import subprocess
from pathlib import Path

import kills
import pytest
import torch
from kills import At

from unroll.errors import InputError
from unroll.runs import files as safe_files
from unroll.runs.checkpoints import is_whole, recover
from unroll.runs.folder import RunFolder
from unroll.training import checkpoints
from unroll.training.checkpoints import CheckpointFiles

CONTENT = {"state_dict": {"weight": torch.arange(100.0)}, "plain": [1, 2.5, None, "text"]}


def save(path, number=0):
    files = CheckpointFiles()
    files.save_checkpoint({**CONTENT, "number": number}, path)
    assert files.failure is None


def test_a_checkpoint_reads_as_it_was_written(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    save(path)
    assert is_whole(path)
    assert not kills.differences(checkpoints.read(path), {**CONTENT, "number": 0})
    assert not kills.differences(torch.load(path, weights_only=True), {**CONTENT, "number": 0})


def test_any_changed_or_missing_byte_is_found(tmp_path):
    path = tmp_path / "last.ckpt"
    save(path)
    whole = path.read_bytes()
    for position in [*range(0, len(whole), 7), *range(len(whole) - 250, len(whole))]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert not is_whole(path), position
        path.write_bytes(whole[:position])
        assert not is_whole(path), position
    weights = whole.find(torch.arange(100.0).numpy().tobytes())
    path.write_bytes(whole[:weights] + b"\1" + whole[weights + 1 :])
    torch.load(path, weights_only=True)  # notices nothing
    with pytest.raises(InputError, match="its checksum does not match"):
        checkpoints.read(path)


def test_the_newest_whole_one_is_gone_on_from(tmp_path, caplog):
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert recover(RunFolder(tmp_path)) is None
    save(last, 1)
    assert checkpoints.read(recover(RunFolder(tmp_path)))["number"] == 1
    save(last, 2)
    assert checkpoints.read(recover(RunFolder(tmp_path)))["number"] == 2
    last.write_bytes(last.read_bytes()[:-100])
    assert checkpoints.read(recover(RunFolder(tmp_path)))["number"] == 1
    save(last, 2)
    last.unlink()
    assert checkpoints.read(recover(RunFolder(tmp_path)))["number"] == 1
    save(last, 2)
    for file in last.parent.iterdir():
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="is torn, and so is the checkpoint before it"):
        recover(RunFolder(tmp_path))


def test_what_cannot_be_written_changes_nothing(tmp_path, monkeypatch):
    """The process may write no file larger than 1000 bytes: a disk that fills while it is written to."""
    path = tmp_path / "file"
    safe_files.write(path, "before")
    process = kills.processes.Process(target=_write_too_much, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def _write_too_much(path):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    with pytest.raises(OSError, match="File too large"):
        safe_files.write(path, "x" * 2000, keep_previous=True)


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own, and how to mount it anew with other options."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk could be mounted here ({mounted.stderr.strip()})")

    def remount(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

    yield folder, remount
    subprocess.run(["umount", str(folder)], check=True)


RUN = (
    *("logger=csv", "data.train_size=120", "data.valid_size=40", "data.test_size=40", "data.batch_size=16"),
    *(
        "model.hidden_size=8",
        "trainer.max_epochs=3",
        "trainer.log_every=2",
        "trainer.checkpoint_every_steps=3",
    ),
)


def values_of(run_dir, *overrides):
    return {**kills.values_of(*RUN, *overrides), "run_dir": str(run_dir)}


def told(folder):
    """The line that a run has ended with."""
    lines = (folder / "out").read_text().splitlines()
    (folder / "out").unlink()
    assert sum(line.startswith(("error:", "Traceback")) for line in lines) == 1
    return lines[-1]


def test_a_full_or_read_only_disk_ends_a_run_and_loses_nothing(tmp_path, disk):
    folder, remount = disk
    run_dir = folder / "run"
    values, whole = values_of(run_dir), values_of(tmp_path / "whole")
    # Room for one checkpoint, but not for a second beside it.
    (folder / "other").write_bytes(bytes(2**20 - 350_000))
    assert kills.run(values, tmp_path) == 3
    line = told(tmp_path)
    assert line.startswith(f"error: {run_dir}")
    assert "No space left on device" in line
    assert line.endswith(f"then continue with `unroll resume {run_dir}`")
    assert not (run_dir / "results.json").exists()
    saved = run_dir / "checkpoints" / "last.ckpt"
    before = saved.read_bytes()
    assert is_whole(saved)
    assert not list(run_dir.rglob("*.tmp"))

    (folder / "other").unlink()
    remount("ro,size=1m")
    assert kills.run(values, tmp_path, resume=True) == 3
    assert "Read-only file system" in told(tmp_path)
    remount("rw,size=8m")
    assert saved.read_bytes() == before

    kills.finished(values, tmp_path, resume=True)
    kills.finished(whole, tmp_path)
    assert not kills.differences(kills.left(run_dir), kills.left(tmp_path / "whole"))


def test_a_folder_without_permission_is_told(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    values = values_of(tmp_path / "run")
    kills.killed(values, tmp_path, At("on_train_batch_end", 9))
    (tmp_path / "run" / "checkpoints").chmod(0o555)
    assert kills.run(values, tmp_path, resume=True) == 3
    assert "Permission denied" in told(tmp_path)
    (tmp_path / "run" / "checkpoints").chmod(0o755)
    kills.finished(values, tmp_path, resume=True)


def test_the_folder_of_temporary_files_is_of_no_account(tmp_path):
    """Lightning writes checkpoints there, and across file systems moves them byte by byte."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    temporary = elsewhere / f"unroll-{os.getpid()}"
    temporary.mkdir()
    try:
        values = values_of(tmp_path / "run")
        environment = {"TMPDIR": str(temporary)}
        kills.killed(values, tmp_path, At("written", 3), environment=environment)
        assert list(temporary.iterdir()) == []
        kills.finished(values, tmp_path, resume=True, environment=environment)
        assert list(temporary.iterdir()) == []
    finally:
        for file in temporary.iterdir():
            file.unlink()
        temporary.rmdir()


def test_of_two_runs_in_one_folder_the_second_is_refused(tmp_path):
    values = values_of(tmp_path / "run", "data.workers=2")
    first = kills.halted(values, tmp_path, At("on_train_batch_end", 9))
    record = (tmp_path / "run" / "run.log").read_bytes()
    assert kills.run(values, tmp_path, resume=True) == 2
    assert "another run is using this folder" in told(tmp_path)
    assert (tmp_path / "run" / "run.log").read_bytes() == record
    first.kill()
    first.join()
    kills.finished(values, tmp_path, resume=True)  # its loader's workers may still be there
    assert json.loads((tmp_path / "run" / "results.json").read_text())["epochs"] == 3
