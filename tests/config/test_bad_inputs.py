"""What a person can get wrong: each ends in one line that names the key or place, the value and the fix.

Each walks through the real program. More of wrong files is in test_bad_files.py, what somebody made up to do
harm in test_hostile_files.py, and full disks in test_checkpoint_files.py.
"""

import io
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import programs
import pytest
import torch
from file_data import write
from omegaconf import OmegaConf

import unroll.data.describe.text
import unroll.sweep.sweeper
import unroll.trained.evaluate
import unroll.trained.predict
import unroll.training.run  # here, not once in every process
from unroll.config import compose as composition
from unroll.runs.checkpoints import seal

TINY = (
    "model=seq2seq data=copy debug=fast logger=csv model.hidden_size=4 "
    "data.train_size=64 data.valid_size=16 data.test_size=16"
)
SERIES = (
    "train model=many_to_one data=series data.path=s.csv data.target=x data.window=4 logger=none run_dir=r"
)
INPUT, ENVIRONMENT = 2, 3


@dataclass(frozen=True)
class Bad:
    """A mistake: the command; how the line begins that tells of it, and what else is in it; the exit code.

    `make` puts what is needed into the folder of the command, and `name` says what that is.
    """

    command: str
    says: str
    more: str = ""
    code: int = INPUT
    name: str = ""
    make: Callable[[Path], Any] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    stdin: bytes = b""

    def __str__(self) -> str:
        return f"{self.name}: {self.command[:200]}" if self.name else self.command


def holding(name: str, content: str | bytes) -> Callable[[Path], Any]:
    """Makes a file."""
    return lambda folder: write(folder, name, content)


def forged(value: Any, *keys: str) -> Callable[[Path], Any]:
    """Makes a run that was stopped, with another value in its checkpoint, and the checksum of that."""

    def make(folder: Path) -> None:
        (folder / "run" / "results.json").unlink()
        path = folder / "run" / "checkpoints" / "last.ckpt"
        content = inner = torch.load(path, weights_only=True)
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        buffer = io.BytesIO()
        torch.save(content, buffer)
        path.write_bytes(seal(buffer.getvalue()))

    return make


def torn(folder: Path) -> None:
    """Cuts off the checkpoint of a run that was stopped."""
    (folder / "run" / "results.json").unlink()
    path = folder / "run" / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:-100])


def without_metrics(folder: Path) -> None:
    """Takes from a run that was stopped what it has logged."""
    (folder / "run" / "results.json").unlink()
    (folder / "run" / "metrics.csv").unlink()


def edited(name: str, before: str, after: str) -> Callable[[Path], Any]:
    """Changes a file of a run that was stopped."""

    def make(folder: Path) -> None:
        (folder / "run" / "results.json").unlink()
        path = folder / "run" / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, 1))

    return make


