"""What can be set, and what it means: told by a command, and by a page that is made of the same."""

import dataclasses
import inspect
import subprocess
import sys
from typing import get_type_hints

import pytest
from commands import command  # noqa: F401  # a fixture
from conftest import ROOT

from unroll.config import registry
from unroll.config.choices import choices
from unroll.config.keys import keys_of, meaning_of
from unroll.config.reference import reference
from unroll.config.root import TrainConfig


def config_classes():
    """Every config dataclass that there is: the root's, the entries', and those that stand in them."""
    found = {}
    waiting = [TrainConfig]
    for group in registry.GROUPS:
        waiting += [registry.config_class(group, name) for name in registry.names(group)]
    while waiting:
        config = waiting.pop()
        if dataclasses.is_dataclass(config) and config.__qualname__ not in found:
            found[config.__qualname__] = config
            waiting += [*config.__mro__[1:], *filter(inspect.isclass, get_type_hints(config).values())]
    return list(found.values())


@pytest.mark.parametrize("config", config_classes(), ids=lambda config: config.__qualname__)
def test_every_key_has_a_meaning(config):
    for field in dataclasses.fields(config):
        assert len(meaning_of(config, field.name)) > 5, field.name


@pytest.mark.parametrize("config", config_classes(), ids=lambda config: config.__qualname__)
def test_no_meaning_is_of_a_key_that_is_none(config):
    _, _, attributes = inspect.cleandoc(config.__doc__).partition("Attributes:\n")
    named = {line.split(":")[0].strip() for line in attributes.splitlines() if line[4:5].strip()}
    assert named <= {field.name for field in dataclasses.fields(config)}


def test_keys_have_values_options_and_meanings():
    keys = {key.path: key for key in keys_of(registry.config_class("model", "seq2seq"), "model")}
    assert keys["model.hidden_size"].value == "128"
    assert keys["model.execution"].options == ("auto", "loop", "fused", "scan", "chunk", "parallel")
    assert keys["model.cell"].group == "model/cell"
    assert keys["model.teacher_forcing.ratio"].meaning.startswith("how often the true token")
    assert keys["model.teacher_forcing"].value == ""
    assert "model.name" not in keys


def test_the_command_tells_the_keys_of_a_choice(command):  # noqa: F811
    done = command("keys", "model=simple_rnn")
    lines = done.stdout.splitlines()
    assert lines[0] == "model=simple_rnn"
    assert lines[1].startswith("The smallest many-to-one")
    assert any(line.split()[:2] == ["model.hidden_size", "32"] for line in lines)
    assert any(line.split()[:2] == ["model.cell", "rnn"] for line in lines)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("group", [*registry.GROUPS, "trainer", "logger", "sweep"])
def test_the_command_knows_every_choice(group, command):  # noqa: F811
    listed = command("keys", group).stdout
    for name in choices(ROOT / "conf", group):
        assert f"  {group}={name} " in listed
    done = command("keys", *(f"{group}={name}" for name in choices(ROOT / "conf", group)[-1:]))
    assert (done.returncode, done.stderr) == (0, "")
    assert "keys" in done.stdout or f"  {group.replace('/', '.')}." in done.stdout


def test_without_words_it_tells_the_keys_of_the_root(command):  # noqa: F811
    told = command("keys").stdout
    for expected in ("  seed ", "  run_dir ", "outputs/${hydra", "  early_stopping.patience ", "  model=… "):
        assert expected in told


def test_it_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['unroll', 'keys', 'model=seq2seq', 'data']\n"
        "from unroll.cli import main\n"
        "main()\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'lightning', 'wandb', 'numpy', 'pandas')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_is_up_to_date():
    """`make reference` makes it."""
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == reference()
