"""What is written on a sweep's command line, and what its trials become."""

import dataclasses
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from sweeps import TINY, commands_of

from unroll.config import compose as root
from unroll.errors import InputError
from unroll.runs.folder import RunFolder
from unroll.sweep.jobs import share_of
from unroll.sweep.search.space import Space, bounds
from unroll.sweep.trials import Record, TrialState, identity, read_record


@pytest.fixture(scope="module", autouse=True)
def _hydra():
    root.register()
    with initialize_config_dir(str(root.CONF), version_base="1.3"):
        yield


def space_of(*given, **axes):
    loader = GlobalHydra.instance().config_loader()
    return Space({key.replace("__", "."): value for key, value in axes.items()}, given, loader)


BAD = {
    "optimizer.lr=interval(1": "optimizer.lr=interval(1: cannot be read (no viable alternative",
    "optimizer.lr=interval(a,b)": "Error parsing override 'optimizer.lr=interval(a,b)': TypeError while",
    "optimizer.lr=cast(3)": "Error parsing override 'optimizer.lr=cast(3)': HydraException while",
    "optimizer.lr=interval(3,1)": "optimizer.lr=interval(3,1): must go from a smaller to a larger number",
    "optimizer.lr=tag(log,interval(0,1))": "optimizer.lr=tag(log,interval(0,1)): a logarithmic scale needs",
    "seed=tag(log,range(1,9,2))": "seed=tag(log,range(1,9,2)): a logarithmic scale has no step",
    "seed=range(5,1)": "seed=range(5,1): holds no value",
    "seed=range(1,5,0)": "seed=range(1,5,0): needs a step other than 0",
    "model/cell=glob(x*)": "model/cell=glob(x*): holds no value",
    "sweep=grid,optuna": "sweep=grid,optuna: is the same for all trials of a sweep",
    "sweep.n_jobs=1,2": "sweep.n_jobs=1,2: is the same for all trials of a sweep",
    "sweep.search_space.seed=1,2": "sweep.search_space.seed=1,2: is the same for all trials of a sweep; writ",
    "run_dir=x": "run_dir=x: a trial's folder lies in the sweep's folder; name the sweep, as sweep.name=NAME",
}


@pytest.mark.parametrize(("given", "message"), BAD.items(), ids=list(BAD))
def test_what_cannot_be_is_told_in_one_line(given, message):
    with pytest.raises(InputError) as error:
        space_of(given)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_grid_has_values_and_not_too_many():
    with pytest.raises(InputError, match=r"^optimizer\.lr=interval\(1,2\): a grid needs values, as optim"):
        space_of("optimizer.lr=interval(1,2)").combinations()
    with pytest.raises(InputError, match="1,000,000,000 combinations; a grid runs them all; sample them"):
        space_of("seed=range(0,1000000000)").combinations()
    assert space_of("seed=3").combinations() == [{}]
    found = space_of("seed=range(1,4)", "optimizer.lr=sort(3,1)", "model/cell=glob(min_*)").combinations()
    assert len(found) == 12
    assert found[1] == {"seed": "1", "optimizer.lr": "1", "model/cell": "min_lstm"}


def test_the_command_line_goes_before_the_search_space():
    space = space_of(
        "seed=7", "optimizer.lr=interval(1,2)", seed="1,2", optimizer__lr="1,2", model__dropout="0,0.5"
    )
    assert space.text == {"optimizer.lr": "interval(1,2)", "model.dropout": "0,0.5"}
    assert space.fixed == ["seed=7"]


def test_every_choice_and_both_ends_are_in_the_samples():
    space = space_of(
        "optimizer.lr=interval(0.1,0.5)",
        "seed=range(3,9,2)",
        "model/cell=rnn,gru,lstm",
        "model.hidden_size=4",
    )
    assert list(space.samples()) == [
        {"optimizer.lr": "0.1", "seed": "3", "model/cell": "rnn"},
        {"optimizer.lr": "0.5", "seed": "7", "model/cell": "gru"},
        {"optimizer.lr": "0.5", "seed": "7", "model/cell": "lstm"},
    ]


@pytest.mark.parametrize(
    "line", ["range(1,10)", "range(1,10,3)", "range(9,0,-2)", "range(0.1,0.75,0.2)", "range(1,2.5,0.25)"]
)
def test_the_bounds_of_a_range_are_its_own(line):
    space = space_of(f"a={line}")
    values = [float(value) for value in (each["a"] for each in space.combinations())]
    low, high, step = bounds(space.axes["a"].value())
    assert (low, high) == (pytest.approx(min(values)), pytest.approx(max(values)))
    assert step == pytest.approx(abs(values[1] - values[0]))
    assert isinstance(low, int) == ("." not in line)


