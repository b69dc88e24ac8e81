"""The page of `unroll report`: what it tells of runs, from whatever folders, and how a browser shows it."""

import csv
import itertools
import json
import math
import random
import re
import shutil
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.cli import cli
from unroll.config import compose as root
from unroll.errors import InputError
from unroll.report import tables
from unroll.report.comparison import Comparison
from unroll.report.curves import curves, window
from unroll.report.figures import trade_off
from unroll.report.importance import importances
from unroll.report.parallel import parallel
from unroll.report.runs import read_runs
from unroll.report.sections import sections
from unroll.report.values import show, show_spread

EVIL = "<script>window.broken = true</script><img src=x onerror='window.broken = true'>"


def trained(folder, *overrides):
    """A real run of a few steps."""
    with pytest.MonkeyPatch.context() as patch:
        from unroll.training.processes.rank import RUN_DIR_VARIABLE
        from unroll.training.run import run

        patch.setenv(RUN_DIR_VARIABLE, "")
        root.register()
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            fast = ["debug=fast", "trainer.max_epochs=3", "model.hidden_size=8", "logger=csv"]
            sizes = [f"data.{split}_size=64" for split in ("train", "valid", "test")]
            composed = compose("train", [*fast, *sizes, f"run_dir={folder}", *overrides])
        return run(root.check(composed, ROOT / "conf"))


def made_up(folder, number, overrides, values=None, state="finished", **trial):
    """A trial's folder as a sweep leaves it, without the training."""
    run = folder / f"{number:04d}"
    run.mkdir(parents=True)
    record = {"number": number, "overrides": overrides, "state": state, "values": values or {}, **trial}
    (run / "trial.json").write_text(json.dumps(record))
    if values:
        results = {"test": {"test/loss": 1.0}, "best": values, "parameters": 100 + number, "seconds": 3.5}
        (run / "results.json").write_text(json.dumps(results))
    return run


def compared(*folders):
    return Comparison(read_runs(list(folders)))


def section(comparison, anchor):
    return next(each for each in sections(comparison) if each.anchor == anchor)


