"""Files and names that somebody made up to run code, fill the memory, hang, or write elsewhere.

Each goes through the real command, in a process of its own with a bound on its memory and 15 seconds: it ends
in one line with exit code 2, and nothing that was in it has run.
"""

import gzip
import io
import json
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import programs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from commands import command as unroll_command  # noqa: F401  # a fixture
from commands import train
from file_data import write
from helpers import small_model, token_spec

from unroll.config import compose as composition
from unroll.errors import InputError

MEMORY = 2**30  # bytes above what the tests themselves take
CANARY = "executed"

PREDICT = ["predict", "FILE", "--text", "t1"]
EVALUATE = ["evaluate", "FILE"]
RESUME = ["resume", "."]
SERIES = ["describe", "data=series", "data.path=FILE", "data.target=x"]


class Evil:
    """Runs a program, where it is unpickled."""

    def __reduce__(self):
        return os.system, (f"touch {CANARY}",)


@dataclass(frozen=True)
class Hostile:
    """What is wrong with a file, what makes it in a folder, the command that meets it, what it is told."""

    name: str
    says: str
    make: Callable[[Path], Any]
    command: list[str]
    file: str = "bad.ckpt"


CASES: list[Hostile] = []


def case(name, says, command=PREDICT, file="bad.ckpt"):
    def enter(make):
        CASES.append(Hostile(name, says, make, command, file))
        return make

    return enter


def content() -> dict[str, Any]:
    """What the checkpoint of a run holds."""
    model = small_model("seq2seq", token_spec())
    return {
        "state_dict": dict(model.state_dict()),
        "hyper_parameters": json.loads(json.dumps(dict(model.hparams))),
        "datamodule_hyper_parameters": {"data": {"name": "tokens", "task": "copy"}, "seed": 1},
    }


def changed(name, says, value, *keys, command=PREDICT):
    """A checkpoint that would be right with another value under these keys."""

    def make(folder):
        saved = content()
        inner = saved
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        torch.save(saved, folder / "bad.ckpt")

    CASES.append(Hostile(name, says, make, command))


def archive(path, program, *, compression=zipfile.ZIP_STORED, **more):
    """An archive as torch writes it, of this pickle."""
    entries = {"data.pkl": program, "byteorder": b"little", "version": b"3\n", **more}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, value in entries.items():
            file.writestr(f"archive/{name}", value)


def dumped(value, protocol=2):
    return pickle.dumps(value, protocol)


# --- checkpoints: pickles ---

case("a pickle", "not a checkpoint, or a torn one")(
    lambda folder: write(folder, "bad.ckpt", dumped(Evil())),
)
case("a pickle in torch's archive", "holds more than tensors and plain values (posix.system)")(
    lambda folder: archive(folder / "bad.ckpt", dumped({"state_dict": Evil()})),
)
case("a newer pickle, which names things otherwise", "holds more than tensors and plain values")(
    lambda folder: archive(folder / "bad.ckpt", dumped({"state_dict": Evil()}, 4)),
)
case("an older pickle, which calls by another word", "holds more than tensors and plain values")(
    lambda folder: archive(folder / "bad.ckpt", f"(S'touch {CANARY}'\nios\nsystem\n.".encode()),
)
case("a class of this project", "holds more than tensors and plain values (unroll.models.seq2seq.Seq2Seq)")(
    lambda folder: archive(folder / "bad.ckpt", b"\x80\x02cunroll.models.seq2seq\nSeq2Seq\n."),
)
case("torn off", "not a checkpoint, or a torn one")(
    lambda folder: (
        torch.save(content(), folder / "w"),
        write(folder, "bad.ckpt", (folder / "w").read_bytes()[:5000]),
    ),
)
case("not a pickle at all", "not a readable checkpoint")(
    lambda folder: archive(folder / "bad.ckpt", b"\xff\xfe\xfd no pickle"),
)


@case("a pickle before an archive", "it does not begin like an archive")
def _(folder):
    buffer = io.BytesIO()
    torch.save(content(), buffer)
    write(folder, "bad.ckpt", dumped(Evil()) + buffer.getvalue())


@case("two pickles in an archive", "is not one that torch writes")
def _(folder):
    archive(folder / "bad.ckpt", dumped({}), **{"constants.pkl": dumped(Evil())})


