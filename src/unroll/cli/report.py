"""The command `unroll report`."""

from pathlib import Path

import click

from unroll.cli.options import OVERWRITE_OPTION, PATH
from unroll.cli.output import Output, output


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option(
    "--output",
    "output_file",
    type=PATH,
    help="The page to write. By default report.html in the folder, or here if several are given.",
)
@OVERWRITE_OPTION
def report(runs: tuple[Path, ...], output_file: Path | None, overwrite: bool) -> None:
    """Write one HTML page that compares runs: tables, plots, the best run's pictures.

    RUNS are a sweep's folder (such as outputs/sweeps/…), runs' folders, or folders that hold runs.
    """
    output("--output", output_file, (".html",), overwrite=overwrite, remade=_page_beginning())
    path = output_file or (runs[0] if len(runs) == 1 else Path()) / "report.html"
    from unroll.report.page import report_page

    page = report_page(list(runs))
    Output(option="--output", path=path, overwrite=overwrite, remade=_page_beginning()).write(page)


def _page_beginning() -> bytes:
    """The lines that every report begins with: one that is made anew replaces the one before."""
    template = Path(__file__).parents[1] / "report" / "page.html"
    return template.read_bytes().partition(b"<title>")[0]
