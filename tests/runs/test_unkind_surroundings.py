"""Paths, files, outputs and surroundings that nobody would give on purpose, made up by hypothesis.

Whatever they are, the programs keep their promises: a wrong one ends in one line with exit code 2 or 3, soon,
without a traceback; nothing that stood there before is lost, and nothing of others is read into a page.
"""

import base64
import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import programs
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import unroll.data.describe.text
import unroll.report.page
import unroll.trained.evaluate
import unroll.trained.predict
import unroll.training.run  # noqa: F401  # here, not once in every process
from unroll.cli import main  # noqa: F401
from unroll.config.root import LoggerConfig
from unroll.errors import InputError
from unroll.runs.folder import RunFolder
from unroll.startup import LAUNCHER_VARIABLES
from unroll.training.logging.loggers import build_loggers

TINY = (
    "model=seq2seq data=copy debug=fast logger=csv model.hidden_size=4 "
    "data.train_size=64 data.valid_size=16 data.test_size=16"
)
WORKS = 120
"""Seconds for a command that trains: it has nothing to tell at once."""

CANARY = b"a secret of somebody else"

NUMBERS = [8, pytest.param(60, marks=pytest.mark.slow)]
"""How many examples: the same few always, and many new ones in the slow tests."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has finished."""
    folder = tmp_path_factory.mktemp("here") / "folder"
    folder.mkdir()
    ended = programs.run("train", [*TINY.split(), "run_dir=run"], folder, seconds=300)
    assert ended.code == 0, ended.stderr
    return folder / "run"


@pytest.fixture
def places(run, tmp_path):
    """Makes a folder that holds the run, and all kinds of things that are no files; outside is a canary."""
    numbers = iter(range(10**6))

    def make():
        outside = tmp_path / str(next(numbers))
        folder = outside / "folder"
        folder.mkdir(parents=True)
        shutil.copytree(run, folder / "run")
        (folder / "run" / "export").mkdir()
        (outside / "canary").write_bytes(CANARY)
        stand_around(folder)
        return folder

    return make


def stand_around(folder):
    (folder / "file").write_bytes(b"1\n2\n")
    (folder / "table.csv").write_bytes(b"x\n1\n2\n")
    (folder / "folder").mkdir()
    (folder / "closed").mkdir(mode=0)
    (folder / "loop").symlink_to("loop")
    (folder / "nothing").symlink_to("nowhere/at/all")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.csv")
    by_socket(folder / "socket")


def by_socket(path):
    """A socket; its path may have a hundred bytes, so it is made from its own folder."""
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


def explore(check, examples, **what):
    """Check so many made-up examples: if they are few, the same ones every time."""
    explored = given(**what)(check)
    kept = settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 50,
        database=None,
        phases=[Phase.generate],  # an example is small as it is, and takes a second
        suppress_health_check=list(HealthCheck),
    )
    kept(explored)()


def require_kept(ended, limit=programs.SECONDS):
    """The promises about how a program ends."""
    assert "Traceback" not in ended.stderr + ended.stdout, ended.stderr[-3000:]
    assert ended.code in (0, 2, 3), (ended.code, ended.stderr[-3000:])
    assert ended.seconds < limit
    if ended.code:
        line = ended.stderr
        assert line.startswith("error: "), line
        assert line.count("\n") == 1, line
        assert line[:-1].isprintable()
        assert len(line) < 2100