def texts(table):
    return [dict(zip(table.head, (cell.text for cell in row), strict=True)) for row in table.rows]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Four real runs, and trials that failed, were pruned, cannot be read, or mean harm."""
    folder = tmp_path_factory.mktemp("sweeps") / "cells"
    choices = itertools.product(("gru", "lstm"), (1, 2))
    for number, (cell, seed) in enumerate(choices):
        overrides = ["model=many_to_one", "data=majority", f"model/cell={cell}", f"seed={seed}"]
        run = folder / f"{number:04d}"
        trained(run, *overrides)
        record = {"number": number, "overrides": overrides, "state": "finished", "seconds": 1.0}
        (run / "trial.json").write_text(json.dumps(record))
    with (folder / "0000" / "examples.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["input", "predicted"], ["1 2 2", EVIL]])
    for number in range(1, 4):
        shutil.copy(folder / "0000" / "examples.csv", folder / f"{number:04d}")
    made_up(folder, 4, [f"model/cell={EVIL}", "seed=1"], state="failed", reason=EVIL)
    made_up(folder, 5, ["model/cell=rnn", "seed=1"], state="pruned")
    made_up(folder, 6, ["model/cell=rnn", "seed=2"], state="killed", reason="it was killed by SIGKILL")
    (made_up(folder, 7, []) / "trial.json").write_text("{")
    evil = folder / EVIL.replace("/", "∕")
    evil.mkdir()
    (evil / "trial.json").write_text(
        json.dumps({"state": EVIL, "overrides": ["seed=1"], "values": {EVIL: 1}})
    )
    return folder


def test_a_sweep_with_trials_of_all_kinds(sweep):
    comparison = compared(sweep)
    rows = {row["run"]: row for row in texts(tables.runs(comparison))}
    states = [rows[f"{number:04d}"]["state"] for number in range(8)]
    assert states == ["finished"] * 4 + ["failed", "pruned", "killed", "unreadable"]
    for number in range(4):
        results = json.loads((sweep / f"{number:04d}" / "results.json").read_text())
        row = rows[f"{number:04d}"]
        assert float(row["valid/loss"]) == pytest.approx(results["best"]["valid/loss"], rel=1e-3)
        assert float(row["test/accuracy"]) == pytest.approx(results["test"]["test/accuracy"], rel=1e-3)
        assert int(row["parameters"].replace(",", "")) == results["parameters"]
        assert (row["cell"], row["seed"]) == (("gru", "lstm")[number // 2], str(number % 2 + 1))
    notes = dict(section(comparison, "runs").notes)
    assert notes["0006"] == "killed; it was killed by SIGKILL"
    assert "0007/trial.json: cannot be read" in notes["0007"]


def test_mean_and_spread_over_seeds(sweep):
    comparison = compared(*(sweep / f"{number:04d}" for number in range(4)))
    rows = {row["cell"]: row for row in texts(tables.seeds(comparison))}
    for cell, numbers in {"gru": (0, 1), "lstm": (2, 3)}.items():
        losses = [
            json.loads((sweep / f"{number:04d}" / "results.json").read_text())["test"]["test/loss"]
            for number in numbers
        ]
        mean, spread = map(Decimal, rows[cell]["test/loss"].split(" ± "))
        assert mean.as_tuple().exponent == spread.as_tuple().exponent
        half_a_digit = 0.501 * 10.0 ** mean.as_tuple().exponent
        assert float(mean) == pytest.approx(np.mean(losses), abs=half_a_digit)
        assert float(spread) == pytest.approx(np.std(losses, ddof=1), abs=half_a_digit)
        assert rows[cell]["seeds"] == "2"


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        (1.40005, 0.01476, "1.400 ± 0.015"),
        (0.25, 0.0996, "0.250 ± 0.100"),
        (12345.6, 123.4, "12,346 ± 123"),
        (2e-9, 1e-9, "2.000e-09 ± 1e-09"),
        (0.5, 0.0, "0.5000 ± 0"),
    ],
)
def test_a_mean_ends_where_its_spread_ends(mean, spread, text):
    assert show_spread(mean, spread) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.4, "1.400"), (3.0, "3"), (12345.6, "12,346"), (999.96, "1000"), (1.2e-5, "1.200e-05"), (None, "–")],
)
def test_numbers_of_a_column_have_as_many_digits(number, text):
    assert show(number) == text


def test_one_lucky_seed_does_not_put_a_group_first(tmp_path):
    losses = {("a", 1): 0.1, ("a", 2): 0.9, ("b", 1): 0.3, ("b", 2): 0.3, ("c", 1): 0.2, ("c", 2): None}
    for number, ((cell, seed), loss) in enumerate(losses.items()):
        made_up(tmp_path, number, [f"model/cell={cell}", f"seed={seed}"], loss and {"valid/loss": loss})
    comparison = compared(tmp_path)
    assert [group.label for group in comparison.groups] == ["cell=c", "cell=b", "cell=a"]
    assert [row["seeds"] for row in texts(tables.seeds(comparison))] == ["1", "2", "2"]
    assert section(comparison, "best").text == "0000: cell=a, seed=1"


def test_curves_are_those_of_metrics_csv(sweep):
    run = compared(sweep / "0000").runs[0]
    with (sweep / "0000" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["valid/loss"]]
    assert run.curves["valid/loss"].steps == [int(row["step"]) for row in rows]
    assert run.curves["valid/loss"].values == [float(row["valid/loss"]) for row in rows]
    assert len(rows) == 3


def test_a_run_that_has_diverged_does_not_flatten_the_others(tmp_path):
    last = {"seed=1": 0.5, "seed=2": 0.7, "seed=3": 1e26, "seed=4": math.nan}
    for number, (override, loss) in enumerate(last.items()):
        run = made_up(tmp_path, number, [override], {"valid/loss": loss} if loss < 1 else None)
        lines = ["epoch,step,valid/loss,valid/mae", "0,1,2.0,1.0", f"1,2,{loss},1.0"]
        (run / "metrics.csv").write_text("\n".join(lines))
    comparison = compared(tmp_path)
    low, high = window(comparison, "valid/loss")
    assert 0 < low < 0.5
    assert 2 < high < 3
    assert window(comparison, "valid/mae") is None
    figure = curves(comparison, ["valid/loss", "valid/mae"])
    assert figure.layout.yaxis.range == (low, high)
    assert figure.layout.updatemenus[0].buttons[1].args[1]["yaxis.autorange"]
    assert "is cut off" in section(comparison, "curves").text


def test_long_words_have_room_beside_the_first_axis(tmp_path):
    words = ["time_distributed_" * 2, "none", "x" * 500]
    for number, word in enumerate(words):
        made_up(tmp_path, number, [f"model/front_end={word}"], {"valid/loss": float(number)})
    comparison = compared(tmp_path)
    assert parallel(comparison, comparison.objectives[0]).layout.margin.l == 300
    (tmp_path / "0002" / "trial.json").unlink()
    (tmp_path / "0002" / "results.json").unlink()
    comparison = compared(tmp_path)
    assert 5 * len(words[0]) < parallel(comparison, comparison.objectives[0]).layout.margin.l < 300


def test_columns_of_samples_without_a_word_are_left_out(tmp_path):
    run = made_up(tmp_path, 0, ["seed=1"], {"valid/loss": 1.0})
    (run / "examples.csv").write_text("input,predicted,right\n1 2,0.5,\n3\n")
    assert section(compared(tmp_path), "best").examples == [["input", "predicted"], ["1 2", "0.5"], ["3"]]


def test_one_run(sweep, tmp_path):
    page = tmp_path / "one.html"
    done = CliRunner().invoke(cli, ["report", str(sweep / "0001"), "--output", str(page)])
    assert done.output == f"wrote {page}\n"
    text = page.read_text()
    assert "1 run: 1 finished." in text
    assert 'id="curves-plot"' in text
    assert 'id="costs-plot"' not in text
    assert "Nothing varied." in text
    assert text.count('<img src="data:image/png;base64,') == len(list((sweep / "0001").glob("*.png"))) > 0


def test_settings_of_runs_that_were_no_sweep(tmp_path):
    """What follows from a model's name is no setting that varied; where the run lies is none at all."""
    configs = {
        "a": {"model": {"name": "gru", "size": 8}, "optimizer": {"lr": "1e-3"}, "seed": 1, "run_dir": "a"},
        "b": {"model": {"name": "gru", "size": 8}, "optimizer": {"lr": 0.003}, "seed": 2, "run_dir": "b"},
        "c": {"model": {"name": "gru", "size": 8}, "optimizer": {"lr": 0.001}, "seed": 2, "run_dir": "c"},
        "d": {"model": {"name": "rnn", "size": 4, "relu": True}, "optimizer": {"lr": 0.001}, "seed": 1},
    }
    for name, config in configs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(json.dumps(config))
    comparison = compared(tmp_path)
    assert set(comparison.settings.varied) == {"model.name", "optimizer.lr", "seed"}
    assert comparison.settings.follow == {"model.name": ["model.size"]}
    assert [[run.name for run in group.runs] for group in comparison.groups] == [["a", "c"], ["b"], ["d"]]
    assert {run.state for run in comparison.runs} == {"unfinished"}


