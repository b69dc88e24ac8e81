"""Files of the user's own, and the data sets in them, for the tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from helpers import shipped

from unroll.config.registry import from_dict
from unroll.data.module import SequenceDataModule, build_data


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """A file with this content, as it is."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def data_in(file: Path | None, kind: str, **values: Any) -> SequenceDataModule:
    """The data set of a kind in a file, or in those that `values` name."""
    given = {} if file is None else {"path": str(file)}
    return build_data(from_dict("data", {"name": kind, **given, **values}), 1)


def series_table(steps: int = 60, ids: tuple[str, ...] = ("a", "b"), seed: int = 0) -> pd.DataFrame:
    """Hourly rows of several series, one series after the other."""
    random = np.random.default_rng(seed)
    return pd.concat(
        pd.DataFrame(
            {
                "id": name,
                "time": pd.date_range("2024-01-01", periods=steps, freq="h").strftime("%Y-%m-%d %H:%M"),
                "load": random.normal(100, 10, steps).round(3),
                "wind": random.normal(size=steps).round(3),
            }
        )
        for name in ids
    ).reset_index(drop=True)


def sequences_table(sequences: int = 30, seed: int = 0) -> pd.DataFrame:
    """Rows of sequences of 2 to 6 steps, with a target for each task."""
    random = np.random.default_rng(seed)
    parts = []
    for number in range(sequences):
        steps = int(random.integers(2, 7))
        parts.append(
            pd.DataFrame(
                {
                    "id": f"s{number}",
                    "step": np.arange(steps) + 1,
                    "x": random.normal(5, 2, steps).round(3),
                    "y": random.normal(size=steps).round(3),
                    "on": random.integers(2, size=steps),
                    "off": random.integers(2, size=steps),
                    "label": "odd" if number % 2 else "even",
                    "value": round(float(random.normal(50, 9)), 3),
                    "red": number % 2,
                    "blue": number % 3 == 0,
                    "state": random.choice(["rest", "run"], size=steps),
                }
            )
        )
    return pd.concat(parts).reset_index(drop=True).astype({"blue": int})


TOKEN_FILES = {
    "pairs": "".join(f"w{i} w{i + 1}\tW{i}{extra}\n" for i in range(20) for extra in ("", " X")),
    "tags": "".join(f"the w{i} runs\tD N V\n" for i in range(20)),
    "label": "".join(f"w{i} good\tpositive\nw{i} bad thing\tnegative\n" for i in range(15)),
    "context": "".join(f"{i} {i / 7:.3f}\tt{i % 3} t1\n" for i in range(30)),
}

FEATURES = {"features": ["x", "y"]}
PRESETS: dict[str, dict[str, Any]] = {
    "series": {"target": "load", "features": ["wind"], "id": "id", "time": "time", "window": 8, "horizon": 3},
    "series_one_ahead": {"target": ["load", "wind"], "id": "id", "window": 4},
    "series_seq2seq": {"target": "load", "features": "wind", "id": "id", "window": 8, "horizon": 3},
    "sequences": {"target": "label", **FEATURES},
    "sequences_value": {"target": ["value", "red"], **FEATURES},
    "sequences_labels": {"target": ["red", "blue"], "step": "step", **FEATURES},
    "sequences_steps": {"target": "state", **FEATURES},
    "sequences_next": {**FEATURES},
    "sequences_next_labels": {"features": ["on", "off"]},
    "token_pairs": {},
    "token_tags": {},
    "token_labels": {},
    "context_tokens": {},
}
"""What each file in conf/data needs beside its path to read the file that `preset_file` writes for it."""


def preset(folder: Path, name: str, **values: Any) -> SequenceDataModule:
    """The data that a file in conf/data makes, with other `values`; files to read are written to `folder`."""
    given = shipped(name)
    if name in PRESETS:
        given |= {**PRESETS[name], "path": str(preset_file(folder, name, given["task"]))}
    return build_data(from_dict("data", given | {key: values[key] for key in values if key in given}), 1)


def preset_file(folder: Path, name: str, task: str) -> Path:
    """The file that a preset reads."""
    if name.startswith("series"):
        return write(folder, "series.csv", series_table().to_csv(index=False))
    if name.startswith("sequences"):
        return write(folder, "sequences.csv", sequences_table().to_csv(index=False))
    return write(folder, f"{task}.tsv", TOKEN_FILES[task])
