"""A run with what is known ahead, by the commands that a person types: trained, used, and exported."""

import io

import numpy as np
import pandas as pd
import pytest
from commands import train, unroll
from file_data import write

DAYS, HORIZON = 120, 5
SHOPS = {"a": ("north", 20.0), "b": ("south", 500.0)}


def rows(future=0):
    """Sales that double with a promotion. Those of the future have a plan and no sales."""
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=DAYS + future)
    parts = []
    for shop, (region, size) in SHOPS.items():
        promo = random.integers(2, size=DAYS + 30)[: len(days)]
        sold = size * (1 + promo) * random.normal(1, 0.02, DAYS + 30)[: len(days)]
        part = {"shop": shop, "day": days.strftime("%Y-%m-%d"), "promo": promo, "region": region}
        parts.append(pd.DataFrame({**part, "sold": np.where(np.arange(len(days)) < DAYS, sold, np.nan)}))
    return pd.concat(parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("plan")
    write(place, "sales.csv", rows().to_csv(index=False))
    write(place, "future.csv", rows(future=HORIZON).to_csv(index=False))
    done = train(
        *("data=series", "data.path=sales.csv", "data.target=sold", "data.known=[promo]", "data.id=shop"),
        *("data.static=[region]", "data.time=day", "data.window=14", f"data.horizon={HORIZON}"),
        *("model.hidden_size=16", "trainer.max_epochs=8", "optimizer.lr=0.01", "run_dir=run", "logger=none"),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    return place


def predicted(folder, run, file):
    return unroll("predict", run, "--input", file, cwd=folder)


def test_a_plan_is_followed_with_its_dates_and_quantiles(folder):
    done = predicted(folder, "run", "future.csv")
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(io.StringIO(done.stdout))
    assert list(found.columns) == ["shop", "day", "sold", "sold_q10", "sold_q90"]
    assert found["day"].tolist() == ["2024-04-30", *(f"2024-05-0{day}" for day in range(1, 5))] * 2
    assert (found["sold_q10"] <= found["sold"]).all()
    assert (found["sold"] <= found["sold_q90"]).all()
    plan = rows(future=HORIZON)
    plan = plan[plan["sold"].isna()]
    sizes = found["shop"].map({shop: size for shop, (_, size) in SHOPS.items()})
    share = (found["sold"] / sizes).to_numpy()
    assert share[plan["promo"] == 1].min() > share[plan["promo"] == 0].max()


def test_another_plan_is_another_forecast(folder):
    plan = rows(future=HORIZON)
    plan.loc[plan["sold"].isna(), "promo"] = 0
    write(folder, "none.csv", plan.to_csv(index=False))
    first, second = (
        pd.read_csv(io.StringIO(predicted(folder, "run", name).stdout)) for name in ("future.csv", "none.csv")
    )
    assert first["sold"].sum() > 1.2 * second["sold"].sum()


def test_an_export_forecasts_by_the_plan_as_its_run_does(folder):
    done = unroll("export", "run", "--output", "mine", cwd=folder)
    assert done.returncode == 0, done.stderr
    wanted = predicted(folder, "run", "future.csv")
    assert wanted.returncode == 0, wanted.stderr
    assert predicted(folder, "mine", "future.csv").stdout == wanted.stdout


def test_a_file_without_the_plan_is_refused_in_a_line_for_each_series(folder):
    done = predicted(folder, "run", "sales.csv")
    assert (done.returncode, done.stdout) == (2, "")
    *each, last = done.stderr.splitlines()
    assert len(each) == len(SHOPS)
    assert all("data.known=[promo]" in line for line in each)
    assert "all 2 inputs were left out" in last