@case("two files of one name in an archive", "is not one that torch writes")
def _(folder):
    archive(folder / "bad.ckpt", dumped({}))
    with zipfile.ZipFile(folder / "bad.ckpt", "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("archive/data.pkl", dumped(Evil()))


# --- checkpoints: memory and time ---


@case("an archive of zeros, packed", "is compressed, which no checkpoint is")
def _(folder):
    zeros = bytes(2**26)
    archive(folder / "bad.ckpt", dumped({}), compression=zipfile.ZIP_DEFLATED, **{"data/0": zeros})


case("memory of a size that the file says", "(__builtin__.bytearray)")(
    lambda folder: archive(folder / "bad.ckpt", b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R."),
)
case("a tensor of a size that the file says", "(torch.FloatTensor)")(
    lambda folder: archive(folder / "bad.ckpt", b"\x80\x02ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85R."),
)
case("a list of four million", "holds more than 3,000,000 values")(
    lambda folder: archive(folder / "bad.ckpt", b"\x80\x02](" + b"K\x01" * 4_000_000 + b"e."),
)
case("lists 100,000 deep", "hyper_parameters: is nested more than 16 deep")(
    lambda folder: archive(
        folder / "bad.ckpt",
        b"\x80\x02}X\x10\0\0\0hyper_parameters" + b"]" * 100_000 + b"a" * 99_999 + b"s.",
    ),
)


@case("two of two of two …, 60 deep in few bytes", "hyper_parameters: is nested more than 16 deep")
def _(folder):
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    torch.save({"hyper_parameters": value}, folder / "bad.ckpt")


@case("forty of forty of forty …", "hyper_parameters: holds more than 3,000,000 values")
def _(folder):
    value: list[Any] = []
    for _ in range(12):
        value = [value] * 40
    torch.save({"hyper_parameters": value}, folder / "bad.ckpt")


@case("weights that are one number, repeated", "some tensors are views of the same numbers")
def _(folder):
    saved = content()
    saved["hyper_parameters"]["model"]["hidden_size"] = 20_000
    with torch.device("meta"):
        giant = small_model("seq2seq", token_spec(), hidden_size=20_000).state_dict()
    saved["state_dict"] = {name: torch.zeros(1).expand(tensor.shape) for name, tensor in giant.items()}
    torch.save(saved, folder / "bad.ckpt")


changed(
    "a model larger than its weights",
    "but the model has",
    10**6,
    "hyper_parameters",
    "model",
    "hidden_size",
)
changed("layers without end", "must be 128 or less", 10**9, "hyper_parameters", "model", "num_layers")
changed(
    "hypotheses without end",
    "must be 1000 or less",
    10**9,
    "hyper_parameters",
    "model",
    "search",
    "beam_size",
)
changed(
    "texts without end", "must be 100,000 or less", 10**9, "hyper_parameters", "model", "search", "max_length"
)
changed("targets without end", "is more than 100000", 10**9, "hyper_parameters", "spec", "max_target_length")
changed("a horizon without end", "is more than 100000", 10**9, "hyper_parameters", "spec", "horizon")
changed(
    "a vocabulary without words",
    "is not a value that a data set has",
    2**40,
    "hyper_parameters",
    "spec",
    "input_size",
)
changed(
    "data without end",
    "must be 10,000,000 or less",
    10**9,
    "datamodule_hyper_parameters",
    "data",
    "train_size",
    command=EVALUATE,
)
changed(
    "processes without end",
    "must be 0 or more, up to 256",
    10**6,
    "datamodule_hyper_parameters",
    "data",
    "workers",
    command=EVALUATE,
)

# --- checkpoints: names, lookups, numbers ---

changed("a name to be imported", "no such entry", "os.system", "hyper_parameters", "model", "name")
changed(
    "a name with a path in it",
    "no such entry",
    "../../nn/cells/gru",
    "hyper_parameters",
    "model",
    "cell",
    "name",
)
changed("the beginning of a name", "did you mean 'seq2seq'", "seq2se", "hyper_parameters", "model", "name")
changed("a name that is no text", "no such entry", ["seq2seq"], "hyper_parameters", "model", "name")
changed("code for Hydra", "no such key", "os.system", "hyper_parameters", "model", "_target_")
changed(
    "a variable of the environment",
    "is not looked up here",
    "${oc.env:HOME}",
    "datamodule_hyper_parameters",
    "data",
    "task",
)
changed(
    "a lookup in a list",
    "is not looked up here",
    ["${oc.env:HOME}"],
    "hyper_parameters",
    "model",
    "num_layers",
)
changed("no keys", "must be keys and values", "gru", "hyper_parameters", "model", "cell")
changed("no hyperparameters", "not a checkpoint of Unroll", None, "hyper_parameters")
changed(
    "a token twice",
    "holds a token twice",
    [*token_spec().input_vocabulary[:-1], "t0"],
    "hyper_parameters",
    "spec",
    "input_vocabulary",
)
changed(
    "a token that is half a letter",
    "holds a lone surrogate, which is not text",
    [*token_spec().input_vocabulary[:-1], "\ud800"],
    "hyper_parameters",
    "spec",
    "input_vocabulary",
)
changed(
    "a vocabulary of numbers",
    "is not a value that a data set has",
    list(range(10)),
    "hyper_parameters",
    "spec",
    "input_vocabulary",
)
changed(
    "weights that are none",
    "holds NaN or infinity",
    torch.full((10,), float("nan")),
    "state_dict",
    "decoder.output.bias",
)
changed(
    "a seed that is none",
    "does not name the data it learned from",
    "1",
    "datamodule_hyper_parameters",
    "seed",
)
changed(
    "what moves the cursor",
    r"model.name=\x1b]0;owned\x07",
    "\x1b]0;owned\x07\x1b[2J\r\x9b31m",
    "hyper_parameters",
    "model",
    "name",
)
changed("a name of a million letters", "no such entry", "a" * 10**6, "hyper_parameters", "model", "name")
changed(
    "a tensor for a number",
    "which is not a plain value",
    torch.ones(3),
    "hyper_parameters",
    "model",
    "dropout",
)

# --- paths ---

FILES = {"name": "token_file", "task": "pairs"}
DATA = ("datamodule_hyper_parameters", "data")
changed(
    "data at an address",
    "http:/127.0.0.1:9/x.csv: no such file",
    {**FILES, "path": "http://127.0.0.1:9/x.csv"},
    *DATA,
    command=EVALUATE,
)
changed(
    "data elsewhere",
    "unknown suffix",
    {**FILES, "path": "../../../../../../etc/hosts"},
    *DATA,
    command=EVALUATE,
)
changed(
    "data behind a zero byte",
    "cannot be looked up (embedded null byte)",
    {**FILES, "path": "x\0.csv"},
    *DATA,
    command=EVALUATE,
)
changed(
    "words behind a zero byte",
    "cannot be looked up",
    {"name": "words", "path": "x\0"},
    *DATA,
    command=EVALUATE,
)
for address in (
    "http://127.0.0.1:9/x.csv",
    "file:///etc/hosts.csv",
    r"\\\\127.0.0.1\\share\\x.csv",
    "s3://bucket/x.parquet",
):
    CASES.append(
        Hostile(
            f"data={address}",
            "no such file",
            lambda folder: None,
            [*SERIES[:2], f"data.path='{address}'", SERIES[3]],
        )
    )
    CASES.append(
        Hostile(f"run={address}", "no such run", lambda folder: None, ["predict", address, "--text", "a"])
    )
case("a device", "is a device, no file", SERIES, "x.csv")(
    lambda folder: (folder / "x.csv").symlink_to("/dev/zero")
)
case("a pipe", "is a pipe, no file", SERIES, "x.csv")(lambda folder: os.mkfifo(folder / "x.csv"))

# --- exports ---


def export(folder, *, config=None, weights=None):
    """An export of which one of the files is another."""
    from safetensors.torch import save

    saved = content()
    parts = {"format": "unroll 1", **saved["hyper_parameters"], **saved["datamodule_hyper_parameters"]}
    write(folder, "config.json", json.dumps(parts) if config is None else config)
    write(folder, "model.safetensors", save(saved["state_dict"]) if weights is None else weights)


def header(values, data=b""):
    text = json.dumps(values).encode()
    return struct.pack("<Q", len(text)) + text + data


for name, says, files in (
    ("a deep config", "config.json: cannot be read as JSON", {"config": "[" * 200_000}),
    ("a deep config that ends", "nested more than 16 deep", {"config": '{"a":' * 50 + "1" + "}" * 50}),
    (
        "a number of 100,000 digits",
        "config.json: cannot be read as JSON",
        {"config": '{"a": 1' + "0" * 100_000 + "}"},
    ),
    (
        "a config of no export",
        "is not an export of Unroll",
        {"config": '{"auto_map": {"AutoModel": "x.py"}}'},
    ),
    ("a config that is a list", "holds no keys and values", {"config": "[1]"}),
    ("a config that is no text", "cannot be read as UTF-8 text", {"config": b"\xff\xfe"}),
    ("a pickle of weights", "model.safetensors: cannot be read", {"weights": dumped(Evil())}),
    ("a header without end", "model.safetensors: cannot be read", {"weights": struct.pack("<Q", 2**62)}),
    (
        "weights beyond the file",
        "model.safetensors: cannot be read",
        {"weights": header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})},
    ),
    (
        "weights upon weights",
        "model.safetensors: cannot be read",
        {
            "weights": header(
                {n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in "ab"}, bytes(8)
            )
        },
    ),
    (
        "weights of another model",
        "but the model has",
        {"weights": header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8))},
    ),
):
    case(f"export: {name}", says, ["predict", ".", "--text", "t1"])(
        lambda folder, files=files: export(folder, **files)
    )


