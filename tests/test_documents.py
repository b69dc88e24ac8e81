"""What the Markdown files name exists: paths, and the configs of commands."""

import re
import shlex

import pytest
from conftest import ROOT

from unroll.cli import cli
from unroll.config.command_line import overrides
from unroll.config.compose import CONF, check, compose

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "benchmarks", "docs", "notebooks", "outputs")
    for path in (ROOT / folder).glob("*.md")
)
FOLDERS = "benchmarks|conf|docs|notebooks|scripts|src|tests"
PATH = re.compile(rf"(?<![\w./<-])((?:{FOLDERS})/[\w./-]*\w)")
LINK = re.compile(r"\]\(((?!https?:|#)[^)#]+)")

NOT_THERE_YET = {
    "CONTRIBUTING.md": {"src/unroll/nn/cells/mine.py", "conf/model/cell/mine.yaml"},
}
"""Files that a document asks the reader to make."""

PLACEHOLDERS = ("FILE", "RUN", "COLUMN", "NAME", "TEXT", "…", "sales.csv")


def text(document):
    return (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_exists(document):
    named = set(PATH.findall(text(document))) - NOT_THERE_YET.get(document, set())
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document):
    folder = (ROOT / document).parent
    assert {link for link in LINK.findall(text(document)) if not (folder / link).exists()} == set()


def commands(program):
    """The command lines of a program in the README, in one line each, without comments and prompts."""
    joined = re.sub(r"\\\n\s*", "", text("README.md"))
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", joined, re.DOTALL)
    lines = [line.split("   #")[0].split(" #")[0] for block in blocks for line in block.splitlines()]
    code = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", joined, flags=re.DOTALL))
    found = [line.removeprefix("$ ").strip() for line in [*lines, *code]]
    return sorted({line for line in found if line.startswith(f"{program} ")})


def words(command):
    """The words of a command, as a shell would split them."""
    return shlex.split(command)


TRAIN = [
    command
    for command in commands("python train.py")
    if not any(word in command for word in PLACEHOLDERS)
    and not {"--help", "--cfg"} & set(command.split())
    and "hiden_size" not in command
    and "grru" not in command
]


def test_the_readme_has_commands():
    assert len(TRAIN) > 40
    assert len(commands("unroll")) > 20


@pytest.mark.parametrize("command", TRAIN)
def test_a_command_of_the_readme_composes(command):
    given = [word for word in overrides(words(command)[2:], CONF) if not word.startswith("hydra")]
    for trial in {tuple(one_value(word, place) for word in given) for place in (0, -1)}:
        check(compose(trial), CONF)


def one_value(override, place):
    """An override of a sweep with its first or its last value, in place of all."""
    key, _, value = override.partition("=")
    if interval := re.search(r"interval\((.*?),(.*?)\)", value):
        return f"{key}={interval.groups()[place]}"
    return override if value.startswith("[") else f"{key}={value.split(',')[place]}"


@pytest.mark.parametrize("command", commands("unroll"))
def test_a_command_of_unroll_exists_with_these_options(command):
    name, *arguments = words(command.split(" …")[0])[1:]
    assert name in cli.commands
    known = {option for parameter in cli.commands[name].params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("-")} <= known
