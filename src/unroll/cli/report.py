"""The command `unroll report`."""

from pathlib import Path

import click

from unroll.cli.output import require_target, writing


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The page to write. By default report.html in the folder, or here if several are given.",
)
def report(runs: tuple[Path, ...], output: Path | None) -> None:
    """Write one HTML page that compares runs: tables, plots, the best run's pictures.

    RUNS are a sweep's folder (such as outputs/sweeps/…), runs' folders, or folders that hold runs.
    """
    require_target("--output", output, (".html",))
    output = output or (runs[0] if len(runs) == 1 else Path()) / "report.html"
    from unroll.report.page import report_page

    page = report_page(list(runs))
    with writing("--output", output):
        output.write_text(page, encoding="utf-8")
