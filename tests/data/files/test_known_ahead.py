"""Series with what is known ahead, what is constant, names, and the calendar."""

import numpy as np
import pandas as pd
import pytest
from file_data import data_in, write
from helpers import small_model

from unroll.data.prediction.predictions import predictions_table
from unroll.errors import InputError

HORIZON = 4
GIVEN = {
    "target": "sold",
    "features": ["price"],
    "known": ["promo", "holiday"],
    "static": ["region", "size"],
    "id": "shop",
    "time": "day",
    "window": 8,
    "horizon": HORIZON,
    "calendar": "auto",
    "scaling": "auto",
}


def table(steps=120, future=0, shops=("a", "b", "c")):
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=steps + future)
    parts = []
    for number, shop in enumerate(shops):
        part = pd.DataFrame(
            {
                "shop": shop,
                "day": days.strftime("%Y-%m-%d"),
                "sold": random.poisson(30, steps + future).astype(float),
                "price": random.normal(5, 1, steps + future).round(2),
                "promo": random.integers(2, size=steps + future),
                "holiday": np.where(days.day == 1, "yes", "no"),
                "region": "north" if number % 2 == 0 else "south",
                "size": 100 * (number + 1),
            }
        )
        part.loc[part.index >= steps, ["sold", "price"]] = np.nan
        parts.append(part)
    return pd.concat(parts).reset_index(drop=True)


def read(folder, rows, **values):
    return data_in(write(folder, "s.csv", rows.to_csv(index=False)), "series", **GIVEN | values)


def columns(sample, data):
    return dict(zip(data.spec.input_names, sample.inputs.numpy().T, strict=True))


def test_a_window_reads_what_is_known_of_the_steps_ahead(tmp_path):
    rows = table()
    data = read(tmp_path, rows)
    first = rows[rows.shop == "a"].reset_index(drop=True)
    for start in (0, 5):
        found = columns(data.splits["train"].samples[start], data)
        for later in range(HORIZON + 1):
            name = "promo" + (f"+{later}" if later else "")
            np.testing.assert_array_equal(found[name], first.promo[start + later : start + later + 8])
            name = "holiday=yes" + (f"+{later}" if later else "")
            np.testing.assert_array_equal(
                found[name], first.holiday[start + later : start + later + 8] == "yes"
            )
        np.testing.assert_array_equal(found["region=north"], np.ones(8))
        np.testing.assert_array_equal(found["region=south"], np.zeros(8))
        np.testing.assert_array_equal(found["size"], np.full(8, 100))
        angle = 2 * np.pi * np.arange(start, start + 8) / 7  # the first day is a Monday
        np.testing.assert_allclose(found["weekday sin"], np.sin(angle), atol=1e-6)
        assert "price+1" not in found
        assert "day of year sin" not in found  # 120 days do not hold two years


def test_names_and_the_calendar_are_not_scaled_and_leads_are_as_their_column(tmp_path):
    spec = read(tmp_path, table()).spec
    scales = dict(zip(spec.input_names, zip(spec.input_mean, spec.input_std, strict=True), strict=True))
    for name in ("holiday=yes", "holiday=yes+2", "region=north", "weekday cos"):
        assert scales[name] == (0, 1)
    assert scales["promo+3"] == scales["promo"] != (0, 1)
    assert spec.target_inputs == (0,)


@pytest.mark.parametrize("task", ["forecast", "seq2seq", "one_ahead"])
def test_a_forecast_begins_after_the_last_value_of_the_target(tmp_path, task):
    horizon = 1 if task == "one_ahead" else HORIZON
    data = read(tmp_path, table(), task=task, horizon=horizon)
    model = small_model(
        {"forecast": "many_to_one", "seq2seq": "seq2seq_continuous", "one_ahead": "many_to_many"}[task],
        data.spec,
        quantiles=[0.1, 0.5, 0.9],
    )
    future = write(tmp_path, "future.csv", table(future=6).to_csv(index=False))
    inputs = data.read_inputs(future, data.spec)
    assert inputs.steps == [["2024-04-30", "2024-05-01", "2024-05-02", "2024-05-03"][:horizon]] * 3
    found = columns(inputs.samples[0], data)
    whole = table(future=6)
    whole = whole[whole.shop == "a"].reset_index(drop=True)
    np.testing.assert_array_equal(found["promo+1"], whole.promo[113:121])
    np.testing.assert_array_equal(found["sold"], whole.sold[112:120])
    assert found["holiday=yes+1"].tolist()[-1] == 0
    predictions = model.predict_step(data.collate(inputs.samples))
    result = predictions_table(inputs, predictions, data.spec, (0.1, 0.5, 0.9))
    assert list(result.columns) == ["shop", "day", "sold", "sold_q10", "sold_q90"]
    assert len(result) == 3 * horizon