def test_several_objectives_and_their_front(tmp_path):
    dice = random.Random(0)
    directions = {"valid/accuracy": "maximize", "seconds": "minimize"}
    points = [(dice.random(), dice.random()) for _ in range(30)]
    for number, (accuracy, seconds) in enumerate(points):
        values = {"valid/accuracy": accuracy, "seconds": seconds}
        made_up(tmp_path, number, [f"optimizer.lr={number}"], values, directions=directions)
    comparison = compared(tmp_path)
    assert comparison.runs[0].name == f"{max(range(30), key=lambda number: points[number][0]):04d}"
    obvious = {
        f"{number:04d}"
        for number, mine in enumerate(points)
        if not any(other[0] > mine[0] and other[1] < mine[1] for other in points)
    }
    assert {run.name for run in comparison.front(comparison.objectives)} == obvious
    assert section(comparison, "trade-off").figures


def test_the_line_of_a_trade_off_is_that_of_what_it_shows(tmp_path):
    """The second run is only on the front of all three."""
    for number, values in enumerate([(1, 1, 9), (2, 2, 1), (3, 0.5, 9)]):
        made_up(
            tmp_path, number, [f"seed={number}"], dict(zip(("a", "b", "c"), map(float, values), strict=True))
        )
    comparison = compared(tmp_path)
    (front,) = (trace for trace in trade_off(comparison).data if trace.name == "front")
    assert list(zip(front.x, front.y, strict=True)) == [(1, 1), (3, 0.5)]
    assert "beats in every objective: 0000, 0001, 0002." in section(comparison, "trade-off").text


