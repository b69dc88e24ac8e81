"""Unroll's workspace on the W&B server, defined in code."""

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from unroll.errors import MissingEnvironmentError

WORKSPACE_NAME = "Unroll"
LOSS_METRICS = ("train/loss", "valid/loss")
QUALITY_METRICS = (
    "valid/accuracy",
    "valid/exact_match",
    "valid/f1",
    "valid/wer",
    "valid/per",
    "valid/mase",
    "valid/mae",
)
SETTING_KEYS = (
    "model.name",
    "model.cell.name",
    "model.hidden_size",
    "model.num_layers",
    "optimizer.lr",
    "seed",
)
PICTURE_NAMES = (
    "forecasts",
    "attention",
    "confusion",
    "hidden_states",
    "gradients",
    "accuracy_by_length",
    "curves",
)
COST_METRICS = ("seconds", "parameters", "sequences_per_second")


def build(entity: str, project: str) -> ws.Workspace:
    """The workspace of a project: curves, settings, samples and pictures. Nothing is sent."""
    loss = wr.SummaryMetric("valid/loss")
    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(key)) for key in SETTING_KEYS]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=WORKSPACE_NAME,
        sections=[
            ws.Section(
                name="Curves",
                is_open=True,
                panels=[
                    *[wr.LinePlot(title=name, y=[name], log_y=True) for name in LOSS_METRICS],
                    *[wr.LinePlot(title=name, y=[name]) for name in QUALITY_METRICS],
                ],
            ),
            ws.Section(
                name="What makes the difference",
                is_open=True,
                panels=[
                    wr.ParallelCoordinatesPlot(columns=[*columns, wr.ParallelCoordinatesPlotColumn(loss)]),
                    wr.ParameterImportancePlot(with_respect_to="valid/loss"),
                    *[wr.ScatterPlot(title=name, x=wr.SummaryMetric(name), y=loss) for name in COST_METRICS],
                ],
            ),
            ws.Section(
                name="Samples and pictures",
                is_open=True,
                panels=[
                    wr.WeavePanelSummaryTable(table_name="test/examples"),
                    *[wr.MediaBrowser(title=name, media_keys=[f"pictures/{name}"]) for name in PICTURE_NAMES],
                ],
            ),
        ],
    )


def publish(project: str, entity: str | None = None) -> str:
    """Create the workspace on the server and return its address. `entity` defaults to that of the API key.

    Raises:
        MissingEnvironmentError: the server refuses, or there is no such project.
    """
    try:
        entity = entity or wandb.Api().default_entity
        if entity is None:
            raise MissingEnvironmentError("--publish: the API key belongs to no team or user; give --entity")
        workspace = build(entity, project)
        workspace.save()
    except (wandb.errors.Error, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingEnvironmentError(
            f"--publish: the W&B server did not accept the workspace ({reason})"
        ) from error
    return str(workspace.url)
