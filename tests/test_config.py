"""Mistakes on the command line: each ends in one line and exit code 2 (or 3), before anything heavy."""

import subprocess
import sys

import pytest
from conftest import ROOT

BAD = {
    "model.hiden_size=3": "model.hiden_size: no such key, did you mean 'hidden_size'?",
    "+model.hiden_size=3": "model.hiden_size=3: no such key, did you mean 'hidden_size'?",
    "modle=seq2seq": "modle: no such key, did you mean 'model'?",
    "model=seq2sec": "model=seq2sec: no such choice, did you mean 'seq2seq'?",
    "model/cell=grru": "model/cell=grru: no such choice, did you mean 'gru'? (there are: gru, lstm, min_gru",
    "model/sell=gru": "model/sell: no such key, did you mean 'model/cell'?",
    "model/attention=bahdanau": "model/attention=bahdanau: no such choice, choose from: additive, dot, none",
    "data=no_such": "data=no_such: no such choice",
    "experiment=word": "experiment=word: no such choice, did you mean 'words'?",
    "model.hidden_size=abc": "model.hidden_size: Value 'abc' of type 'str' could not be converted to Integer",
    "model.hidden_size=0": "model.hidden_size=0: must be 1 or more",
    "model.dropout=1.5": "model.dropout=1.5: must be in [0, 1)",
    "model.search.beam_size=0": "model.search.beam_size=0: must be 1 or more",
    "model.search.method=beem": "model.search.method: Invalid value 'beem', expected one of [greedy, ",
    "model.teacher_forcing.ratio=2": "model.teacher_forcing.ratio=2.0: must be in [0, 1]",
    "model.cell.name=no_such": "model.cell.name=no_such: no such entry, choose from: gru, lstm, min_gru",
    "optimizer.lr=-1": "optimizer.lr=-1.0: must be a positive number",
    "optimizer.lr=nan": "optimizer.lr=nan: must be a positive number",
    "data.batch_size=0": "data.batch_size=0: must be 1 or more",
    "data.max_length=0": "data.max_length=0: must be min_length=1 or more",
    "trainer.devices=zero": "trainer.devices=zero: must be auto or 1 or more",
    "trainer.precision=half": "trainer.precision=half: must be one of 32-true",
    "trainer.accelerator=tpu": "trainer.accelerator: Invalid value 'tpu', expected one of [auto, cpu, gpu]",
    "seed=-1": "seed=-1: must be in [0, 2^32)",
    "ckpt_path=no/such.ckpt": "ckpt_path=no/such.ckpt: no such file",
    "model.cell=gru": "model.cell: is a group; choose with a slash: model/cell=gru|lstm|min_gru|min_lstm|rnn",
    "model.search=beam": "model.search: holds keys of its own; set one of them, as model.search.KEY=VALUE",
    "model.hidden_size=8,16": "model.hidden_size=8,16: several values make a sweep; add -m",
    "trainer.strategy=dpp": "trainer.strategy=dpp: must be auto or ddp",
    "ckpt_path=README.md": "README.md: not a checkpoint",
    "run_dir=/proc/no/such": "run_dir=/proc/no/such: cannot be made",
    "data=cmudict data.path=no/such": "data.path=no/such: cannot be read",
    "model.hidden_size": "Error parsing override 'model.hidden_size'",
    "model=": "model=: no such choice",
    "model=many_to_one model.pooling=median": "model.pooling: Invalid value 'median', expected one of [",
    "model=many_to_one model.num_layers=-1": "model.num_layers=-1: must be 0 (no recurrence) or more",
    "model.num_layers=0": "model.num_layers=0: must be 1 or more",
    "model=many_to_one data=reverse": "data.name=tokens: model many_to_one cannot learn from tokens → tokens",
    "model=one_to_many data=sine_next": "data.name=sine: model one_to_many cannot learn from continuous",
    "model=many_to_one data=series": "data.path: not given; give a file, as data.path=FILE",
    "model=many_to_one data=series data.path=README.md": "data.path=README.md: unknown suffix '.md'",
    "model=many_to_one data=sequences data.path=no.csv": "data.path=no.csv: no such file",
    "model=many_to_one model.execution=scan": "model.execution=scan: the cell gru has auto, fused, loop",
    "model=many_to_one model/cell=min_gru model.execution=fused": "model.execution=fused: the cell min_gru",
    "model=many_to_one model/cell=min_gru model.padding=packed": "model.padding=packed: only fused kernels",
    "model=feature_conv data=sine_frequency": "model.front_end.name=feature_conv: needs sequences of one",
    "model=many_to_one data=majority model/embedding=spelling": "model.embedding.name=spelling: this data",
    "model=many_to_many model.bidirectional=true": "model.bidirectional=true: sees the next step, which is",
    "model=timestep_mlp model.front_end.strategy=map": "model.front_end.strategy: Invalid value 'map'",
    "model=timestep_conv model.front_end.kernel_size=4": "model.front_end.kernel_size=4: must be odd",
    "model=one_to_many model.bidirectional=true": "model.bidirectional=True: must be false",
}


def train(*arguments, cwd=ROOT):
    """Run train.py; one that hangs fails."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )


@pytest.mark.parametrize(("argument", "message"), BAD.items(), ids=list(BAD))
def test_a_mistake_ends_in_one_line(argument, message, tmp_path):
    done = train(*argument.replace("README.md", str(ROOT / "README.md")).split(), cwd=tmp_path)
    assert done.stderr.replace(f"{ROOT}/", "").startswith(f"error: {message}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_imported_before_the_config_is_known_to_be_right():
    code = (
        "import sys, runpy; sys.argv = ['train.py', 'optimizer.lr=-1']\n"
        "try: runpy.run_path('train.py', run_name='__main__')\n"
        "finally: print([m for m in ('torch', 'lightning', 'wandb', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == "[]\n"


def test_a_gpu_that_is_not_there_is_told():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = train("trainer.accelerator=gpu")
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "error: trainer.accelerator=gpu: this machine has no GPU that torch can use; "
        "try trainer.accelerator=cpu, or auto"
    ]


def test_help_is_for_people():
    done = train("--help")
    assert done.returncode == 0
    for expected in (
        "usage: python train.py",
        "model/cell       gru, lstm, min_gru, min_lstm, rnn",
        "  data             adding, bucket_sort, cmudict",
    ):
        assert expected in done.stdout
    assert done.stdout.count("\n  python train.py ") == 7
    assert "schema" not in done.stdout


def test_hydras_own_options_work():
    done = train("--cfg", "job", "model/cell=lstm")
    assert done.returncode == 0
    assert "  cell:\n    name: lstm\n" in done.stdout
    done = train("--shell-completion", "install=bash")
    assert done.returncode == 0
    assert "COMPREPLY" in done.stdout


def test_a_model_and_data_that_do_not_fit_are_refused_by_name(monkeypatch):
    from hydra import compose, initialize_config_dir

    from unroll import config as root
    from unroll import registry
    from unroll.errors import InputError

    root.register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("train", ["run_dir=x"])
    monkeypatch.setattr(registry.config_class("model", "seq2seq", light=True), "accepts", ())
    with pytest.raises(
        InputError, match="model seq2seq cannot learn from tokens → tokens, unaligned; data that"
    ):
        root.check(composed, ROOT / "conf")
