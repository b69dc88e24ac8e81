"""The sections of a page. Each says in a sentence what it shows, or why it is empty."""

from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field

import plotly.graph_objects as go
from markupsafe import Markup

from unroll.errors import InputError
from unroll.report import figures, forecasts, tables
from unroll.report.comparison import Comparison, Objective
from unroll.report.curves import MOST_CURVES, curves, window
from unroll.report.files import RunSummary
from unroll.report.importance import importances
from unroll.report.parallel import parallel
from unroll.report.scoreboard.board import Board
from unroll.report.scoreboard.picture import png
from unroll.report.scoreboard.tables import below, costs, is_own, legend, notes, results
from unroll.report.settings import SEED, counted, setting
from unroll.report.tables import SortableTable
from unroll.report.values import show
from unroll.runs.folder import RunFolder

Pairs = list[tuple[str, str]]

MOST_NAMED_RUNS = 10
"""At most this many runs are named that ended in the same way."""


@dataclass(kw_only=True, slots=True)
class Section:
    """A part of the page. `more` is folded away; `pictures` are PNG in base64."""

    anchor: str
    title: str
    text: str
    pairs: Pairs = field(default_factory=list)
    more: dict[str, Pairs] = field(default_factory=dict)
    table: SortableTable | None = None
    notes: Pairs = field(default_factory=list)
    figures: list[Markup] = field(default_factory=list)
    examples: list[list[str]] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)


def sections(comparison: Comparison) -> list[Section]:
    """All sections, in the order of the page."""
    together = [_parallel, _curves, _importance, _costs, _seeds]
    if len(comparison.runs) == 1:
        together = [_curves]
    elif comparison.several_at_once:
        together.append(_trade_off)
    made = [make(comparison) for make in (_settings, _runs, *together)]
    made += [*_forecasts(comparison), _best(comparison)]
    return [*_scoreboard(Board.of(sorted(comparison.runs, key=lambda run: run.name))), *made]


def _scoreboard(board: Board) -> list[Section]:
    """A section for each table of the scoreboard; none where fewer than two architectures have a result."""
    if len({cell.architecture for cell in board.cells.values() if cell.runs}) < 2:
        return []
    made = []
    for number, (title, tasks) in enumerate(board.tables().items()):
        sources = [(str(index), line) for index, line in enumerate(notes(board, tasks), start=1)]
        section = Section(
            anchor=f"scoreboard-{number}",
            title=f"Scoreboard: {title}",
            text=legend(title),
            pairs=[("", line) for line in below(board, title, tasks)],
            more={"Where the published values are from": sources},
            table=tables.plain(results(board, title, tasks)),
        )
        if number == 0:
            section.pictures = {"tasks and architectures": b64encode(png(board)).decode("ascii")}
        made.append(section)
        for task in tasks if is_own(title) else ():
            made.append(
                Section(
                    anchor=f"costs-of-{len(made)}",
                    title=f"Costs: {task.name}",
                    text="What each architecture costs, the best one first: means over its runs.",
                    table=tables.plain(costs(board, task)),
                )
            )
    return made


def _settings(comparison: Comparison) -> Section:
    settings, runs = comparison.settings, comparison.runs
    pairs = []
    for key in settings.varied:
        values = counted(key, runs)
        follow = settings.follow.get(key)
        pairs.append((key, values + (f"; with it {', '.join(follow)}" if follow else "")))
    text = "The settings that varied, and how many runs had each value." if pairs else "Nothing varied."
    same = {f"The same in all: {len(settings.same)} settings": sorted(settings.same.items())}
    return Section(anchor="settings", title="Settings", text=text, pairs=pairs, more=same)


def _runs(comparison: Comparison) -> Section:
    names = [each.name for each in comparison.objectives]
    text = "Every run, best first" + (f" by {names[0]}" if names else "")
    text += ". A click on a heading sorts by its column."
    told: dict[str, list[str]] = {}
    for run in comparison.runs:
        if run.faults or (run.reason and run.state != "pruned"):
            words = "; ".join([run.state, *filter(None, [run.reason]), *run.faults])
            told.setdefault(words, []).append(run.name)
    notes = [(_listed(names), words) for words, names in told.items()]
    return Section(anchor="runs", title="Runs", text=text, table=tables.runs(comparison), notes=notes)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED_RUNS} more" if len(names) > MOST_NAMED_RUNS else ""
    return ", ".join(names[:MOST_NAMED_RUNS]) + more


def _parallel(comparison: Comparison) -> Section:
    section = Section(anchor="parallel", title="Parallel coordinates", text="")
    compared = _compared(comparison)
    if not compared or not comparison.settings.varied:
        section.text = "This takes two runs with a result, and a setting that varies."
        return section
    section.text = (
        "Each line is a run. Drag along an axis to keep only the runs that pass there; drag the name of an "
        "axis to move it."
    )
    # Where runs have several objectives, every plot shows them all.
    shown = compared[:1] if comparison.several_at_once else compared
    section.figures = [_drawn(parallel(comparison, each), f"parallel-{at}") for at, each in enumerate(shown)]
    return section


