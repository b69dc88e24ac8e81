"""Every cell of the registry in every model: trained, tested, exported, looked into."""

import jaxtyping
import kills
import pytest
from commands import command  # noqa: F401  # a fixture
from conftest import entries
from helpers import finite
from kills import At
from test_every_variant import train  # noqa: F401  # a fixture

MODELS = ("many_to_one", "many_to_many", "seq2seq", "seq2seq_continuous", "one_to_many")

# Of torch's own modules, which running a program imports.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

every_cell = pytest.mark.parametrize("cell", entries("model/cell"))


@pytest.fixture(autouse=True)
def _no_shape_checks():
    """torch cannot follow what checks the shapes' annotations in the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def use(train, command, tmp_path):  # noqa: F811
    """Trains a model with a cell, and does with the run what can be done with any."""

    def start(model, cell):
        outcome, folder = train(f"model={model}", f"model/cell={cell}")
        assert finite(outcome["test"])
        for arguments in (
            ("evaluate", folder),
            ("trace", folder, "--csv", tmp_path / "trace.csv", "--output", tmp_path / "trace.png"),
            ("graph", folder, "--output", tmp_path / "graph.dot"),
            ("gradients", folder, "--output", tmp_path / "gradients.png"),
            ("export", folder),
        ):
            done = command(*map(str, arguments))
            assert (done.returncode, done.stderr) == (0, ""), done
        return folder

    return start


@every_cell
def test_every_cell_is_trained_and_looked_into(cell, use, command, tmp_path):  # noqa: F811
    use("many_to_one", cell)
    sizes = ("--hidden-size", "8", "--length", "5,9", "--repeats", "1", "--every-execution")
    done = command("profile", "--cell", cell, *sizes, "--output", str(tmp_path / "profile.png"))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert f"{cell} loop" in done.stdout


@pytest.mark.slow
@every_cell
@pytest.mark.parametrize("model", MODELS)
def test_every_cell_works_in_every_model(model, cell, use, command):  # noqa: F811
    """A program always; and ONNX, or what it lacks."""
    folder = use(model, cell)
    done = command("profile", str(folder))
    assert (done.returncode, done.stderr) == (0, ""), done
    done = command("export", str(folder), "--format", "program")
    assert (done.returncode, done.stderr) == (0, ""), done
    done = command("export", str(folder), "--format", "onnx")
    if done.returncode:
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "(ONNX has no " in done.stderr


@pytest.mark.slow
@every_cell
def test_a_run_of_any_cell_that_is_killed_goes_on_to_the_same_bits(cell, tmp_path):
    values = kills.values_of(
        *("model=seq2seq", f"model/cell={cell}", "model.hidden_size=8", "model.dropout=0.3", "logger=csv"),
        *("model.teacher_forcing.ratio=0.5", "data.train_size=64", "data.valid_size=16", "data.test_size=16"),
        *("data.batch_size=16", "trainer.max_epochs=2", "trainer.checkpoint_every_steps=3"),
    )
    kills.finished({**values, "run_dir": "whole"}, tmp_path)
    kills.killed({**values, "run_dir": "killed"}, tmp_path, At("on_train_batch_end", 5))
    kills.finished({**values, "run_dir": "killed"}, tmp_path, resume=True)
    left = [kills.left(tmp_path / run) for run in ("whole", "killed")]
    assert not kills.differences(*left)
