"""The dashboard on the W&B server: a definition that can be built again."""

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from unroll.errors import MissingEnvironmentError

NAME = "Unroll"
CURVES = ("train/loss", "valid/loss")
SHARES = (
    "valid/accuracy",
    "valid/exact_match",
    "valid/f1",
    "valid/wer",
    "valid/per",
    "valid/mase",
    "valid/mae",
)
PARAMETERS = (
    "model.name",
    "model.cell.name",
    "model.hidden_size",
    "model.num_layers",
    "optimizer.lr",
    "seed",
)
PICTURES = (
    "forecasts",
    "attention",
    "confusion",
    "hidden_states",
    "gradients",
    "accuracy_by_length",
    "curves",
)
COST = ("seconds", "parameters", "sequences_per_second")


def build(entity: str, project: str) -> ws.Workspace:
    """The workspace of a project: curves, what they come from, samples and pictures. Nothing is sent."""
    loss = wr.SummaryMetric("valid/loss")
    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(key)) for key in PARAMETERS]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[
            ws.Section(
                name="Curves",
                is_open=True,
                panels=[
                    *[wr.LinePlot(title=name, y=[name], log_y=True) for name in CURVES],
                    *[wr.LinePlot(title=name, y=[name]) for name in SHARES],
                ],
            ),
            ws.Section(
                name="What makes the difference",
                is_open=True,
                panels=[
                    wr.ParallelCoordinatesPlot(columns=[*columns, wr.ParallelCoordinatesPlotColumn(loss)]),
                    wr.ParameterImportancePlot(with_respect_to="valid/loss"),
                    *[wr.ScatterPlot(title=name, x=wr.SummaryMetric(name), y=loss) for name in COST],
                ],
            ),
            ws.Section(
                name="Samples and pictures",
                is_open=True,
                panels=[
                    wr.WeavePanelSummaryTable(table_name="test/examples"),
                    *[wr.MediaBrowser(title=name, media_keys=[f"pictures/{name}"]) for name in PICTURES],
                ],
            ),
        ],
    )


def publish(project: str, entity: str | None = None) -> str:
    """Make the workspace on the server; its address. `entity` is the key's own unless it is given.

    Raises:
        MissingEnvironmentError: the server refuses, or there is no such project.
    """
    try:
        entity = entity or wandb.Api().default_entity
        if entity is None:
            raise MissingEnvironmentError("--publish: the key has no team or user of its own; give --entity")
        workspace = build(entity, project)
        workspace.save()
    except (wandb.errors.Error, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingEnvironmentError(f"--publish: the W&B server did not take it ({reason})") from error
    return str(workspace.url)
