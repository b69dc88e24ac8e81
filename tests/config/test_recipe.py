"""The cell of CONTRIBUTING: what stands there is a file, and it works as it stands."""

import re

import pytest
import trees
from conftest import ROOT


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = trees.copy(tmp_path_factory.mktemp("tree"))
    trees.add_recipe(tree)
    return tree


@pytest.mark.parametrize(("language", "name"), [("python", "mine.py"), ("yaml", "mine.yaml")])
def test_contributing_quotes_the_recipe(language, name):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert (trees.RECIPES / name).read_text(encoding="utf-8") in re.findall(
        rf"```{language}\n(.*?)```", text, re.DOTALL
    )


def test_it_trains(tree):
    words = ["model=many_to_one", "data=adding", "model/cell=mine", "model.cell.sharpness=2"]
    done = trees.train(tree, *words, "debug=fast", "logger=csv", "run_dir=run")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tree / "run" / "results.json").is_file()
    assert "sharpness: 2.0" in (tree / "run" / "config.yaml").read_text()
    done = trees.unroll(tree, "evaluate", "run")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_and_keys_show_it(tree):
    assert re.search(r"model/cell +attention, [\w, \n]*\bmine\b", trees.train(tree, "--help").stdout)
    told = trees.unroll(tree, "keys", "model/cell=mine").stdout
    assert re.search(r"model\.cell\.sharpness +1\.0 +how steep the gate is", told)


def test_its_values_are_checked(tree):
    done = trees.train(tree, "model/cell=mine", "model.cell.sharpness=-1")
    assert (done.returncode, done.stderr) == (
        2,
        "error: model.cell.sharpness=-1.0: must be a positive number\n",
    )


@pytest.mark.slow
def test_the_contract_tests_test_it(tmp_path):
    tree = trees.copy(tmp_path, "tests", "docs")
    trees.add_recipe(tree)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "mine", "--rootdir", str(tree)]
    done = trees.python(tree, *words, "tests/nn/test_cells.py", "tests/config/test_registry.py")
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 10