def contents(folder):
    """The bytes of every file in a folder, links and others left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


# -- paths

ENDS = ["", "/", "/x", "/../file", ".csv", ".png", ".html", ".ckpt"]
STRANGE = [
    *("x" * 300, "x/" * 3000, "~nosuchuser", "~nosuchuser/x", "loop", "nothing", "zero", "pipe", "socket"),
    *("folder", "file", "closed", "run", "run/config.yaml", "run/checkpoints/last.ckpt", "table.csv"),
    *("", ".", "..", "a\0b", "caf\udce9", "\ud800", "$(x)", "-x", "--", "a\nb", "a=b", "a,b", "'", '"', "[x"),
    *("zero.csv", "pipe.csv", "/dev/null", "/dev/full", "/dev/stdin", "/proc/self/mem", "http://x.y/z.csv"),
]
PATHS = st.tuples(st.sampled_from(STRANGE) | st.text(max_size=12), st.sampled_from(ENDS)).map("".join)

SERIES = (
    "model=many_to_one data=series data.target=x data.window=1 logger=none run_dir=r trainer.max_epochs=1"
)
COMMANDS = [
    "unroll predict PATH --text 1",
    "unroll predict run --input PATH",
    "unroll predict run --text 1 --output PATH",
    "unroll evaluate PATH",
    "unroll resume PATH",
    "unroll export PATH",
    "unroll export run --output PATH",
    "unroll report PATH",
    "unroll report run --output PATH",
    "unroll trace PATH",
    "unroll trace run --input PATH",
    "unroll trace run --csv PATH --text 1",
    "unroll packing 5 3 --output PATH",
    "unroll describe data=series data.target=x data.path=CONFIG",
    "unroll describe data=cmudict data.path=CONFIG",
    f"train {SERIES} data.path=CONFIG",
    f"train {SERIES} data.train=CONFIG data.valid=file data.test=table.csv",
    f"train {TINY} run_dir=r ckpt_path=CONFIG",
    f"train {TINY} debug=fast run_dir=CONFIG",
    "train --cfg job run_dir=x hydra.run.dir=CONFIG",
]


def words(command, path):
    """The words of a command. A path in the config is quoted as Hydra has it."""
    quoted = "'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return [each.replace("PATH", path).replace("CONFIG", quoted) for each in shlex.split(command)]


@pytest.mark.parametrize("examples", [12, pytest.param(120, marks=pytest.mark.slow)])
def test_a_path_of_any_kind(examples, places):
    def check(command, path):
        folder = places()
        before = contents(folder / "run")
        program, *arguments = words(command, path)
        ended = programs.run(program, arguments, folder, seconds=WORKS)
        require_kept(ended, WORKS if program == "train" else programs.SECONDS)
        after = contents(folder / "run")
        assert {name: after.get(name) for name in before} == before
        assert (folder / "file").read_bytes() == b"1\n2\n"
        assert (folder.parent / "canary").read_bytes() == CANARY

    explore(check, examples, command=st.sampled_from(COMMANDS), path=PATHS)


@pytest.mark.parametrize(
    "command",
    [
        "unroll predict closed/x --text 1",
        "unroll report closed/x",
        "unroll resume closed/x",
        "unroll packing 5 3 --output closed/x.png",
        "unroll describe data=series data.target=x data.path=closed/x.csv",
        "train ckpt_path=closed/x",
        "train run_dir=closed/x",
    ],
)
def test_a_folder_that_may_not_be_searched(command, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "closed").mkdir(mode=0)
    program, *arguments = shlex.split(command)
    ended = programs.run(program, arguments, folder, user=65534)
    require_kept(ended)
    assert ended.code == 2
    assert "cannot be looked up (Permission denied)" in ended.stderr


# -- the files of a run

FILES = sorted(
    {value.name for key, value in vars(RunFolder(Path())).items() if key not in ("path", "writes")}
    | {
        "curves.png",
        "other.png",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt.tmp",
    }
    | {"metrics.csv.tmp", "export/model.safetensors", "export/config.json"}
)
MUCH_USED = ["run.log", "curves.png", "metrics.csv", "checkpoints/last.ckpt", "checkpoints/best.ckpt"]
"""Half of the faults are in these."""

READERS = [
    "unroll report run",
    "unroll report .",
    "unroll predict run --text 1",
    "unroll predict run/export --text 1",
    "unroll evaluate run",
    "unroll resume run",
    "unroll profile run",
    "unroll export run",
]


def link_out(path):
    path.symlink_to(next(parent / "canary" for parent in path.parents if (parent / "canary").is_file()))


def sparse(path):
    with path.open("wb") as file:
        file.truncate(2**41)


FAULTS = {
    "a link out": link_out,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("/nowhere/at/all"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a pipe": os.mkfifo,
    "a socket": by_socket,
    "a folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "without end": sparse,
}


@pytest.mark.parametrize("examples", [12, pytest.param(120, marks=pytest.mark.slow)])
def test_a_file_of_a_run_that_is_something_else(examples, places):
    def check(command, faults, goes_on):
        folder = places()
        if goes_on:
            (folder / "run" / "results.json").unlink()
        for name, fault in faults.items():
            path = folder / "run" / name
            if not path.parent.is_dir():
                continue  # it is something else itself
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            FAULTS[fault](path)
        program, *arguments = shlex.split(command)
        ended = programs.run(program, arguments, folder, seconds=WORKS)
        require_kept(ended, WORKS)
        assert (folder.parent / "canary").read_bytes() == CANARY
        assert not Path("/nowhere").exists()
        shown = ended.stdout.encode() + ended.stderr.encode()
        for page in folder.rglob("*.html"):
            shown += page.read_bytes()
        for secret in (CANARY, base64.b64encode(CANARY)[:-2]):
            assert secret not in shown

    explore(
        check,
        examples,
        command=st.sampled_from(READERS),
        faults=st.dictionaries(
            st.sampled_from(MUCH_USED) | st.sampled_from(FILES),
            st.just("a link out") | st.sampled_from(sorted(FAULTS)),
            min_size=1,
            max_size=4,
        ),
        goes_on=st.booleans(),
    )


@pytest.mark.parametrize(
    ("name", "fault", "says"),
    [
        ("run.log", "a link out", "is a link out of the run's folder"),
        ("run.log", "a folder", "run.log: is a folder, no file that a run has written; remove it"),
        ("curves.png", "a link to nothing", "curves.png: cannot be looked up (No such file"),
        ("metrics.csv.tmp", "a link out", "is a link out of the run's folder"),
        ("checkpoints/last.ckpt", "a pipe", "last.ckpt: is a pipe, no file"),
        ("checkpoints/last.ckpt.tmp", "a folder", "last.ckpt.tmp: is a folder, no file"),
        ("checkpoints/last.ckpt", "without end", "last.ckpt: is torn"),
        ("config.yaml", "a link to /dev/zero", "is a link out of the run's folder"),
    ],
)
def test_a_run_does_not_go_on_where_it_would_write_elsewhere(name, fault, says, places):
    folder = places()
    for each in ("results.json", "checkpoints/best.ckpt", name):
        (folder / "run" / each).unlink(missing_ok=True)
    FAULTS[fault](folder / "run" / name)
    ended = programs.run("unroll", ["resume", "run"], folder)
    require_kept(ended)
    assert (ended.code, says in ended.stderr) == (2, True), ended.stderr
    assert (folder.parent / "canary").read_bytes() == CANARY


def test_what_a_person_has_put_into_a_run_does_not_matter(places):
    folder = RunFolder(places() / "run")
    (folder.checkpoints / "best-export").mkdir()
    (folder.path / "data").symlink_to("/tmp")
    (folder.path / "notes").write_bytes(b"mine")
    folder.best.rename(folder.path / "own.ckpt")
    folder.best.symlink_to("../own.ckpt")  # not out of the folder
    folder.require_own_files()
    assert folder.has(folder.best)


def test_a_report_shows_no_picture_of_others(places):
    folder = places()
    for name, fault in (("curves.png", "a link out"), ("other.png", "empty"), ("a.png", "a pipe")):
        (folder / "run" / name).unlink(missing_ok=True)
        FAULTS[fault](folder / "run" / name)
    require_kept(programs.run("unroll", ["report", "run"], folder))
    page = (folder / "run" / "report.html").read_text()
    assert base64.b64encode(CANARY).decode()[:-2] not in page
    for told in ("curves.png: is a link out of", "other.png: is no PNG picture", "a.png: is a pipe"):
        assert told in page


# -- outputs


@dataclass(frozen=True)
class Writer:
    """A command that writes to PATH; whether it may replace what it has written before."""

    command: str
    suffix: str = ""


WRITERS = [
    Writer("unroll predict run --input input.txt --output PATH"),
    Writer("unroll predict run/checkpoints/best.ckpt --text 1 --output PATH"),
    Writer("unroll packing 5 3 --output PATH", ".svg"),
    Writer("unroll report run --output PATH", ".html"),
    Writer("unroll trace run --text 1 --csv PATH", ".csv"),
]
TARGETS = ["input.txt", "run/results.json", "run/checkpoints/best.ckpt", "run/metrics.csv", "run/run.log"]
TARGETS += ["file", "run/notes", "run/command.txt", "run/vocabulary.json", "run/checkpoints/new.ckpt"]


@pytest.mark.parametrize("examples", NUMBERS)
def test_an_output_replaces_nothing_unasked(examples, places):
    def check(writer, target, way, overwrite):
        folder = places()
        (folder / "input.txt").write_bytes(b"1\n")
        (folder / "run" / "notes").write_bytes(b"mine\n")
        path = folder / target
        if way != "itself" or path.suffix != writer.suffix:
            other = folder / f"other{writer.suffix}"
            if way == "hard link" and path.exists():
                other.hardlink_to(path)
            else:
                other.symlink_to(target)
            path = other
        before = contents(folder)
        program, *arguments = words(writer.command, str(path.relative_to(folder)))
        ended = programs.run(program, [*arguments, *["--overwrite"] * overwrite], folder, seconds=WORKS)
        require_kept(ended)
        after = contents(folder)
        changed = {name for name in before if after.get(name) != before[name]}
        may = {target, path.name} if overwrite and target in ("file", "run/notes", "input.txt") else set()
        if "input.txt" in writer.command:
            may -= {"input.txt"}
        if way == "hard link" and overwrite:  # no name tells whose file it is
            may |= {path.name, target} - ({"input.txt"} if "input.txt" in writer.command else set())
            if "best.ckpt" in writer.command:
                may -= {"run/checkpoints/best.ckpt"}
        assert changed <= may, ended

    explore(
        check,
        examples,
        writer=st.sampled_from(WRITERS),
        target=st.sampled_from(TARGETS),
        way=st.sampled_from(["itself", "link", "hard link"]),
        overwrite=st.booleans(),
    )


# -- surroundings

VALUES = st.sampled_from(["x", "-1", "1.5", "9" * 5000, " ", "²", "nonsense", "\u0661"]) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8
)


@pytest.mark.parametrize("examples", NUMBERS)
def test_closed_streams_and_nonsense_in_the_environment(examples, places):
    def check(command, closed, variable, value):
        folder = places()
        program, *arguments = shlex.split(command)
        environment = {} if variable is None else {variable: value}
        ended = programs.run(
            program, arguments, folder, environment=environment, closed=sorted(closed), seconds=WORKS
        )
        if 2 in closed:
            assert ended.code in (0, 2, 3)
            assert ended.stderr == ""
        else:
            require_kept(ended)
        assert 1 not in closed or ended.stdout == ""

    explore(
        check,
        examples,
        command=st.sampled_from(
            ["unroll packing 5 3 --output p.png", "unroll predict run", "unroll keys data", "train seed=-1"]
        ),
        closed=st.sets(st.sampled_from([0, 1, 2])),
        variable=st.none() | st.sampled_from([*LAUNCHER_VARIABLES, "MPLBACKEND", "SLURM_JOB_ID", "COLUMNS"]),
        value=VALUES,
    )


def test_a_run_with_a_strange_name_warnings_and_no_room_for_its_lines(tmp_path):
    """The commands that it prints are quoted, warnings go to its log, and it ends well."""
    folder = tmp_path / "folder"
    folder.mkdir()
    cores = len(os.sched_getaffinity(0))
    arguments = [*TINY.split(), "run_dir='$(touch owned) -x'", f"data.workers={cores + 1}"]
    ended = programs.run("train", arguments, folder, seconds=300, onto=Path("/dev/full"))
    assert ended.code == 0, ended.stderr
    assert ended.stderr.startswith(
        "standard output: cannot be written (No space left on device); the run's log"
    )
    assert ended.stderr.count("\n") == 1
    name = "$(touch owned) -x"
    log = (folder / name / "run.log").read_text()
    assert "This DataLoader will create" in log
    printed = [line.partition("unroll ")[2] for line in log.splitlines() if " unroll " in line]
    assert [shlex.split(line)[:2] for line in printed[:2]] == [["predict", name], ["evaluate", name]]


def test_a_name_that_looks_like_an_option_is_none():
    assert RunFolder(Path("-x")).argument() == "./-x"
    assert RunFolder(Path("$(x)")).argument() == "'$(x)'"


def test_a_file_where_wandb_has_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))  # else the run would set it, for all tests that follow
    (tmp_path / "outputs").write_bytes(b"")
    with pytest.raises(InputError, match=r"^outputs/wandb: W&B's folder cannot be made \(Not a dir"):
        build_loggers(LoggerConfig(), RunFolder(tmp_path), {})


@pytest.mark.parametrize("program", ["-c 'from unroll.cli import main; main()' keys", ROOT / "train.py"])
def test_a_working_folder_that_is_gone(program, tmp_path):
    (tmp_path / "folder").mkdir()
    done = subprocess.run(
        f"cd folder && rmdir ../folder && exec {sys.executable} {program}",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done.stderr
    assert done.stderr.startswith("error: the working folder cannot be used (No such file or directory)")


def test_a_backend_that_matplotlib_does_not_know(tmp_path):
    """In a process of its own: matplotlib looks at it as it is imported."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from unroll.cli import main; main()",
            "packing",
            "5",
            "3",
            "--output",
            "p.png",
        ],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "nonsense"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "p.png").is_file()