CONFIG = [
    # keys and choices
    Bad("train model.hiden_size=3", "model.hiden_size: no such key, did you mean 'hidden_size'?"),
    Bad("train +model.hiden_size=3", "model.hiden_size=3: no such key, did you mean 'hidden_size'?"),
    Bad("train modle=seq2seq", "modle: no such key, did you mean 'model'?"),
    Bad("train model=seq2sec", "model=seq2sec: no such choice, did you mean 'seq2seq'?"),
    Bad(
        "train model/cell=grru", "model/cell=grru: no such choice, did you mean 'gru'? (there are: ", " gru, "
    ),
    Bad("train model/sell=gru", "model/sell: no such key, did you mean 'model/cell'?"),
    Bad("train model/attention=bahdanau", "model/attention=bahdanau: no such choice, choose from: additive,"),
    Bad("train data=no_such", "data=no_such: no such choice"),
    Bad("train experiment=word", "experiment=word: no such choice, did you mean 'words'?"),
    Bad("train model.cell.name=no_such", "model.cell.name=no_such: no such entry, choose from: ", " gru, "),
    Bad("train model.cell=gru", "model.cell: is a group; choose with a slash: model/cell=", "|gru|"),
    Bad("train model.search=beam", "model.search: holds keys of its own; set one of them, as model.search.K"),
    Bad("train model=", "model=: no such choice"),
    Bad("train model.hidden_size", "model.hidden_size: has no value; write KEY=VALUE"),
    Bad("train +model.hidden_size=3", "Could not append to config", "remove + prefix: 'model.hidden_size=3'"),
    Bad("train +foo=3", "foo=3: no such key, choose from: ckpt_path, data"),
    Bad("train ~model", "model: not given; give it a value"),
    Bad("train ~model.hidden_size", "model.hidden_size: ", "does not support deletion"),
    # null
    Bad("train data=null", "data=null: no such choice, choose from: adding, "),
    Bad("train model=null", "model=null: no such choice, choose from: feature_conv, "),
    Bad("train trainer=null", "trainer=null: no such choice, choose from: default"),
    Bad("train optimizer=null", "optimizer=null: no such choice, choose from: adam, "),
    Bad("train model/cell=3", "model/cell=3: no such choice, choose from: ", " gru, "),
    Bad("train hydra/launcher=null", "hydra/launcher=null: no such choice, give a name"),
    Bad("train model.hidden_size=null", "model.hidden_size: is null, and must have a value; give it one"),
    Bad("train 'run_dir=\"???\"'", "run_dir: not given; give it a value"),
    # types
    Bad("train model.hidden_size=abc", "model.hidden_size: Value 'abc' of type 'str' could not be converted"),
    Bad(
        "train model.hidden_size=", "model.hidden_size: Value '' of type 'str' could not be converted to Int"
    ),
    Bad("train 'model.hidden_size=[1,2]'", "model.hidden_size: Value '[1, 2]' of type 'list' could not be"),
    Bad("train 'model.hidden_size={a:1}'", "model.hidden_size: Value '{'a': 1}' of type 'dict' could not"),
    Bad("train logger.tags=3", "logger.tags: Invalid value assigned: int is not a ListConfig"),
    Bad("train model.search.method=beem", "model.search.method: Invalid value 'beem', expected one of [gre"),
    Bad("train trainer.accelerator=tpu", "trainer.accelerator: Invalid value 'tpu', expected one of [auto,"),
    Bad("train hydra.mode=FOO", "hydra.mode: Invalid value 'FOO', expected one of [RUN, MULTIRUN]"),
    # ranges
    Bad("train model.hidden_size=0", "model.hidden_size=0: must be 1 or more"),
    Bad(
        "train model.hidden_size=99999999999999999999", "model.hidden_size=99999999999999999999: must be 1,0"
    ),
    Bad("train model.num_layers=0", "model.num_layers=0: must be 1 or more"),
    Bad("train model=many_to_one model.num_layers=-1", "model.num_layers=-1: must be 0 (no recurrence) or m"),
    Bad("train model.dropout=1.5", "model.dropout=1.5: must be in [0, 1)"),
    Bad("train model.search.beam_size=0", "model.search.beam_size=0: must be 1 or more"),
    Bad("train model.search.length_penalty=inf", "model.search.length_penalty=inf: must be in [0, 1000]"),
    Bad("train model.teacher_forcing.ratio=2", "model.teacher_forcing.ratio=2.0: must be in [0, 1]"),
    Bad("train optimizer.lr=-1", "optimizer.lr=-1.0: must be a positive number"),
    Bad("train optimizer.beta1=2", "optimizer.beta1=2.0: must be in [0, 1)"),
    Bad("train optimizer=adamw optimizer.beta2=-1", "optimizer.beta2=-1.0: must be in [0, 1)"),
    Bad("train optimizer=rmsprop optimizer.momentum=-1", "optimizer.momentum=-1.0: must be in [0, 1)"),
    Bad("train scheduler=cosine scheduler.final=-1", "scheduler.final=-1.0: must be a share of the rate"),
    Bad("train scheduler=linear scheduler.final=2", "scheduler.final=2.0: must be a share of the rate"),
    Bad("train optimizer.lr=nan", "optimizer.lr=nan: must be a positive number"),
    Bad("train optimizer.lr=1e400", "optimizer.lr=inf: must be a positive number up to 1e6"),
    Bad("train data.batch_size=0", "data.batch_size=0: must be 1 or more"),
    Bad("train data.max_length=0", "data.max_length=0: must be min_length=1 or more"),
    Bad("train seed=-1", "seed=-1: must be in [0, 2^32)"),
    Bad("train trainer.devices=zero", "trainer.devices=zero: must be auto or 1 or more"),
    Bad("train trainer.strategy=dpp", "trainer.strategy=dpp: must be auto or ddp"),
    Bad("train trainer.precision=half", "trainer.precision=half: must be one of 32-true"),
    Bad("train trainer.max_minutes=inf", "trainer.max_minutes=inf: must be a positive number up to 525,600"),
    Bad("train trainer.threads=100000000000", "trainer.threads=100000000000: must be 1024 or less"),
    Bad("train logger.project=", "logger.project=: must be 1 to 128 letters"),
    Bad("train run_dir=", "run_dir=: must be the name of a folder"),
    # what does not go together
    Bad(
        "train model=many_to_one data=reverse", "data.name=tokens: model many_to_one cannot learn from token"
    ),
    Bad("train model=one_to_many data=sine_next", "data.name=sine: model one_to_many cannot learn from cont"),
    Bad("train model=many_to_one model.pooling=median", "model.pooling: Invalid value 'median', expected"),
    Bad(
        "train model=many_to_one model.execution=scan", "model.execution=scan: the cell gru has auto, fused,"
    ),
    Bad(
        "train model=many_to_one model/cell=min_gru model.execution=fused",
        "model.execution=fused: the cell min_gru",
    ),
    Bad(
        "train model=many_to_one model/cell=min_gru model.padding=packed",
        "model.padding=packed: only fused kernels",
    ),
    Bad("train model=feature_conv data=sine_frequency", "model.front_end.name=feature_conv: needs sequences"),
    Bad(
        "train model=many_to_one data=majority model/embedding=spelling",
        "model.embedding.name=spelling: this data",
    ),
    Bad("train model=many_to_many model.bidirectional=true", "model.bidirectional=true: sees the next step,"),
    Bad("train model=one_to_many model.bidirectional=true", "model.bidirectional=True: must be false"),
    Bad("train model=timestep_mlp model.front_end.strategy=map", "model.front_end.strategy: Invalid value"),
    Bad("train model=timestep_conv model.front_end.kernel_size=4", "model.front_end.kernel_size=4: must be"),
    Bad("train trainer.truncate_steps=5 trainer.devices=2", "trainer.truncate_steps=5: must be null with"),
    # what is looked up
    Bad("train 'seed=${model.nowhere}'", "seed: Interpolation key 'model.nowhere' not found"),
    Bad("train 'seed=${oc.env:NOWHERE}'", "seed: ", "Environment variable 'NOWHERE' not found"),
    Bad("train 'seed=${seed}'", "seed: Recursive interpolation detected"),
    Bad("train 'seed=${foo:3}'", "seed: Unsupported interpolation type foo"),
    # letters
    Bad("train model=séq2seq", "model=séq2seq: cannot be read; put a value in quotes"),
    Bad("train 'modèl=seq2seq'", "modèl=seq2seq: cannot be read"),
    Bad("train 'logger.tags=[]x'", "Error parsing override 'logger.tags=[]x'"),
    Bad("train 'seed=(3'", "Error parsing override 'seed=(3'"),
]

