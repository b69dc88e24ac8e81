"""What train.py does before anything heavy is imported."""

import subprocess
import sys

import pytest
from commands import train
from conftest import ROOT


def test_a_typo_ends_in_one_line(tmp_path):
    """As do the many mistakes in test_bad_inputs.py, without a process of their own."""
    done = train("model.hiden_size=3", cwd=tmp_path)
    assert done.stderr.startswith("error: model.hiden_size: no such key, did you mean 'hidden_size'?")
    assert done.stderr.count("\n") == 1
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (2, "", [])


def test_nothing_heavy_is_imported_before_the_config_is_known_to_be_right():
    code = (
        "import sys, runpy; sys.argv = ['train.py', 'optimizer.lr=-1']\n"
        "try: runpy.run_path('train.py', run_name='__main__')\n"
        "finally: print([m for m in ('torch', 'lightning', 'wandb', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == "[]\n"


def test_help_is_for_people():
    done = train("--help")
    assert done.returncode == 0
    for expected in (
        "usage: python train.py",
        "model/cell       attention, gated_delta, gla, gru, lru, lstm, mamba2, min_gru, min_lstm, mlstm",
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

    from unroll.config import compose as root
    from unroll.config import registry
    from unroll.errors import InputError

    root.register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("train", ["run_dir=x"])
    monkeypatch.setattr(registry.config_class("model", "seq2seq"), "accepts", ())
    with pytest.raises(
        InputError, match="model seq2seq cannot learn from tokens → tokens, unaligned; data that"
    ):
        root.check(composed, ROOT / "conf")
