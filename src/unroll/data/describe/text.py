"""The summary of a data set as text."""

import math
from typing import Any

MAX_ROWS = 20
"""How many classes, labels or features are listed."""

MAX_TOKENS = 20
"""How many tokens of a text are shown."""


def summary_text(summary: dict[str, Any]) -> str:
    """A summary from `summarize` as aligned lines."""
    splits = summary["splits"]
    lines = [f"{summary['data']} ({summary['signature']})"]
    lines += _grid("", list(splits), {"sequences": [f"{split['sequences']:,}" for split in splits.values()]})
    for key in ("lengths", "target_lengths"):
        if key in splits["train"]:
            rows = {name: [f"{value:.4g}" for value in split[key].values()] for name, split in splits.items()}
            lines += _grid(key.replace("_", " "), list(splits["train"][key]), rows)
    shares = {
        key.replace("_", " "): [f"{split[key]:.2%}" for split in splits.values()]
        for key in ("unknown_inputs", "unknown_targets")
        if key in splits["train"]
    }
    if shares:
        lines += _grid("share of tokens", list(splits), shares)
    for key in ("classes", "labels"):
        if key in splits["train"]:
            rows = {
                name: [_share(split, key, name) for split in splits.values()] for name in splits["train"][key]
            }
            lines += _grid(key, list(splits), rows)
    for key in ("inputs", "targets"):
        if key in summary:
            rows = {
                name: [f"{value:.{_digits(found)}g}" for value in found.values()]
                for name, found in summary[key].items()
            }
            lines += _grid(f"{key} in training", ["mean", "sd", "min", "max"], rows)
    lines.append("")
    lines += [f"vocabulary of {name}: {size:,}" for name, size in summary["vocabulary"].items()]
    if "cut" in summary:
        lines.append(f"text is cut into {summary['cut']['into']}:")
        lines += [f"  {_tokens(tokens)}" for tokens in summary["cut"]["texts"]]
    lines += summary["notes"]
    if not summary["missing_values"]:
        lines.append("missing values: none")
    padding = summary["padding"]
    lines.append(
        f"padding: {padding['configured']:.1%} of the steps; in random batches {padding['random']:.1%}"
    )
    return "\n".join(lines)


def _tokens(tokens: list[str]) -> str:
    more = " …" if len(tokens) > MAX_TOKENS else ""
    return " | ".join(tokens[:MAX_TOKENS]) + more


def _digits(found: dict[str, float]) -> int:
    """How many digits show how values differ: four, and more where they are far from zero."""
    far = abs(found["mean"]) / found["sd"] if found["sd"] else 1.0
    return max(4, 2 + math.ceil(math.log10(max(far, 1.0))))


def _share(split: dict[str, Any], key: str, name: str) -> str:
    count = split[key][name]
    return f"{count:,} ({count / split['targets']:.1%})"


def _grid(title: str, columns: list[str], rows: dict[str, list[str]]) -> list[str]:
    """An empty line, a title with the names of the columns, and the first MAX_ROWS rows."""
    shown = [(title, columns), *list(rows.items())[:MAX_ROWS]]
    first = max(len(name) for name, _ in shown)
    widths = [max(len(cells[number]) for _, cells in shown) for number in range(len(columns))]
    lines = [""]
    for name, cells in shown:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        lines.append("  ".join([name.ljust(first), *aligned]))
    more = len(rows) - MAX_ROWS
    return [*lines, f"… and {more} more"] if more > 0 else lines
