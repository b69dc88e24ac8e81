"""What the page of `unroll report` tells of forecasts."""

import json

import pytest

from unroll.report.comparison import Comparison
from unroll.report.runs import read_runs
from unroll.report.sections import sections

STEPS = "step,feature,mae,naive_mae\n1,load,{},3\n1,wind,0.5,1\n2,load,{},4\n2,wind,0.6,1.5\n"
SERIES = "series,windows,mae,naive_mae,mase,naive_mase\n<b>,5,2,3,0.5,0.75\nb,5,1,1.5,,\n"


def made_up(folder, name, value, steps=STEPS, series=None):
    """The folder of a run, without the training."""
    run = folder / name
    run.mkdir()
    results = {"test": {"test/mae": value}, "best": {"valid/loss": value}}
    (run / "results.json").write_text(json.dumps(results))
    (run / "config.yaml").write_text(f"model: {{name: {name}}}\n")
    if steps is not None:
        (run / "error_by_step.csv").write_text(steps.format(value, value + 1))
    if series is not None:
        (run / "error_by_series.csv").write_text(series)
    return run


def shown(folder):
    return {section.anchor: section for section in sections(Comparison(read_runs([folder])))}


def test_errors_over_the_steps_ahead_and_by_series(tmp_path):
    made_up(tmp_path, "good", 1.0, series=SERIES)
    made_up(tmp_path, "bad", 2.0)
    made_up(tmp_path, "other", 3.0, steps=None)
    found = shown(tmp_path)
    (plot,) = found["ahead"].figures
    for text in ("MAE of load", "MAE of wind", "naive forecast", "steps ahead"):
        assert text in plot
    for values in ("[1.0,2.0]", "[2.0,3.0]", "[3.0,4.0]", "[0.5,0.6]"):
        assert values in plot.replace(" ", "")
    table = found["series"].table
    assert table.head == ["series", "windows", "mae", "naive_mae", "mase", "naive_mase"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["<b>", "5", "2", "3", "0.5000", "0.7500"],
        ["b", "5", "1", "1.500", "–", "–"],
    ]
    assert [*found].index("ahead") < [*found].index("series") < [*found].index("best")


def test_runs_that_forecast_nothing_or_one_step_have_no_plot(tmp_path):
    made_up(tmp_path, "one", 1.0, steps="step,feature,mae,naive_mae\n1,load,{},{}\n")
    made_up(tmp_path, "none", 2.0, steps=None)
    assert not {"ahead", "series"} & shown(tmp_path).keys()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("error_by_step.csv", "step,feature,mae\n1,load,many\n"),
        ("error_by_step.csv", "step,feature,mae\n1,load\n"),
        ("error_by_step.csv", "step\n1\n"),
        ("error_by_step.csv", ""),
        ("error_by_series.csv", "series,windows\na\n"),
        ("error_by_series.csv", ""),
        ("error_by_series.csv", "\ufffd\x00"),
    ],
)
def test_a_table_that_cannot_be_read_is_told_of(file, content, tmp_path):
    run = made_up(tmp_path, "run", 1.0, steps=None)
    (run / file).write_text(content)
    (summary,) = read_runs([run])
    assert summary.state == "finished"
    shown(tmp_path)
    assert all(file in fault for fault in summary.faults)
    assert summary.faults or file == "error_by_series.csv"