def test_labels_are_short_and_tell_keys_apart():
    space = space_of("optimizer.lr=1,2", "model.cell.name=a,b", "data.name=a,b")
    varied = {"optimizer.lr": "0.0012345678", "model.cell.name": "a", "data.name": "b"}
    assert space.label(varied) == "lr=0.001235 model.cell.name=a data.name=b"


def test_values_set_in_a_copy_are_what_hydra_composes():
    words = ["model=many_to_one", "seed=1,2"]
    space, commands = commands_of(*words)
    loader = GlobalHydra.instance().config_loader()
    master = GlobalHydra.instance().hydra.compose_config("train", words, RunMode.MULTIRUN)
    for more in (
        ["optimizer.lr=0.5", "model.hidden_size=3"],
        ["model/cell=lstm", "optimizer.lr=0.25", "data.min_length=2"],
        ["model/cell=lstm", "logger.tags=[a,b]", "~debug"],
        ["debug=fast", "trainer.max_epochs=7", "++model.dropout=0.125"],
        ["model.front_end.name=none", "optimizer=sgd", "optimizer.momentum=0.5"],
    ):
        overrides = [*space.fixed, *more, "run_dir=x"]
        composed = loader.load_sweep_config(master, overrides)
        del composed._content["hydra"]
        expected = root.check(composed, root.CONF)
        del expected["sweep"]
        assert commands.values(overrides) == expected
    with pytest.raises(InputError, match=r"model\.hiden_size: no such key, did you mean 'hidden_size'"):
        commands.values([*space.fixed, "model.hiden_size=3", "run_dir=x"])


def test_a_trials_own_command_line_is_no_sweep(monkeypatch):
    words = ["sweep=cells", "optimizer.lr=1,2", "hydra.sweep.dir=else where", "hydra/launcher=unroll"]
    monkeypatch.setattr("sys.argv", ["train.py", "-m", "--config-dir", "mine", *words])
    _, commands = commands_of(*words)
    overrides = commands.overrides({"optimizer.lr": "2"}, 7)
    assert commands.argv(overrides) == [
        *("train.py", "--config-dir", "mine", "hydra.sweep.dir=else where", "sweep=cells", "optimizer.lr=2"),
        *("run_dir='sweep/0007'", "logger.group='sweep'", "logger.name='lr=2'", "hydra.mode=RUN"),
    ]
    composed = GlobalHydra.instance().hydra.compose_config("train", commands.argv(overrides)[3:], RunMode.RUN)
    assert composed.hydra.mode is RunMode.RUN


def test_what_is_quoted_is_read_as_it_was_meant():
    _, commands = commands_of("sweep.name=x", "model/cell=gru,lstm", "logger.group='a, \"b\" it\\'s\\\\'")
    values = commands.values(commands.overrides({"model/cell": "lstm"}, 0))
    assert values["logger"]["group"] == 'a, "b" it\'s\\'


def test_an_identity_is_that_of_what_a_run_learns():
    _, commands = commands_of(*TINY)
    plain = identity(commands.values([*TINY, "run_dir=x"]))
    for same in ("run_dir=y", "logger=csv", "logger.group=x", "trainer.threads=2", "sweep.n_jobs=3"):
        assert identity(commands.values([*TINY, "run_dir=x", same])) == plain
    for other in ("seed=2", "optimizer.lr=0.5", "trainer.max_epochs=2", "model.cell.initialization=xavier"):
        assert identity(commands.values([*TINY, "run_dir=x", other])) != plain


@pytest.mark.parametrize(
    ("gpus", "n_jobs", "shares"),
    [
        ("0123", 2, ["02", "13"]),
        ("0123", 4, ["0", "1", "2", "3"]),
        ("012", 2, ["02", "1"]),
        ("01", 4, ["0", "1", "0", "1"]),
    ],
)
def test_jobs_share_the_gpus(gpus, n_jobs, shares):
    assert ["".join(share_of(list(gpus), slot, n_jobs)) for slot in range(n_jobs)] == shares


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = Record(number=3, varied={"seed": "1"}, overrides=["seed=1", "data.password=x"])
    record.end(TrialState.failed, "two\nlines", 1)
    record.write(RunFolder(tmp_path))
    read = read_record(RunFolder(tmp_path))
    assert dataclasses.replace(read, overrides=[]) == dataclasses.replace(record, overrides=[])
    assert read.reason == "two lines"
    assert "password=x" not in (tmp_path / "trial.json").read_text()
    for torn in ("", "{", "[]", '{"state": "none"}', '{"state": "running", "more": 1}'):
        (tmp_path / "trial.json").write_text(torn)
        assert read_record(RunFolder(tmp_path)) is None
    assert read_record(RunFolder(Path("no/such"))) is None
