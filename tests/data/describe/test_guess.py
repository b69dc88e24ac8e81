"""What a file seems to hold, and that its data can then be read."""

import pytest
from file_data import TOKEN_FILES, sequences_table, series_table, write

from unroll.config.compose import CONF, check, compose
from unroll.config.registry import from_dict
from unroll.data.describe.guess import guess
from unroll.data.module import build_data
from unroll.errors import InputError

SEQUENCES = sequences_table()
SERIES = series_table(200, ("a",)).drop(columns="id")

FILES = {
    "series": ("a.csv", SERIES),
    "sequences": ("a.csv", SEQUENCES[["id", "step", "x", "y", "label"]]),
    "sequences_value": ("a.csv", SEQUENCES[["id", "step", "x", "y", "value"]]),
    "sequences_steps": ("a.csv", SEQUENCES[["id", "step", "x", "state"]]),
    "sequences_next": ("a.csv", SEQUENCES[["id", "step", "x", "y"]]),
    "sequences_next_labels": ("a.csv", SEQUENCES[["id", "step", "on", "off"]]),
    "token_tags": ("a.tsv", TOKEN_FILES["tags"]),
    "token_labels": ("a.tsv", TOKEN_FILES["label"]),
    "context_tokens": ("a.tsv", TOKEN_FILES["context"]),
    "token_pairs": ("a.tsv", "".join(f"w{i % 37} a b\tW{i % 31} X\n" for i in range(60))),
}


@pytest.mark.parametrize("data", FILES)
def test_each_kind_is_found_and_can_be_read(data, tmp_path):
    name, content = FILES[data]
    path = write(tmp_path, name, content if isinstance(content, str) else content.to_csv(index=False))
    found = guess(path)
    assert found.data == data
    values = check(compose(found.overrides(path)), CONF)  # with a model that fits
    assert build_data(from_dict("data", values["data"]), 1).splits["train"]


def test_several_long_series(tmp_path):
    path = write(tmp_path, "a.csv", series_table(200).to_csv(index=False))
    assert guess(path).command(path) == (
        f"python train.py data=series data.path={path} data.target=wind data.time=time data.id=id "
        "'data.features=[load]'"
    )


def test_nothing_to_learn_from(tmp_path):
    with pytest.raises(InputError, match="no column of numbers"):
        guess(write(tmp_path, "a.csv", "a,b,c\nx,y,z\nu,v,w\n"))


def test_a_few_long_series_with_dates_are_forecast_whatever_else_they_hold(tmp_path):
    rows = series_table(200)
    rows["region"] = rows["id"].map({"a": "north", "b": "south"})
    rows["weather"] = ["sun", "rain"] * (len(rows) // 2)
    path = write(tmp_path, "a.csv", rows.to_csv(index=False))
    found = guess(path)
    assert found.data == "series"
    assert found.keys == {
        "data.target": "wind",
        "data.time": "time",
        "data.id": "id",
        "data.features": "[load,weather]",
        "data.static": "[region]",
    }
    values = check(compose(found.overrides(path)), CONF)
    data = build_data(from_dict("data", values["data"]), 1)
    assert {"weather=rain", "region=north"} <= set(data.spec.input_names)
