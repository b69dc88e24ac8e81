"""Measure, and print Markdown tables of ratios: `python benchmarks/run.py [--quick] [--only NAME]`."""

import argparse
import os
from importlib.metadata import version

import buckets
import decoder
import overhead
import startup
import threads

SECTIONS = {
    "overhead": overhead.run,
    "decoder": decoder.run,
    "buckets": buckets.run,
    "threads": threads.run,
    "startup": startup.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few repeats: to see that it runs, not to report"
    )
    parser.add_argument("--only", metavar="NAME", choices=SECTIONS, help=f"one of {', '.join(SECTIONS)}")
    options = parser.parse_args()

    packages = ", ".join(f"{package} {version(package)}" for package in ("torch", "lightning", "hydra-core"))
    print(f"{packages}; {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start.")
    if options.quick:
        print("Quick: too few repeats to report.")
    for name in [options.only] if options.only else SECTIONS:
        print(f"\n## {name}\n\n{SECTIONS[name](options.quick)}", flush=True)


if __name__ == "__main__":
    main()
