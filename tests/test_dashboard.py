"""`unroll dashboard`, in the terminal and on the server."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
import warnings

import pytest
from conftest import ROOT
from test_config import train
from test_run import unroll

with warnings.catch_warnings(action="ignore"):  # the package is written for an older pydantic
    from unroll.training.workspace import PICTURES, build

UNROLL = [sys.executable, "-c", "from unroll.cli import main; main()"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one run in it."""
    folder = tmp_path_factory.mktemp("dashboard")
    done = train("model=simple_rnn", "debug=fast", "logger=wandb", "run_dir=run", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "deep" / "down").mkdir(parents=True)
    return folder


def screen(cwd, seconds=60.0):
    """What the terminal dashboard has drawn once the run's name is among it."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "LINES": "40", "COLUMNS": "120"}
    process = subprocess.Popen(
        [*UNROLL, "dashboard"],
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    drawn, end = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < end and b"offline-run-" not in drawn:
            if select.select([master], [], [], 0.5)[0]:
                drawn += os.read(master, 65536)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it has started another
        process.wait()
        os.close(master)
    return drawn


@pytest.mark.parametrize("below", [".", "deep/down"])
def test_it_shows_the_runs_from_whichever_folder(folder, below):
    assert b"offline-run-" in screen(folder / below)


def test_a_folder_that_is_not_there(tmp_path):
    done = unroll("dashboard", "nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == ("error: nothing: no such folder; train with logger=wandb first, or name another\n")


def test_publishing_needs_a_key(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    done = unroll("dashboard", "--publish", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("error: --publish: no API key is set")
    assert done.stderr.count("\n") == 1


def test_publishing_to_a_server_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    done = unroll("dashboard", "--publish", cwd=tmp_path)
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_workspace_shows_what_runs_log():
    """Its definition is built as for the server; each picture that it names is one that some run draws."""
    written = build("somebody", "unroll")._to_model().model_dump_json()
    for name in ("train/loss", "valid/loss", "test/examples", "parallel", "importance"):
        assert name in written.lower(), name
    source = "".join(file.read_text() for file in (ROOT / "src" / "unroll" / "training").glob("*.py"))
    for name in PICTURES:
        assert f"pictures/{name}" in written
        assert f'"{name}.png"' in source, name