def test_many_trials_that_ended_in_one_way_are_one_line(tmp_path):
    for number in range(30):
        state = "pruned" if number < 10 else "failed"
        made_up(tmp_path, number, [f"seed={number}"], state=state, reason=f"{state} it was")
    ((names, words),) = section(compared(tmp_path), "runs").notes
    assert names == ", ".join(f"{number:04d}" for number in range(10, 20)) + " and 10 more"
    assert words == "failed; failed it was"


def test_models_that_measure_different_things(tmp_path):
    for number, metric in enumerate(("valid/loss", "valid/loss", "valid/token_error_rate")):
        made_up(tmp_path, number, [f"model=m{number}"], {metric: float(number)})
    comparison = compared(tmp_path)
    assert [each.name for each in comparison.objectives] == ["valid/loss", "valid/token_error_rate"]
    rows = texts(tables.runs(comparison))
    assert [row["valid/loss"] for row in rows] == ["0", "1", "–"]
    assert {each.anchor for each in sections(comparison)}.isdisjoint({"trade-off"})
    made_up(tmp_path, 3, ["model=m3"], {"parameters": 7.0})
    rows = texts(tables.runs(compared(tmp_path)))
    assert sorted(row["parameters"] for row in rows) == ["100", "101", "102", "7"]


@pytest.mark.parametrize("maximize", [False, True])
def test_the_setting_that_matters_is_the_important_one(tmp_path, maximize):
    dice = random.Random(1)
    for number in range(30):
        lr, cell, size = 10 ** dice.uniform(-5, -1), dice.choice("abc"), dice.choice((16, 32))
        loss = abs(math.log10(lr) + 3) + {"a": 0.0, "b": 0.5, "c": 0.5}[cell] + dice.gauss(0, 0.01)
        overrides = [f"optimizer.lr={lr}", f"model/cell={cell}", f"model.hidden_size={size}", "seed=1"]
        value = -loss if maximize else loss
        direction = {"valid/x": "maximize" if maximize else "minimize"}
        made_up(tmp_path, number, overrides, {"valid/x": value}, directions=direction)
    comparison = compared(tmp_path)
    shares = importances(comparison, comparison.objectives[0])
    assert list(shares) == ["optimizer.lr", "model/cell", "model.hidden_size"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["model.hidden_size"] < 0.1


@pytest.mark.parametrize(
    ("overrides", "values", "told"),
    [
        ([f"optimizer.lr={lr} model/cell=c{lr}" for lr in range(9)], range(9), "this takes 10"),
        ([f"seed={seed}" for seed in range(20)], range(20), "Nothing but the seed varies"),
        ([f"seed={lr} optimizer.lr={lr}" for lr in range(20)], range(20), "Only optimizer.lr varies"),
        ([f"optimizer.lr={lr} model/cell=c{lr}" for lr in range(20)], [1.0] * 20, "the same valid/loss"),
    ],
    ids=["too few", "seeds", "one", "all alike"],
)
def test_why_there_is_no_importance(tmp_path, overrides, values, told):
    for number, (override, value) in enumerate(zip(overrides, values, strict=True)):
        made_up(tmp_path, number, override.split(), {"valid/loss": float(value)})
    shown = section(compared(tmp_path), "importance")
    assert not shown.figures
    assert told in shown.text


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("results.json", "{", "results.json: cannot be read"),
        ("results.json", "[1]", "results.json: holds no keys and values"),
        ("results.json", "[" * 100_000, "results.json: cannot be read"),
        ("config.yaml", "a: [1", "config.yaml: cannot be read"),
        ("config.yaml", "a: &x [*x]", "config.yaml:1: holds the alias"),
        ("config.yaml", "a: !!python/object/apply:os.getcwd []", "names code to run"),
        ("trial.json", b"\xff", "trial.json: cannot be read"),
    ],
)
def test_a_run_of_which_nothing_can_be_read(tmp_path, file, content, told):
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=re.escape(told)) as raised:
        read_runs([tmp_path])
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("valid/loss,step,epoch\n1.0,1,0\nx,2,1\n", "metrics.csv:3: is not a line of metrics"),
        ("valid/loss,epoch\n1.0,0\n", "metrics.csv:2: is not a line of metrics"),
        ("valid/loss,step,epoch\n1.0,1\n", "metrics.csv:2: is not a line of metrics"),
    ],
)
def test_curves_that_cannot_be_read_are_told_and_the_rest_is_shown(tmp_path, content, told):
    run = made_up(tmp_path, 0, ["seed=1"], {"valid/loss": 1.0})
    (run / "metrics.csv").write_text(content)
    comparison = compared(tmp_path)
    assert told in section(comparison, "runs").notes[0][1]
    assert texts(tables.runs(comparison))[0]["valid/loss"] == "1"


