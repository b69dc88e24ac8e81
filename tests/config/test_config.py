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


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ("data=series data.path=sales.csv", "many_to_one"),
        ("data=series_one_ahead", "many_to_many"),
        ("data=series_seq2seq", "seq2seq_continuous"),
        ("data=token_pairs", "seq2seq"),
        ("data=context_tokens", "one_to_many"),
    ],
)
def test_a_sweep_of_architectures_chooses_the_model_that_fits_the_data(words, model):
    from unroll.config.compose import CONF, fitting_model

    assert fitting_model(["sweep=architectures", *words.split()], CONF) == [f"model={model}"]


@pytest.mark.parametrize(
    "words", ["sweep=cells", "model=many_to_one", "sweep=architectures model=feature_conv data=sine_features"]
)
def test_no_other_command_gets_a_model(words):
    from unroll.config.compose import CONF, fitting_model

    assert fitting_model(words.split(), CONF) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "sweep=architectures: needs data to compare on; give data=series data.path=FILE, say"),
        ("data=seriess", "data=seriess: no such choice, did you mean 'series'?"),
    ],
)
def test_a_sweep_of_architectures_needs_data(words, message):
    from unroll.config.compose import CONF, fitting_model
    from unroll.errors import InputError

    with pytest.raises(InputError) as raised:
        fitting_model(["sweep=architectures", *words.split()], CONF)
    assert str(raised.value).startswith(message)