OPTIONS = [
    Bad("train --modle=seq2seq", "--modle: no such option, "),
    Bad("train --multi seed=1,2", "--multi: no such option, did you mean '--multirun'?"),
    Bad("train -x", "-x: no such option, "),
    Bad(
        "train seed=1 -m seed=2,3", "seed=2,3: stands apart from the other overrides; give options such as -m"
    ),
    Bad("train --cfg", "--cfg/-c: expected one argument"),
    Bad("train --cfg jobs", "--cfg/-c: invalid choice: 'jobs' (choose from 'job', "),
    Bad("train --cfg=job modle=3", "modle: no such key, did you mean 'model'?"),
    Bad("train --cfg=job --resolve 'seed=${x}'", "", "nterpolation key 'x' not found"),
    Bad("train --resolve", "The --resolve flag can only be used in conjunction with --cfg"),
    Bad("train --package=x", "--package x: give --cfg job alone"),
    Bad("train --info nothing", "--info/-i: invalid choice: 'nothing'"),
    Bad("train -m -r", "Only one of --run, --multirun"),
    Bad("train --shell-completion", "Expecting one subcommand from ['install', 'uninstall', 'query']"),
    Bad("train --config-name=x", "--config-name: config files are read from"),
    Bad("train --config-path x", "--config-path: config files are read from"),
    Bad("train --experimental-rerun x.pickle", "--experimental-rerun: config files are read from"),
    Bad("train -m hydra.sweeper._target_=os.system", "hydra.sweeper._target_: names code to run"),
    Bad("train +hydra.callbacks.x._target_=os.system", "+hydra.callbacks.x._target_: names code to run"),
    Bad("train hydra/launcher=nowhere", "hydra/launcher=nowhere: no such choice, choose from: basic, "),
]