def test_a_config_is_not_evaluated_and_no_secret_shown(tmp_path):
    config = "home: ${oc.env:HOME}\napi_key: hunter2hunter2\n"
    (tmp_path / "config.yaml").write_text(config)
    run = read_runs([tmp_path])[0]
    assert run.config == {"home": "${oc.env:HOME}", "api_key": "REDACTED"}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "none", "none: no such folder"),
        (lambda folder: folder, "holds no runs"),
        (lambda folder: (folder / "x.json").write_text("{}") and folder / "x.json", "is a file"),
    ],
    ids=["missing", "empty", "file"],
)
def test_folders_without_runs(tmp_path, make, told):
    done = CliRunner().invoke(cli, ["report", str(make(tmp_path))])
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)


def test_where_the_page_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        made_up(tmp_path / name, 0, ["seed=1"], {"valid/loss": 1.0})
    assert CliRunner().invoke(cli, ["report", "one"]).output == "wrote one/report.html\n"
    assert CliRunner().invoke(cli, ["report", "one", "two"]).output == "wrote report.html\n"
    done = CliRunner().invoke(cli, ["report", "one", "--output", "no/where.html"])
    assert str(done.exception) == "--output no/where.html: no such folder; make it first"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
KEYS = [
    "test",
    "best",
    "seconds",
    "parameters",
    "epochs",
    "state",
    "overrides",
    "values",
    "directions",
    "reason",
]


@given(results=JSON, trial=st.dictionaries(st.sampled_from(KEYS), JSON), config=JSON)
@settings(max_examples=25, deadline=None)
def test_no_file_of_any_content_ends_in_a_traceback(tmp_path_factory, results, trial, config):
    folder = tmp_path_factory.mktemp("foreign")
    made_up(folder, 1, ["seed=1"], {"valid/loss": 1.0})
    run = made_up(folder, 0, [])
    for name, values in {"results.json": results, "trial.json": trial, "config.yaml": config}.items():
        (run / name).write_text(json.dumps(values))
    assert len(sections(compared(folder))) in (8, 9)  # with several objectives one more