@pytest.mark.parametrize("missing", ["error", "previous"])
def test_a_plan_is_no_missing_value(tmp_path, missing):
    """Empty targets of future rows: never the last sale 14 times over, and no advice that leads there."""
    data = read(tmp_path, table(), missing=missing)
    future = write(tmp_path, "future.csv", table(future=14).to_csv(index=False))
    inputs = data.read_inputs(future, data.spec)
    assert inputs.steps[0][0] == "2024-04-30"
    np.testing.assert_array_equal(columns(inputs.samples[0], data)["sold"], table()["sold"][112:120])


def test_rows_that_lack_what_is_known_are_named(tmp_path):
    data = read(tmp_path, table())
    path = write(tmp_path, "short.csv", table(future=2).to_csv(index=False))
    with pytest.raises(InputError) as caught:
        data.read_inputs(path, data.spec)
    message = str(caught.value)
    assert "no row for 2024-05-02" in message
    assert "data.known=[promo, holiday]" in message
    assert "sold left empty" in message
    rows = table(future=HORIZON)
    rows.loc[121, "holiday"] = None
    path = write(tmp_path, "hole.csv", rows.to_csv(index=False))
    with pytest.raises(InputError, match=r"hole\.csv:123: .*holiday"):
        data.read_inputs(path, data.spec)


def test_a_series_that_training_has_not_seen_is_forecast_and_it_is_said(tmp_path):
    data = read(tmp_path, table())
    rows = table(future=HORIZON, shops=("a", "new"))
    rows.loc[rows.shop == "new", "region"] = "east"
    inputs = data.read_inputs(write(tmp_path, "new.csv", rows.to_csv(index=False)), data.spec)
    assert len(inputs.samples) == 2
    assert any("'new'" in note and "has not seen 1 of the 2 series" in note for note in inputs.notes)
    assert any("'east'" in note for note in inputs.notes)
    found = columns(inputs.samples[1], data)
    assert not found["region=north"].any()
    assert not found["region=south"].any()


def test_without_what_is_known_future_rows_tell_where_a_forecast_begins(tmp_path):
    data = read(tmp_path, table(), known=None)
    future = write(tmp_path, "future.csv", table(future=2).to_csv(index=False))
    assert data.read_inputs(future, data.spec).steps[0] == [
        "2024-04-30",
        "2024-05-01",
        "2024-05-02",
        "2024-05-03",
    ]


def test_a_constant_column_that_changes_is_told_with_both_lines(tmp_path):
    rows = table()
    rows.loc[7, "region"] = "south"
    with pytest.raises(InputError, match=r"s\.csv:9: .*region.*s\.csv:2"):
        _ = read(tmp_path, rows).spec


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({"known": ["promo", "sold"]}, "known=.*'sold' is data.target too"),
        ({"static": ["promo"]}, "static=.*'promo' is data.known too"),
        ({"known": ["nothing"]}, "no column 'nothing', which data.known names"),
        (
            {"target": "region", "static": None},
            r"data\.target=region: the column holds names, such as 'north' in .*s\.csv:2.*data\.static",
        ),
    ],
)
def test_columns_that_cannot_be_what_they_are_said_to_be(tmp_path, values, start):
    with pytest.raises(InputError, match=start):
        _ = read(tmp_path, table(), **values).spec


def test_too_many_categories_are_refused(tmp_path):
    rows = table()
    rows["price"] = [f"p{number}" for number in range(len(rows))]
    with pytest.raises(InputError, match=r"'price'.*100"):
        _ = read(tmp_path, rows).spec


def test_the_day_of_the_year_is_read_of_years(tmp_path):
    random = np.random.default_rng(0)
    days = pd.date_range("2020-01-01", periods=1500)
    rows = pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "y": random.normal(size=1500)})
    path = write(tmp_path, "y.csv", rows.to_csv(index=False))
    data = data_in(path, "series", target="y", time="day", window=8, horizon=2, calendar="auto")
    assert data.spec.input_names == ("y", "weekday sin", "weekday cos", "day of year sin", "day of year cos")


def test_an_old_config_reads_what_it_read(tmp_path):
    """No new column, the same windows, and a spec without what old checkpoints lack in their names."""
    rows = table()
    path = write(tmp_path, "s.csv", rows.to_csv(index=False))
    data = data_in(
        path, "series", target="sold", features="price", id="shop", time="day", window=8, horizon=2
    )
    assert data.spec.input_names == ("sold", "price")
    np.testing.assert_array_equal(
        data.splits["train"].samples[3].inputs, rows[["sold", "price"]].to_numpy(np.float32)[3:11]
    )