@case("export: a config of 100 MB", "is larger than 67,108,864 bytes", ["predict", ".", "--text", "t1"])
def _(folder):
    export(folder)
    os.truncate(folder / "config.json", 10**8)


@case(
    "export: a config that is a pipe",
    "config.json: is a pipe, no file that a run has written",
    ["predict", ".", "--text", "t1"],
)
def _(folder):
    export(folder)
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


# --- configs of runs ---

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
for name, says, text in (
    ("nine of nine of nine …", "config.yaml:2: holds the alias *a0", BOMB),
    (
        "a tag that runs code",
        "names code to run",
        f"seed: !!python/object/apply:os.system ['touch {CANARY}']",
    ),
    ("a class to be made", "config.yaml:2: _target_ names code to run", "model:\n  _target_: os.system"),
    ("the same, written otherwise", "_target_ names code to run", r'model: {"_tar\x67et_": os.system}'),
    ("a variable of the environment", "a reference to another value", "run_dir: ${oc.env:HOME}"),
    ("lists 10,000 deep", "is nested more than 16 deep", "a: " + "[" * 10_000),
    ("300,000 values", "is larger than 262,144 bytes", "a: [" + "1," * 300_000 + "1]"),
    ("no YAML", "cannot be read", "a: [1, 2\nb: }"),
    ("control characters", "cannot be read", "a: \x07\x1b[2J"),
):
    case(f"config: {name}", says, RESUME)(lambda folder, text=text: write(folder, "config.yaml", text))