SWEEPS = [
    Bad("train model.hidden_size=8,16", "model.hidden_size=8,16: several values make a sweep; add -m"),
    Bad("train model.hidden_size=8,16 model.hiden=3", "model.hidden_size=8,16: several values make a sweep;"),
    Bad(
        "train sweep=optuna 'optimizer.lr=interval(1e-4,1e-2)' model.hiden_size=3",
        "optimizer.lr=interval(1e-4,1e-2): several values make a sweep; add -m",
    ),
    Bad("train sweep=optuna 'optimizer.lr=interval(1e-4,1e-2)' seed=-1", "seed=-1: must be in [0, 2^32)"),
    Bad("train -m seed=1,x", "seed: Value 'x' of type 'str' could not be converted to Integer"),
    Bad("train -m seed=1,", "seed=1,: cannot be read"),
    Bad("train -m data=null,copy", "data=null,copy: no such choice, choose from: adding, "),
    Bad("train -m 'optimizer.lr=interval(1e-4,1e-2)'", "optimizer.lr=interval(1e-4,1e-2): a grid needs val"),
    Bad("train -m 'seed=range(1,1000000)'", "seed=range(1,1000000): 999,999 combinations; a grid runs them"),
    Bad("train -m 'seed=choice()'", "Error parsing override 'seed=choice()'"),
    Bad(
        "train -m 'sweep.search_space={seed: 1}'", "sweep.search_space.seed: no such key; to add it, write +"
    ),
    Bad("train -m '+sweep.search_space={hiden: \"1,2\"}'", "hiden: no such key"),
    Bad("train -m sweep=optuna sweep.n_trials=0 seed=1,2", "sweep.n_trials=0: must be 1 or more with sampl"),
    Bad("train -m sweep.n_trials=3 seed=1,2", "sweep.n_trials=3: must be null with sampler=grid"),
    Bad("train -m sweep.name=a/b seed=1,2", "sweep.name=a/b: must be letters, digits"),
    Bad("train -m 'sweep.objectives=[test/loss]' seed=1,2", "sweep.objectives=['test/loss']: must be of val"),
    Bad(
        "train -m hydra.sweep.dir=taken seed=1,2",
        "taken/",
        "Not a directory; mend that",
        ENVIRONMENT,
        make=holding("taken", ""),
    ),
]

DATA = [
    Bad("train model=many_to_one data=series", "data.path: not given; give a file, as data.path=FILE"),
    Bad(SERIES, "data.path=s.csv: no such file"),
    Bad(
        SERIES,
        "data.path=s.csv: is a folder; ",
        name="folder",
        make=lambda folder: (folder / "s.csv").mkdir(),
    ),
    Bad(SERIES, "s.csv: is empty", name="empty", make=holding("s.csv", "")),
    Bad(SERIES, "s.csv:1: is not UTF-8 text", name="binary", make=holding("s.csv", bytes(range(128, 256)))),
    Bad(
        SERIES.replace("s.csv", "s.md"),
        "data.path=s.md: unknown suffix '.md'",
        make=holding("s.md", "x\n1\n"),
    ),
    Bad(
        SERIES.replace("s.csv", "s.csv.gz"),
        "s.csv.gz: is not gzip, or cut short",
        make=holding("s.csv.gz", "x\n1\n"),
    ),
    Bad(
        "train model=many_to_one data=sequences data.path=s.csv data.target=y logger=none run_dir=r",
        "",
        "'a' is the only class in training",
        make=holding("s.csv", "id,x,y\n" + "".join(f"{i},1,a\n" for i in range(20))),
    ),
    Bad("train model=many_to_one data=sequences data.path=no.csv", "data.path=no.csv: no such file"),
    Bad("train data=cmudict data.path=no/such", "data.path=no/such: no such file"),
    Bad("unroll describe data=series data.path=x.csv", "data.path=x.csv: no such file"),
    Bad("unroll describe data=null", "data=null: no such choice"),
]