def test_torch_is_not_imported(tmp_path):
    made_up(tmp_path, 0, ["seed=1"], {"valid/loss": 1.0})
    code = (
        "import sys; from unroll.cli import cli; cli(sys.argv[1:], standalone_mode=False); "
        "heavy = 'torch', 'lightning', 'wandb', 'optuna', 'sklearn'; "
        "print([name for name in heavy if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "report", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Debian's Chromium without a window, and without a network to speak to."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no chromium and chromedriver here; Debian: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        *("headless=new", "no-sandbox", "disable-gpu", "enable-unsafe-swiftshader", "disable-quic"),
        *(
            "no-first-run",
            "disable-dev-shm-usage",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
        ),
        *("window-size=1300,900", f"user-data-dir={tmp_path_factory.mktemp('profile')}"),
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(sweep, browser):
    """The page of the sweep, open."""
    assert CliRunner().invoke(cli, ["report", str(sweep)]).exit_code == 0
    browser.get_log("performance")
    browser.get(f"file://{sweep / 'report.html'}")
    return browser


def column(page, name):
    """What stands in a column of the table of runs."""
    return page.execute_script(
        """const table = document.querySelector("#runs table");
        const heads = [...table.tHead.rows[0].cells].map(cell => cell.innerText.trim());
        const index = heads.indexOf(arguments[0]);
        return [...table.tBodies[0].rows].map(row => row.cells[index].innerText);""",
        name,
    )


def test_the_page_renders(page):
    assert page.title == "cells"
    drawn = page.execute_script(
        """return [...document.querySelectorAll(".plotly-graph-div")].map(plot => [plot.id,
            plot.querySelectorAll("svg .trace, svg .bars, canvas").length])"""
    )
    assert [name for name, _ in drawn] == ["parallel-0", "curves-plot", "costs-plot", "seeds-plot-0"]
    assert all(marks > 0 for _, marks in drawn), drawn
    assert "WebGL is not supported" not in page.find_element("tag name", "main").text
    images = page.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert images
    assert min(images) > 0
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_a_click_on_a_head_sorts(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    (head,) = (
        each
        for each in page.find_elements(By.CSS_SELECTOR, "#runs thead th")
        if each.text.strip() == "parameters"
    )
    page.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", head)

    def numbers():
        shown = [text for text in column(page, "parameters") if text != "–"]
        return [int(text.replace(",", "")) for text in shown]

    assert len(set(numbers())) == 2
    for descending in (False, True):
        head.click()
        wanted = sorted(numbers(), reverse=descending)
        WebDriverWait(page, 10).until(
            lambda _, wanted=wanted: numbers() == wanted
        )  # a moment after the click
        assert column(page, "parameters")[len(wanted) :] == ["–"] * 5  # what is missing goes last


def test_names_that_mean_harm_are_only_text(page):
    assert page.execute_script("return window.broken") is None
    assert EVIL in page.find_element("id", "runs").text
    assert (
        page.execute_script("return document.querySelectorAll('main img:not([src^=\"data:\"])').length") == 0
    )


def test_nothing_comes_from_or_goes_to_the_network(page):
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "chrome"}
    assert sum(url.startswith("file:") for url in asked) == 1
    links = page.execute_script(
        "return [...document.querySelectorAll('[src], [href]')].map(each => each.src || each.href)"
    )
    assert not [link for link in links if isinstance(link, str) and not link.startswith(("data:", "file:"))]
    buttons = page.execute_script(
        "return [...document.querySelectorAll('.modebar-btn')].map(each => each.dataset.title)"
    )
    assert buttons
    assert not [title for title in buttons if "hare" in title or "loud" in title]


def test_the_console_has_no_errors(page):
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