case("report: nine of nine of nine …", "config.yaml:2: holds the alias *a0", ["report", "."])(
    lambda folder: write(folder, "config.yaml", BOMB)
)
case("report: lists 100,000 deep", "results.json: cannot be read as JSON", ["report", "."])(
    lambda folder: write(folder, "results.json", "[" * 100_000)
)
case("report: a pipe", "holds no runs", ["report", "."])(lambda folder: os.mkfifo(folder / "results.json"))

# --- data ---


@case("zeros, packed", "unpacks to more than", SERIES, "x.csv.gz")
def _(folder):
    with gzip.open(folder / "x.csv.gz", "wb", compresslevel=1) as file:
        for _ in range(128):
            file.write(bytes(2**20))


@case("rows of one number, packed", "unpacks to more than", SERIES, "x.csv.gz")
def _(folder):
    write(folder, "x.csv.gz", gzip.compress(b"x\n" + b"1\n" * 10_000_000, 9))


@case(
    "many rows in few bytes",
    "200,000,000 rows, and is not read",
    SERIES,
    "x.parquet",
)
def _(folder):
    pq.write_table(pa.table({"x": pa.nulls(2 * 10**8, pa.bool_())}), folder / "x.parquet")


@case("a terabyte of text in few bytes", "is text of 1,000,000,000,000 bytes", SERIES, "x.parquet")
def _(folder):
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10**5, dtype=np.int32)), pa.array(["a" * 10**7]))
    pq.write_table(pa.table({"x": text}), folder / "x.parquet", compression="zstd", store_schema=False)


@case("lists for numbers", "holds list<element: int64>, no single values", SERIES, "x.parquet")
def _(folder):
    pq.write_table(pa.table({"x": [[1, 2], [3]]}), folder / "x.parquet")


case("columns without end", "100,001 columns; give at most 10,000", SERIES, "x.csv")(
    lambda folder: write(folder, "x.csv", ",".join(f"c{n}" for n in range(100_000)) + ",x\n"),
)
case("a number of 30 million digits", "in column 'x'", SERIES, "x.csv")(
    lambda folder: write(folder, "x.csv", "x\n" + "1\n" * 50 + "1" * 30_000_000 + "\n"),
)
case("a pickle for a table", "is not UTF-8 text", SERIES, "x.csv")(
    lambda folder: write(folder, "x.csv", dumped(Evil(), 4)),
)
case("packed twice", "is gzip", SERIES, "x.csv.gz")(
    lambda folder: write(folder, "x.csv.gz", gzip.compress(gzip.compress(b"x\n1\n"))),
)