MACHINE = [
    Bad(
        "train trainer.accelerator=gpu",
        "trainer.accelerator=gpu: this machine has no GPU that torch can use; try trainer.accelerator=cpu",
        code=ENVIRONMENT,
        environment={"CUDA_VISIBLE_DEVICES": ""},
    ),
    Bad(
        "train trainer.accelerator=cpu trainer.devices=10000",
        "trainer.devices=10000: this machine has only ",
        code=ENVIRONMENT,
    ),
    Bad(
        "train trainer.accelerator=cpu trainer.precision=16-mixed",
        "trainer.precision=16-mixed: a CPU does not support it; use bf16-mixed, or a GPU",
        code=ENVIRONMENT,
    ),
    Bad(
        "train",
        "LOCAL_RANK=x: is not a number; launchers of processes set this variable: unset it",
        code=ENVIRONMENT,
        name="LOCAL_RANK",
        environment={"LOCAL_RANK": "x"},
    ),
    Bad(
        "train",
        "SLURM_RESTART_COUNT=-1: is not a number",
        code=ENVIRONMENT,
        name="SLURM_RESTART_COUNT",
        environment={"SLURM_RESTART_COUNT": "-1"},
    ),
    Bad(
        "train trainer.accelerator=cpu trainer.devices=2 data.valid_size=1",
        "trainer.devices=2: 1 valid sequences cannot be shared out among 2 processes; use fewer",
    ),
    Bad(
        "train",
        "SLURM_PROCID=x: is not a number",
        code=ENVIRONMENT,
        name="SLURM_PROCID",
        environment={"SLURM_PROCID": "x"},
    ),
    Bad("train run_dir=r hydra.run.dir=/dev/null/x", "/dev/null/x: cannot be made (Not a directory)"),
    Bad("train run_dir=/proc/no/such", "run_dir=/proc/no/such: cannot be made"),
    Bad(
        "train run_dir=taken/run",
        "run_dir=taken/run: cannot be made (Not a directory); name another",
        make=holding("taken", ""),
    ),
    Bad(f"train run_dir={'x' * 300}", "run_dir=xxx", "cannot be looked up (File name too long)"),
    Bad(
        "unroll graph run --output x.svg",
        "Graphviz's program dot is not installed: on Debian",
        code=ENVIRONMENT,
        environment={"PATH": "/nowhere"},
    ),
    Bad(
        "unroll export run --format onnx",
        "--format onnx needs onnx, ",
        "pip install",
        ENVIRONMENT,
        without=("onnx", "onnxscript", "onnxruntime"),
    ),
    Bad(
        "unroll predict run --text 1 --output /dev/full", "--output /dev/full: cannot be written (No space l"
    ),
    Bad(
        "unroll predict run --text 1 --output taken",
        "--output taken: cannot be written (it is a folder); give a file",
        make=lambda folder: (folder / "taken").mkdir(),
    ),
    Bad(
        "unroll profile --device cuda",
        "--device cuda: this machine has no GPU that torch can use; use cpu",
        code=ENVIRONMENT,
        environment={"CUDA_VISIBLE_DEVICES": ""},
    ),
    Bad(
        "unroll profile --hidden-size 1000000 --length 1000000",
        "out of memory (",
        "use a smaller model",
        ENVIRONMENT,
    ),
    Bad(
        "unroll dashboard --publish",
        "--publish: the server nonsense cannot be reached",
        code=ENVIRONMENT,
        environment={"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "nonsense"},
    ),
]

ON = f"train {TINY} run_dir=more trainer.max_epochs=2 ckpt_path=run/checkpoints/last.ckpt"
CHECKPOINTS = [
    Bad("train ckpt_path=no/such.ckpt", "ckpt_path=no/such.ckpt: no such file"),
    Bad("train ckpt_path=run", "ckpt_path=run: is a folder; give a file in it"),
    Bad("train ckpt_path=https://x.y/z.ckpt", "ckpt_path=https://x.y/z.ckpt: no such file"),
    Bad("train ckpt_path=run/config.yaml run_dir=more", "run/config.yaml: not a checkpoint"),
    Bad(ON, "run/checkpoints/last.ckpt: not a checkpoint, or a torn one", name="torn", make=torn),
    Bad(f"{ON} optimizer=sgd", "ckpt_path=run/", "belongs to a run whose optimizer differs"),
    Bad(f"{ON} scheduler=plateau", "ckpt_path=run/", "belongs to a run whose scheduler differs"),
    Bad(f"{ON} data.max_length=30", "ckpt_path=run/", "belongs to a run whose data differs"),
    Bad(f"{ON} model.hidden_size=8", "ckpt_path=run/", "belongs to a run with another model"),
    Bad(
        f"{ON} trainer.max_epochs=1",
        "trainer.max_epochs=1: run/",
        "has 1 epochs already; give more to continue",
    ),
    Bad("unroll resume run", "run: has finished; to continue it with more epochs"),
    Bad("unroll resume nowhere", "nowhere: no such folder"),
    Bad("unroll resume .", "config.yaml: no such file: no run has started in this folder"),
    Bad(
        "unroll resume run",
        "run/checkpoints/last.ckpt: is torn, and so is the checkpoint before it",
        name="torn",
        make=torn,
    ),
    Bad("unroll resume run", "run/metrics.csv: no such file", name="metrics", make=without_metrics),
    Bad(
        "unroll resume run",
        "run/metrics.csv: was changed since the run has written it",
        name="a number in metrics.csv",
        make=edited("metrics.csv", "0.", "1."),
    ),
    Bad(
        "unroll resume run",
        "run/results.json: holds no results; remove it to resume the run",
        name="empty results",
        make=holding("run/results.json", "{}"),
    ),
    *(
        Bad(
            "unroll resume run",
            f"run/config.yaml: {key}={after}: was {before} in the run to resume",
            name=f"edited {key}",
            make=edited(
                "config.yaml", f"{key.split('.')[-1]}: {before}\n", f"{key.split('.')[-1]}: {after}\n"
            ),
        )
        for key, before, after in (
            ("seed", 1, 2),
            ("trainer.accumulate", 1, 2),
            ("data.batch_size", 64, 32),
        )
    ),
    *(
        Bad(
            "unroll resume run",
            "run/checkpoints/last.ckpt: ",
            name=f"{' '.join(map(str, keys))} = {value}",
            make=forged(value, *keys),
        )
        for value, *keys in (
            ({}, "loops"),
            (None, "loops", "fit_loop", "epoch_progress"),
            ("x", "loops", "fit_loop", "epoch_progress", "current", "processed"),
            ({}, "callbacks"),
            ({}, "callbacks", "Saving"),
            ({"rows": "x", "columns": [], "wandb": None}, "callbacks", "Saving", "logged"),
            ({"rows": 1, "columns": [], "wandb": "../../x"}, "callbacks", "Saving", "logged"),
            ([1], "callbacks", "Throughput"),
            ("x", "optimizer_states"),
            ([], "optimizer_states"),
            ("x", "optimizer_states", 0, "param_groups"),
            ({0: {"exp_avg": torch.zeros(3, 5, 7)}}, "optimizer_states", 0, "state"),
            ("x", "global_step"),
        )
    ),
]

COMMANDS = [
    Bad("unroll evalute x", "No such command 'evalute'"),
    Bad("unroll predict", "Missing argument 'RUN'"),
    Bad("unroll predict run run", "Got unexpected extra argument (run)"),
    Bad("unroll predict nowhere --text a", "nowhere: no such run"),
    Bad("unroll predict '' --text a", ".: holds no checkpoint"),
    Bad("unroll predict run/config.yaml --text a", "run/config.yaml: not a checkpoint"),
    Bad("unroll predict run/export --text a", "run/export: no such run"),
    Bad("unroll predict run", "standard input: is empty; give one input per line"),
    Bad("unroll predict run", "standard input: is not UTF-8 text (byte 0)", name="stdin", stdin=b"\xff\xfe1"),
    Bad(
        "unroll predict run",
        "standard input:2: 'x': not in the training data",
        stdin=b"\nx\n",
        name="line 2",
    ),
    Bad("unroll predict run --txt 1", "No such option '--txt'"),
    Bad("unroll predict run --text ''", "--text: has no tokens; write at least one"),
    Bad(
        "unroll predict run --text '1 x'", "--text: 'x': not in the training data, and the model knows nothin"
    ),
    Bad("unroll predict run --input none.txt", "none.txt: no such file, seen from "),
    Bad("unroll predict run --input run", "run: is a folder; give a file in it"),
    Bad(
        "unroll predict run --input w.txt",
        "w.txt:3: 'x': not in the training",
        make=holding("w.txt", "\n\nx\n"),
    ),
    Bad(
        "unroll predict run --input w.txt --output ./w.txt --overwrite",
        "--output w.txt: is what the command reads; give another name",
        make=holding("w.txt", "1\n"),
    ),
    Bad(
        "unroll predict run --text 1 --output w.txt",
        "--output w.txt: exists; add --overwrite to replace it, or give another name",
        make=holding("w.txt", "1\n"),
    ),
    Bad(
        "unroll predict run --text 1 --output run/checkpoints/last.ckpt --overwrite",
        "--output run/checkpoints/last.ckpt: is a file of the run ",
    ),
    Bad("unroll trace run --csv run/metrics.csv --overwrite", "--csv run/metrics.csv: is a file of the run "),
    Bad("unroll predict run --text a --input x", "--text and --input: give one of them"),
    Bad(
        "unroll predict run --text 1 --output no/such/x", "--output no/such/x: no such folder; make it first"
    ),
    Bad("unroll predict run --text 1 --beam-size 0", "beam_size=0: must be 1 or more"),
    Bad("unroll predict run --text 1 --temperature=nan", "temperature=nan: must be in [0.001, 1000]"),
    Bad("unroll predict run --text 1 --top-k=-1", "top_k=-1: must be 0 (all tokens) or more"),
    Bad("unroll predict run --text 1 --max-length 99999999999", "max_length=99999999999: must be 100,000 or"),
    Bad("unroll predict run --text 1 --search beem", "Invalid value for '--search': 'beem'"),
    Bad("unroll predict run --text 1 --seed x", "Invalid value for '--seed': 'x'"),
    Bad("unroll evaluate nowhere", "nowhere: no such run"),
    Bad("unroll evaluate run --split train", "Invalid value for '--split': 'train'"),
    Bad("unroll describe --data copy", "No such option '--data'"),
    Bad("unroll export run --format tflite", "Invalid value for '--format': 'tflite'"),
    Bad(
        "unroll export run --output taken",
        "--output taken: cannot be written (File exists); name another",
        make=holding("taken", ""),
    ),
    Bad("unroll report .", ".: holds no runs"),
    Bad("unroll report nowhere", "nowhere: no such folder"),
    Bad("unroll report run --output no/y.html", "--output no/y.html: no such folder; make it first"),
    Bad("unroll report run --output x.pdf", "--output x.pdf: unknown suffix '.pdf'; name it .html"),
    Bad("unroll dashboard nowhere", "nowhere: no such folder"),
    Bad("unroll trace run --steps 0", "Invalid value for '--steps': 0 is not in the range"),
    Bad("unroll trace run --text 1 --output x.gif", "--output x.gif: unknown suffix '.gif'; name it .png"),
    Bad("unroll trace run seed=3", "run: has no value; write KEY=VALUE"),
    Bad("unroll graph model=null", "model=null: no such choice, choose from: feature_conv"),
    Bad("unroll packing", "lengths: give one or more, as in 5 3 7 2"),
    Bad("unroll packing 5 99999999999", "length 99999999999: must be in [1, 10,000]"),
    Bad("unroll packing x", "Invalid value for '[LENGTHS]...': 'x' is not a valid integer"),
    Bad("unroll profile --hidden-size 1,x", "--hidden-size 1,x: 'x' is not a whole number of 1 or more"),
    Bad("unroll profile nowhere", "nowhere: no such run"),
    Bad("unroll gradients --cell lstm:nowhere=3", "--cell lstm:nowhere=3: nowhere=3: no such key"),
]

WITHOUT_BOUND = [
    Bad(
        "train model=seq2seq data=copy data.train_size=10000000",
        "data.name=tokens: its sequences (10,000,000 train, 1,000 valid, 2,000 test) of up to 40 numbers",
        "would take about 13 GB and 7 minutes to draw; give at most 2,000,000 sequences",
    ),
    Bad("unroll describe data=copy data.train_size=10000000", "data.name=tokens: its sequences (10,000,000"),
    Bad("train model=many_to_one data=sine_forecast data.horizon=10000000", "data.horizon=10000000: must be"),
    Bad("train model=many_to_one data=sine_forecast data.horizon=90000", "data.name=sine: its sequences ("),
    Bad(f"{SERIES} data.horizon=10000000", "data.horizon=10000000: must be 100,000 or less"),
    Bad("train model=many_to_one data=sine_frequency data.classes=10000000", "data.classes=10000000: must"),
    Bad("train model=seq2seq data=copy data.vocabulary_size=10000000", "data.vocabulary_size=10000000: must"),
    Bad("unroll graph run --steps 1000000", "Invalid value for '--steps': 1000000 is not in the range"),
    Bad("unroll gradients --length 1000000000", "Invalid value for '--length': 1000000000 is not in the"),
    Bad(
        f"unroll predict run --text {'a' * 200_000}",
        "--text: the token 'aaaaaaaaaa…' of 200,000 letters",
        name="a long word",
    ),
    Bad(
        f"unroll predict run --text '{'1 ' * 110_000}'",
        "--text: 110,000 tokens; at most 100,000 are read",
        name="many words",
    ),
    Bad(
        "train data=token_pairs data.path=t.tsv logger=none run_dir=r",
        "t.tsv:41: target: 20,000 tokens to write one by one; more than 10,000 are read only with data.max_",
        make=holding("t.tsv", "".join(f"a b{i}\tc\n" for i in range(40)) + "a\t" + "c " * 20_000 + "\n"),
    ),
    Bad("train trainer.accumulate=1000000000000000000000000000000", "trainer.accumulate=1000000000000000000"),
    Bad("train data.train_size=9223372036854775808", "data.train_size=9223372036854775808: must be 10,000,0"),
]

CASES = [*CONFIG, *OPTIONS, *SWEEPS, *DATA, *MACHINE, *CHECKPOINTS, *COMMANDS, *WITHOUT_BOUND]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has finished; and Hydra has read what it reads once."""
    folder = tmp_path_factory.mktemp("here") / "folder"
    folder.mkdir()
    composition.compose([])
    ended = programs.run("train", [*TINY.split(), "run_dir=run"], folder, seconds=300)
    assert ended.code == 0, ended.stderr
    return folder / "run"


def test_there_are_enough_and_they_differ():
    assert len(CASES) >= 180
    assert len({str(bad) for bad in CASES}) == len(CASES)


@pytest.mark.parametrize("bad", CASES, ids=str)
def test_a_mistake_ends_in_one_line(bad, run, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    program, *arguments = shlex.split(bad.command)
    if bad in CHECKPOINTS or " run" in bad.command.replace("run_dir", ""):
        shutil.copytree(run, folder / "run")
    if bad.make is not None:
        bad.make(folder)
    before = programs.everything(folder)
    ended = programs.run(
        program, arguments, folder, environment=bad.environment, stdin=bad.stdin, without=bad.without
    )
    line = ended.stderr
    assert ended.code == bad.code, line[-3000:]
    assert line.startswith(f"error: {bad.says}"), line
    assert bad.more in line, line
    assert line.count("\n") == 1, line
    assert line[:-1].isprintable()
    assert "None" not in line
    assert "Traceback" not in ended.stdout
    assert ended.stdout == "" or bad in CHECKPOINTS
    assert ended.seconds < programs.SECONDS
    assert programs.everything(folder) == before or bad in CHECKPOINTS
    assert bad.make is None or not [
        path for path in folder.glob("*/results.json") if path.parent.name != "run"
    ]


def predicted(run, folder, *arguments, stdin=b""):
    """The inputs that `unroll predict` has answered, and what it tells."""
    shutil.copytree(run, folder / "run", dirs_exist_ok=True)
    ended = programs.run("unroll", ["predict", "run", *arguments], folder, stdin=stdin)
    assert ended.code == INPUT
    return [line.split("\t")[0] for line in ended.stdout.splitlines()], ended.stderr.splitlines()


def test_a_bad_line_takes_no_answer_of_a_good_one(run, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    answered, told = predicted(run, folder, stdin=b"1 2\nx\n3\n")
    assert answered == ["1 2", "3"]
    assert len(told) == 1
    assert told[0].startswith("error: standard input:2: 'x': not in the training data")

    answered, told = predicted(run, folder, *shlex.split("--text x --text '1 2' --text y"))
    assert answered == ["1 2"]
    assert [line.split(": not")[0] for line in told[:2]] == ["error: --text: 'x'", "error: --text: 'y'"]
    assert told[2:] == ["error: --text: 2 inputs were left out, told above; mend them"]

    write(folder, "w.txt", "3\n" + "x\n" * 500 + "1\n")
    answered, told = predicted(run, folder, "--input", "w.txt", "--output", "out.tsv")
    assert answered == []
    lines = (folder / "out.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["3", "1"]
    assert len(told) == 21
    assert told[19].startswith("error: w.txt:21: 'x'")
    assert told[20] == "error: w.txt: 500 inputs were left out, the first 20 of them told above; mend them"

    write(folder, "none.txt", "x\ny\n")
    answered, told = predicted(run, folder, "--input", "none.txt", "--output", "none.tsv")
    assert not (folder / "none.tsv").exists()
    assert told[2] == "error: none.txt: all 2 inputs were left out, told above; mend them"


def test_a_program_that_waits_for_input_is_interrupted(run, tmp_path):
    """No line says what to mend: nothing is wrong."""
    shutil.copytree(run, tmp_path / "folder" / "run")
    ended = programs.run("unroll", ["predict", "run"], tmp_path / "folder", interrupted_after=2.0)
    assert (ended.code, ended.stdout, ended.stderr.split()) == (130, "", ["interrupted"])


@pytest.mark.parametrize("command", ["train seed=-1 --debug", "unroll --debug predict no --text a"])
def test_debug_shows_the_traceback_too(command, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    program, *arguments = shlex.split(command)
    ended = programs.run(program, arguments, folder)
    assert ended.code == INPUT
    traceback, line = ended.stderr.rstrip("\n").rsplit("\n", 1)
    assert traceback.startswith("Traceback (most recent call last):")
    assert "InputError" in traceback
    arguments.remove("--debug")
    assert programs.run(program, arguments, folder).stderr == f"{line}\n"


@pytest.mark.parametrize(
    ("target", "environment", "says"),
    [
        ("/dev/full", {}, "standard output: cannot be written (No space left on device); free some space"),
        (
            "out",
            {"PYTHONIOENCODING": "ascii"},
            "standard output: ascii has no '\\u25a0'; set PYTHONIOENCODING=utf",
        ),
    ],
)
def test_a_standard_output_that_takes_nothing(target, environment, says, tmp_path):
    """In a process of its own: what it prints to is made as Python begins."""
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -c 'from unroll.cli import main; main()' packing 5 3 > {target}",
        shell=True,
        cwd=tmp_path,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (ENVIRONMENT, 1), done.stderr
    assert done.stderr.startswith(f"error: {says}")


def test_what_a_run_raises_is_not_taken_for_a_mistake_in_its_config(tmp_path, monkeypatch):
    """OmegaConf raises such an error in a training that was programmed wrongly, say."""
    monkeypatch.setattr(unroll.training.run, "run", lambda values: OmegaConf.create({}).no_such.key)
    ended = programs.run("train", ["seed=3"], tmp_path)
    assert ended.code == 1
    assert "Traceback" in ended.stderr
    assert "error: " not in ended.stderr


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        *(("many_to_one", precision) for precision in ("bf16-true", "bf16-mixed", "64-true")),
        *((model, "bf16-true") for model in ("timestep_conv", "one_to_many", "seq2seq_continuous")),
    ],
)
def test_every_precision_of_a_cpu_works_to_the_end(model, precision, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    sizes = [word for word in TINY.split() if "size" in word or "debug" in word]
    options = [f"model={model}", f"trainer.precision={precision}", "logger=none", "run_dir=run"]
    ended = programs.run("train", [*sizes, *options], folder, seconds=300)
    assert (ended.code, ended.stderr) == (0, "")
    assert (folder / "run" / "results.json").is_file()
