"""`unroll export`: a model to share, or to run elsewhere."""

from pathlib import Path

import click

from unroll.cli.options import RUN_ARGUMENT, require_run
from unroll.errors import InputError, reason


@click.command()
@RUN_ARGUMENT
@click.option("--output", type=click.Path(path_type=Path), help="The folder; RUN/export by default.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["program", "onnx"]),
    help="Also write programs that run without Unroll: .pt2, for torch.export.load, or .onnx.",
)
def export(run: Path, output: Path | None, kind: str | None) -> None:
    """Write a model's weights as safetensors, and everything else about it as JSON.

    `unroll predict` and the other commands accept the folder as a run. A program is model.pt2 or model.onnx.
    A model that writes tokens has two: encoder, and decoder, which is one decoding step. Programs take
    batches of any size, padded to any length of two steps or more. Each is compared with the model first.
    """
    require_run(run)
    folder = output or (run / "export" if run.is_dir() else run.with_name(f"{run.stem}-export"))
    from unroll.export import programs, safetensors
    from unroll.models.base import load_model
    from unroll.runs.checkpoints import find
    from unroll.training import checkpoints

    if kind is not None:
        programs.require_packages(kind)
    checkpoint = checkpoints.read(find(run))
    model = load_model(checkpoint, str(run))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = safetensors.write(folder, model, checkpoint)
        for path in written:
            print(f"wrote {path}")
        if kind is not None:
            for path, difference in programs.write_programs(folder, model, kind).items():
                print(f"wrote {path}   (differs from the model by {difference:.1e} at most)")
    except (OSError, ValueError) as error:
        raise InputError(f"--output {folder}: cannot be written ({reason(error)}); name another") from error