def test_there_are_enough_and_they_differ():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("hostile", CASES, ids=lambda hostile: hostile.name)
def test_it_is_told_in_one_line_and_nothing_is_executed(hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile.make(tmp_path)
    before = programs.everything(tmp_path)
    arguments = [argument.replace("FILE", hostile.file) for argument in hostile.command]
    ended = programs.run("unroll", arguments, tmp_path, memory=MEMORY)
    line = ended.stderr
    assert ended.code == 2, line[-3000:]
    assert line.startswith("error: ")
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(line) < 2100
    assert hostile.says in line, line
    assert ended.stdout == ""
    assert not (tmp_path / CANARY).exists()
    assert programs.everything(tmp_path) == before


EXPERIMENT = """# @package _global_
hydra:
  callbacks:
    evil:
      _target_: unroll.data.readers.text_file.read_text
      path: /etc/hosts
"""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--config-dir=.", "experiment=evil"], "--config-dir: config files are read from"),
        (["-cd", ".", "experiment=evil"], "--config-dir: config files are read from"),
        (["--config-di=.", "experiment=evil"], "--config-di: no such option, did you mean '--config-dir'?"),
        (["hydra.searchpath=[file://.]", "experiment=evil"], "hydra.searchpath: config files are read from"),
        (["-m", "sweep.name=../../evil", "seed=1,2"], "sweep.name=../../evil: must be letters, digits"),
        (["logger.project=../evil"], "logger.project=../evil: must be 1 to 128 letters"),
        (["data=../../evil"], "data/../..=evil: no such choice"),
        (["model/cell=../../evil"], "model/cell/../..=evil: no such choice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_config_files_of_other_people_are_not_composed(arguments, says, tmp_path):
    (tmp_path / "experiment").mkdir()
    write(tmp_path / "experiment", "evil.yaml", EXPERIMENT)
    write(tmp_path, "evil.yaml", EXPERIMENT)
    before = programs.everything(tmp_path)
    done = train(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {says}")
    assert done.stderr.count("\n") == 1
    assert programs.everything(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (EXPERIMENT, r"evil\.yaml:5: _target_ names code to run; remove it"),
        (BOMB, r"evil\.yaml:2: holds the alias"),
        ("a: !!python/name:os.system", r"evil\.yaml:1: .*os\.system names code to run"),
        ("a: [", r"evil\.yaml: cannot be read"),
    ],
)
def test_a_config_file_put_beside_ours_is_looked_at_before_hydra_reads_it(text, says, tmp_path):
    (tmp_path / "experiment").mkdir()
    write(tmp_path / "experiment", "good.yaml", "# @package _global_\nmodel:\n  hidden_size: 3\n")
    composition.require_harmless(tmp_path)
    write(tmp_path / "experiment", "evil.yaml", text)
    with pytest.raises(InputError, match=says):
        composition.require_harmless(tmp_path)


def test_the_content_that_is_changed_would_be_right(tmp_path):
    torch.save(content(), tmp_path / "bad.ckpt")
    ended = programs.run("unroll", ["predict", "bad.ckpt", "--text", "t1"], tmp_path)
    assert ended.code == 0, ended.stderr
    assert ended.stdout.startswith("t1\t")


OWNED = "\x1b]0;owned\x07\x9b2J\u202e"
"""Names the window, clears it, and turns the direction of writing."""


@pytest.fixture
def owned(tmp_path):
    """A checkpoint whose model knows no other token but such ones."""
    saved = content()
    spec = saved["hyper_parameters"]["spec"]
    for vocabulary in ("input_vocabulary", "target_vocabulary"):
        spec[vocabulary][4:] = [f"{OWNED}{number}" for number in range(6)]
    torch.save(saved, tmp_path / "bad.ckpt")
    return "bad.ckpt"


def test_a_foreign_vocabulary_does_not_rule_the_terminal(owned, unroll_command, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    traced = unroll_command("trace", owned, "--text", f"{OWNED}1 {OWNED}2")
    assert traced.returncode == 0, traced.stderr
    shown = r"\x1b]0;owned\x07\x9b2J\u202e1"
    assert shown in traced.stdout
    written = unroll_command("predict", owned, "--text", f"{OWNED}1").stdout
    assert written.startswith(f"{OWNED}1\t")  # what another program reads is exact
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for text in (traced.stdout, unroll_command("predict", owned, "--text", f"{OWNED}1").stdout):
        assert not set(OWNED[:1] + "\x07\x9b\u202e") & set(text)
    assert unroll_command("predict", owned, "--text", f"{OWNED}1").stdout.startswith(f"{shown}\t")
