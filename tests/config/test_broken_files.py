"""A component's file that is broken is told of in one line where it is asked for, and nothing else minds."""

import re

import pytest
import trees
from trees import CELL, CELL_YAML

MINE = (trees.RECIPES / "mine.py").read_text(encoding="utf-8")
RULE = "a config class may use only enums and classes named …Config"


def line_of(text, part):
    """The line of a file that holds this."""
    return 1 + text[: text.index(part)].count("\n")


def edited(*changes):
    """The recipe's cell with some text in place of other."""
    text = MINE
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


REGISTER, CHECK = "\n\n\n@register", "self.sharpness > 0"
IMPORT = "from unroll.config.registry import builds, register, require\n"
NOT_THERE = f"is not there when configs are checked; {RULE}"
BROKEN = {
    "syntax": ([("(h,) = state", "(h, = state")], "(h, = state", "SyntaxError: "),
    "no import": ([(IMPORT, "")], '@register("', "NameError: name 'register' is not defined; mend"),
    "wrong import": ([(IMPORT, f"{IMPORT}from unroll.spec import Knd\n")], "Knd", "ImportError: cannot"),
    "constant": (
        [(REGISTER, f"\nSTEEP = 1.0{REGISTER}"), ("float = 1.0", "float = STEEP")],
        "= STEEP",
        f"STEEP {NOT_THERE}",
    ),
    "function": (
        [(REGISTER, f"\n\ndef fine(x):\n    return x > 0{REGISTER}"), (CHECK, "fine(self.sharpness)")],
        "fine(self",
        f"fine {NOT_THERE}",
    ),
    "heavy": ([(CHECK, "torch.tensor(self.sharpness) > 0")], "torch.tensor", f"torch {NOT_THERE}"),
    "of another file": (
        [
            ("import Cell, OutputAndState", "import SHUT, Cell, OutputAndState"),
            ("float = 1.0", "float = SHUT"),
        ],
        "= SHUT",
        f"SHUT {NOT_THERE}",
    ),
    "default": ([("float = 1.0", "list[float] = []")], "@dataclass", "ValueError: mutable default"),
    "check": ([(CHECK, "len(self.sharpness) > 0")], "len(self", "TypeError: object of type 'float' has no"),
}
"""By what is wrong: the edits, what stands on the line that is named, and what is said of it."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = trees.copy(tmp_path_factory.mktemp("tree"))
    trees.add_recipe(tree)
    return tree


def error_of(tree, *words):
    """The one line in which a command ends."""
    done = trees.train(tree, *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("error: ")


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_with_a_config_part(what, tree):
    edits, part, says = BROKEN[what]
    text = edited(*edits)
    (tree / CELL).write_text(text, encoding="utf-8")
    assert error_of(tree, "model/cell=mine").startswith(f"{CELL}:{line_of(text, part)}: {says}")


def test_a_config_needs_its_name(tree):
    (tree / CELL).write_text(MINE.replace("MineConfig", "MineSettings"), encoding="utf-8")
    says = f'{CELL}: @register("model/cell", "mine") stands on no config; let the name of its class end '
    assert error_of(tree, "model/cell=mine").startswith(says)


def test_a_component_needs_both_files(tree):
    (tree / CELL).write_text(MINE, encoding="utf-8")
    written = (tree / CELL_YAML).read_text()
    (tree / CELL_YAML).unlink()
    says = f"model/cell=mine: {CELL} has no config file; write {CELL_YAML} with the line 'defaults: "
    assert error_of(tree, "model/cell=mine").startswith(says)
    (tree / CELL_YAML).write_text(written)
    (tree / CELL).unlink()
    says = 'model/cell: no file in src/unroll/nn/cells has @register("model/cell", "mine"); write it\n'
    assert error_of(tree, "model/cell=mine") == says


ENUMS = """

class Gate(StrEnum):
    soft = "soft"
    hard = "hard"


