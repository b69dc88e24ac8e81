"""Measure, and print Markdown tables of ratios: `run.py [--quick] [--only NAME] [--plots FOLDER]`."""

import argparse
import os
from importlib.metadata import version
from pathlib import Path

import buckets
import cells
import decoder
import decoding
import front_ends
import gpu
import lengths
import overhead
import recurrences
import startup
import sweeps
import threads

SECTIONS = {
    "overhead": overhead.run,
    "decoder": decoder.run,
    "decoding": decoding.run,
    "front_ends": front_ends.run,
    "recurrences": recurrences.run,
    "cells": cells.run,
    "lengths": lengths.run,
    "buckets": buckets.run,
    "threads": threads.run,
    "startup": startup.run,
    "sweeps": sweeps.run,
    "gpu": gpu.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few repeats: to see that it runs, not to report"
    )
    parser.add_argument("--only", metavar="NAME", choices=SECTIONS, help=f"one of {', '.join(SECTIONS)}")
    parser.add_argument(
        "--plots", metavar="FOLDER", type=Path, help="write NAME.png of what has a plot there"
    )
    options = parser.parse_args()

    packages = ", ".join(f"{package} {version(package)}" for package in ("torch", "lightning", "hydra-core"))
    print(f"{packages}; {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start.")
    if options.quick:
        print("Quick: too few repeats to report.")
    for name in [options.only] if options.only else SECTIONS:
        result = SECTIONS[name](options.quick)
        text, figure = result if isinstance(result, tuple) else (result, None)
        print(f"\n## {name}\n\n{text}", flush=True)
        if figure and options.plots:
            options.plots.mkdir(parents=True, exist_ok=True)
            figure.savefig(options.plots / f"{name}.png", dpi=120)


if __name__ == "__main__":
    main()
