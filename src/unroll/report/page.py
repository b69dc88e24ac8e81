"""One page that compares the runs of a sweep, or any runs. It loads nothing from the network."""

from base64 import b64encode
from collections import Counter
from pathlib import Path

from itables import options as itables_options
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from unroll.report.comparison import Comparison
from unroll.report.runs import read_runs
from unroll.report.sections import sections
from unroll.report.values import show


def report_page(paths: list[Path]) -> str:
    """The page of the runs in these folders; `read_runs` says what a folder can be.

    Raises:
        InputError: there are no runs that can be read.
    """
    comparison = Comparison(read_runs(paths))
    title = paths[0].resolve().name if len(paths) == 1 else f"{len(comparison.runs)} runs"
    bundle = Path(itables_options.dt_bundle)
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    return templates.get_template("page.html").render(
        title=title,
        summary=_summary(comparison),
        sections=sections(comparison),
        # Scripts and styles come from packages, and Plotly escapes its plots: neither is escaped again.
        plot_script=Markup(get_plotlyjs()),
        table_style=Markup(bundle.with_suffix(".css").read_text(encoding="utf-8")),
        table_script=b64encode(bundle.read_bytes()).decode("ascii"),
    )


def _summary(comparison: Comparison) -> str:
    states = Counter(run.state for run in comparison.runs)
    counted = ", ".join(f"{number} {state}" for state, number in states.most_common())
    best = comparison.runs[0]
    reached = ", ".join(
        f"{each.name} {show(best.objectives[each.name])}"
        for each in comparison.objectives
        if each.name in best.objectives
    )
    number = len(comparison.runs)
    return f"{number} run{'s' if number > 1 else ''}: {counted}." + (
        f" Best: {best.name} with {reached}." if reached else ""
    )
