"""`unroll export`: a model to share, or to run elsewhere."""

from pathlib import Path

import click

from unroll.cli.options import OVERWRITE_OPTION, PATH, RUN_ARGUMENT, require_run
from unroll.cli.output import Output
from unroll.errors import InputError, reason


@click.command()
@RUN_ARGUMENT
@click.option("--output", type=PATH, help="The folder; RUN/export by default.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["program", "onnx"]),
    help="Also write programs that run without Unroll: .pt2, for torch.export.load, or .onnx.",
)
@OVERWRITE_OPTION
def export(run: Path, output: Path | None, kind: str | None, overwrite: bool) -> None:
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
    checkpoint_file = find(run)
    checkpoint = checkpoints.read(checkpoint_file)
    model = load_model(checkpoint, str(run))
    for path in safetensors.files(folder) if folder.is_dir() else ():
        Output(
            option="--output",
            path=path,
            overwrite=overwrite or safetensors.is_export(folder),  # one made anew replaces the one before
            inputs=(checkpoint_file, checkpoint_file.with_name(safetensors.CONFIG_FILE)),
        ).require_free()
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
