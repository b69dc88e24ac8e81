"""`unroll dashboard`, in the terminal and on the server."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler

import pytest
from commands import train, unroll
from conftest import ROOT

with warnings.catch_warnings(action="ignore"):  # the package is written for an older pydantic
    from unroll.training.logging.wandb_workspace import PICTURE_NAMES, build

UNROLL = [sys.executable, "-c", "from unroll.cli import main; main()"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one run in it."""
    folder = tmp_path_factory.mktemp("dashboard")
    done = train("model=simple_rnn", "debug=fast", "logger=wandb", "run_dir=run", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "deep" / "down").mkdir(parents=True)
    return folder


def screen(cwd, awaited, seconds=60.0):
    """What the terminal dashboard has drawn once `awaited` is among it."""
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
        while time.monotonic() < end and awaited not in drawn:
            if select.select([master], [], [], 0.5)[0]:
                drawn += os.read(master, 65536)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it has started another
        process.wait()
        os.close(master)
    return drawn


@pytest.mark.parametrize("below", [".", "deep/down"])
def test_it_shows_the_runs_from_whichever_folder(folder, below):
    assert b"offline-run-" in screen(folder / below, b"offline-run-")


def test_its_first_page_shows_the_curves_of_validation_unless_left_otherwise(folder):
    left = folder / "outputs" / "wandb" / ".wandb-leet.json"
    left.unlink(missing_ok=True)
    assert b'"^valid/"' in screen(folder, b'"^valid/"')
    left.write_text('{"metrics_filter": {"query": "^lr"}}')
    assert b'"^lr"' in screen(folder, b'"^lr"')


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


def test_without_a_key_nothing_heavy_is_imported(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    code = "import sys; from unroll.cli import main; sys.argv[1:] = ['dashboard', '--publish']\n"
    code += "try: main()\nfinally: print({'torch', 'lightning', 'wandb'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n"


class Silent(BaseRequestHandler):
    """Accepts, and never answers."""

    def handle(self):
        self.server.over.wait()


class Slow(BaseHTTPRequestHandler):
    """Answers what is asked first, and nothing else."""

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        if b"__typename" not in asked:
            self.server.over.wait()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Refusing(Slow):
    """Answers that it has nothing of the kind."""

    def do_POST(self):
        self.send_error(404)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        pytest.param(Silent, "the server 127.0.0.1 cannot be reached (no answer)", marks=pytest.mark.slow),
        pytest.param(Slow, "its server did not accept the run (Timed out", marks=pytest.mark.slow),
        (Refusing, "its server did not accept the run"),
    ],
)
def test_a_run_does_not_wait_for_a_server_that_is_none(handler, reason, tmp_path, monkeypatch):
    """W&B itself would wait for a minute and a half."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.over = threading.Event()
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        options = ["debug=fast", "logger=wandb", "logger.mode=online", "run_dir=run"]
        try:
            done = train("model=simple_rnn", *options, cwd=tmp_path)
        finally:
            server.over.set()
            server.shutdown()
    assert done.returncode == 0, done.stderr
    assert f"W&B: offline, since {reason}" in done.stdout
    assert json.loads((tmp_path / "run" / "results.json").read_text())["seconds"] < 45
    folders = [path.name for path in (tmp_path / "outputs" / "wandb").glob("*run-*")]
    assert [name for name in folders if not name.startswith("offline-run-")] == []
    assert len(folders) == 1


def test_a_variable_that_is_wrong_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "nonsense")
    done = train("model=simple_rnn", "debug=fast", "logger=wandb", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("error: W&B does not accept a WANDB_… variable: base_url ")
    assert done.stderr.count("\n") == 1


def test_the_workspace_shows_what_runs_log():
    """Its definition is built as for the server; each picture that it names is one that some run draws."""
    written = build("somebody", "unroll")._to_model().model_dump_json()
    for name in ("train/loss", "valid/loss", "test/examples", "parallel", "importance"):
        assert name in written.lower(), name
    source = "".join(file.read_text() for file in (ROOT / "src" / "unroll" / "training").rglob("*.py"))
    for name in PICTURE_NAMES:
        assert f"pictures/{name}" in written
        assert f'picture("{name}")' in source, name