def _curves(comparison: Comparison) -> Section:
    found = Counter(name for run in comparison.runs for name in run.curves)
    wanted = [each.name for each in comparison.objectives if each.name in found]
    metrics = list(dict.fromkeys([*wanted, *sorted(found)]))
    section = Section(anchor="curves", title="Learning curves", text="No run has logged a curve.")
    if metrics:
        section.text = (
            "A metric over the steps of training; choose which above the plot. Runs that differ only in "
            "their seed share a colour. A click in the legend hides some, a double click shows them alone."
        )
        if len(comparison.runs) > MOST_CURVES:
            section.text += f" Only the best {MOST_CURVES} runs are drawn."
        if any(window(comparison, metric) for metric in metrics):
            section.text += " What lies far from the other runs is cut off; a double click shows it."
        section.figures = [_drawn(curves(comparison, metrics), "curves-plot")]
    return section


def _importance(comparison: Comparison) -> Section:
    section = Section(anchor="importance", title="Importance of settings", text="No two runs have a result.")
    found = {each.name: importances(comparison, each) for each in _compared(comparison)}
    shares = {name: share for name, share in found.items() if isinstance(share, dict)}
    if found:
        section.text = " ".join(dict.fromkeys(reason for reason in found.values() if isinstance(reason, str)))
    if shares:
        section.text = (
            "The share of each setting in the differences between the runs (fANOVA). "
            f"This is a hint: the fewer the runs, the more of it is chance. {section.text}"
        )
        section.figures = [_drawn(figures.importance(shares), "importance-plot")]
    return section


def _costs(comparison: Comparison) -> Section:
    section = Section(
        anchor="costs", title="Time and parameters", text="No two runs have both a cost and a result."
    )
    objectives = [each for each in _compared(comparison) if each.name not in figures.PLOTTED_COSTS]
    if any(
        set(figures.PLOTTED_COSTS) & set(run.costs)
        for each in objectives
        for run in comparison.runs_with(each)
    ):
        section.text = "The result of each run against its cost in seconds and in parameters."
        section.figures = [_drawn(figures.costs(comparison, objectives), "costs-plot")]
    return section


def _seeds(comparison: Comparison) -> Section:
    section = Section(anchor="seeds", title="Over seeds", text="No two runs differ in their seed alone.")
    most = max(len({setting(run, SEED) for run in group.runs}) for group in comparison.groups)
    if most > 1:
        section.text = (
            "Runs that differ only in their seed: mean ± sample standard deviation. Point at a cell to "
            "see the lowest and the highest value. Each point of the plot is a run."
        )
        section.table = tables.seeds(comparison)
        plots = [figures.seeds(comparison, each) for each in _compared(comparison)]
        section.figures = [_drawn(plot, f"seeds-plot-{at}") for at, plot in enumerate(plots)]
    return section


def _trade_off(comparison: Comparison) -> Section:
    front = ", ".join(run.name for run in comparison.front(comparison.objectives))
    return Section(
        anchor="trade-off",
        title="Trade-off",
        text="The objectives against each other. The Pareto front is the runs that no other run equals or "
        f"beats in every objective: {front}.",
        figures=[_drawn(figures.trade_off(comparison), "trade-off-plot")],
    )


def _forecasts(comparison: Comparison) -> list[Section]:
    """Sections of forecasts; none where no run has made any."""
    made = []
    if (figure := forecasts.ahead(comparison)) is not None:
        text = "The mean absolute error at each step ahead, on test data, of each run and of naive forecasts."
        section = Section(anchor="ahead", title="Errors ahead", text=text)
        section.figures = [_drawn(figure, "ahead-plot")]
        made.append(section)
    if (table := forecasts.series(comparison.runs[0])) is not None:
        text = f"The errors of {comparison.runs[0].name} on the test part of each series."
        made.append(Section(anchor="series", title="Errors by series", text=text, table=table))
    return made


def _best(comparison: Comparison) -> Section:
    best = comparison.runs[0]
    if not best.objectives and len(comparison.runs) > 1:
        return Section(anchor="best", title="Best run", text="No run has a result.")
    measures = {
        **best.objectives,
        **{f"test/{name}": value for name, value in best.test.items()},
        **{name: best.costs[name] for name in tables.COST_COLUMNS if name in best.costs},
    }
    pictures, faults = _pictures(best)
    varied = comparison.settings.varied
    name = f"{best.name}: {comparison.settings.label(best, seed=True)}" if varied else best.name
    return Section(
        anchor="best",
        title="Best run" if len(comparison.runs) > 1 else "The run",
        text=f"{name}. {best.verdict}" if best.verdict else name,
        pairs=[(name, show(value)) for name, value in measures.items()],
        more={"Its settings": sorted({**best.config, **best.overrides}.items())},
        examples=best.examples,
        notes=[(best.name, fault) for fault in faults],
        pictures=pictures,
    )


def _pictures(run: RunSummary) -> tuple[dict[str, str], list[str]]:
    """The pictures of a run in base64, and what is wrong with those that are not shown."""
    shown, faults = {}, []
    for path in run.pictures:
        try:
            shown[path.stem] = b64encode(RunFolder(run.folder).read_picture(path)).decode("ascii")
        except InputError as error:
            faults.append(str(error))
    return shown, faults


def _compared(comparison: Comparison) -> list[Objective]:
    """The objectives that at least two runs have."""
    return [each for each in comparison.objectives if len(comparison.runs_with(each)) > 1]


def _drawn(figure: go.Figure, name: str) -> Markup:
    """A plot as HTML that is safe in a page, without Plotly's library."""
    config = {
        "displaylogo": False,
        "showSendToCloud": False,  # this button would upload the data
        "responsive": True,
        "plotGlPixelRatio": 1,  # lines of parallel coordinates are one pixel wide; a fraction would blur them
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d"],
    }
    return Markup(figure.to_html(config, include_plotlyjs=False, full_html=False, div_id=name))