class Size(enum.Enum):
    small = 1
    large = 2"""


def test_enums_of_every_kind_belong_to_the_config_part(tree):
    text = edited(
        ("from dataclasses import dataclass\n", "import enum\nfrom dataclasses import dataclass\n"),
        ("\nimport torch\n", "from enum import StrEnum\n\nimport torch\n"),
        (REGISTER, f"{ENUMS}{REGISTER}"),
        ("float = 1.0\n", "float = 1.0\n    gate: Gate = Gate.soft\n    size: Size = Size.small\n"),
    )
    (tree / CELL).write_text(text, encoding="utf-8")
    done = trees.train(tree, "--cfg", "job", "model/cell=mine", "model.cell.gate=hard")
    assert (done.returncode, done.stderr) == (0, "")
    assert "    gate: hard\n    size: small\n" in done.stdout
    assert "Invalid value 'hrd'" in error_of(tree, "model/cell=mine", "model.cell.gate=hrd")


def test_the_rest_goes_on_working(tree):
    (tree / CELL).write_text(edited(*BROKEN["syntax"][0]), encoding="utf-8")
    tagging = tree / "src/unroll/data/synthetic/tagging.py"
    whole = tagging.read_text()
    tagging.write_text("from nowhere import nothing\n" + whole.replace("@dataclass(", "@dataclas("))
    assert "mine" in trees.train(tree, "--help").stdout
    assert "lstm" in trees.unroll(tree, "keys", "model/cell=lstm").stdout
    assert error_of(tree, "data=tagging").startswith("src/unroll/data/synthetic/tagging.py:")
    fitting = error_of(tree, "model=many_to_many", "data=copy").partition("data that fit it: ")[2]
    assert "copy_memory" in fitting
    assert "tagging" not in fitting
    done = trees.train(tree, "model/cell=gru", "debug=fast", "run_dir=run")
    assert (done.returncode, done.stderr) == (0, "")
    done = trees.unroll(tree, "evaluate", "run")
    assert (done.returncode, done.stderr) == (0, "")
    tagging.write_text(whole)


BUILDING = """\
from unroll.config.registry import build, from_dict
from unroll.errors import InputError

for name in ("imports", "late", "late", "raises", "asks", "unbuilt", "bulky", "mine", "gru"):
    try:
        print(name, type(build(from_dict("model/cell", {"name": name}), 3, 4)).__name__)
    except InputError as error:
        print(name, error)
    except RuntimeError as error:
        print(name, "RuntimeError")
import unroll.sweep.warm
"""
LAST = "        return h, (h,)\n"
INITIALIZER = "super().__init__(input_size, hidden_size)\n"


def test_what_is_wrong_with_the_rest_of_a_file(tree):
    """It is told when the component is built, and the first process of a sweep imports the others."""
    edits = {
        "imports": [("import torch\n", "import torch\nimport torhc\n")],
        "late": [(LAST, f"{LAST}\n\nlate = later\n")],
        "raises": [(INITIALIZER, f"{INITIALIZER}        self.size = input_size / 0\n")],
        "asks": [("input_size: int, hidden_size: int)", "input_size: int, hidden_size: int, more: int)")],
        "unbuilt": [("@builds(MineConfig)\n", "")],
        "bulky": [(INITIALIZER, f"{INITIALIZER}        self.x = torch.empty(2**60)\n")],
        "mine": [],
    }
    for name, changes in edits.items():
        text = edited(*changes).replace('"mine"', f'"{name}"')
        (tree / CELL).with_stem(name).write_text(text, encoding="utf-8")
    done = trees.python(tree, "-c", BUILDING)
    for name in edits.keys() - {"mine"}:
        (tree / CELL).with_stem(name).unlink()
    assert (done.returncode, done.stderr) == (0, "")
    imports, late, again, raises, asks, unbuilt, bulky, mine, gru = done.stdout.splitlines()
    assert re.fullmatch(
        r"imports src/unroll/nn/cells/imports.py:6: ModuleNotFoundError: .*'torhc'; mend.*", imports
    )
    assert late == again  # though its config has been entered by then
    assert re.fullmatch(r"late src/unroll/nn/cells/late.py:\d+: NameError: name 'later' is not .*", late)
    assert re.fullmatch(
        r"raises src/unroll/nn/cells/raises.py:\d+: ZeroDivisionError: division by zero; .*", raises
    )
    assert re.fullmatch(
        r"asks src/unroll/nn/cells/asks.py:\d+: TypeError: .*argument: 'more'; mend the file", asks
    )
    assert unbuilt.endswith("nothing builds model/cell=unbuilt; put @builds(MineConfig) on a class")
    assert bulky == "bulky RuntimeError"  # the machine's lack, which a boundary tells of
    assert (mine, gru) == ("mine Mine", "gru GRU")


def test_what_a_step_gives_is_told_before_the_training(tree):
    """The rest of it is in tests/models/test_step_form.py."""
    (tree / CELL).write_text(edited((LAST, "        return h, h\n")), encoding="utf-8")
    error = error_of(tree, "model=many_to_one", "model/cell=mine", "debug=fast")
    assert re.match(
        r"src/unroll/nn/cells/mine.py:\d+: step gives a state that is a Tensor, not a tuple; ", error
    )
