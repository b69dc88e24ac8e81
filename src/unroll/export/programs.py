"""Programs of torch and ONNX that run without Unroll, each compared with the model it was made from."""

import importlib.util
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram, export, load, save
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from unroll.errors import InputError, MissingEnvironmentError, NumericError
from unroll.export.parts import ModelPart, ProgramInputs, model_parts, random_inputs
from unroll.export.traceable import traceable
from unroll.models.base import SequenceModel
from unroll.runs import files as safe_files

PROGRAM_SUFFIXES = {"program": ".pt2", "onnx": ".onnx"}
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

TRACED_SIZES = 3, 7
CHECKED_SIZES = (5, 11), (1, 2)
"""Numbers of sequences and steps: for tracing a program, and for comparing it with the model."""

RELATIVE_TOLERANCE = 1e-4
"""The largest difference allowed, relative to the largest number in the model's output."""

RunProgram = Callable[[ProgramInputs], list[Tensor]]


def require_packages(kind: str) -> None:
    """Raise a `MissingEnvironmentError` unless the packages for this kind of program are installed."""
    lacking = [name for name in ONNX_PACKAGES if kind == "onnx" and importlib.util.find_spec(name) is None]
    if lacking:
        raise MissingEnvironmentError(
            f"--format onnx needs {', '.join(lacking)}: pip install -e '.[onnx]' in Unroll's folder"
        )


def write_programs(folder: Path, model: SequenceModel, kind: str) -> dict[Path, float]:
    """Write the programs of a model in eval mode, a file for each; return their largest differences from it.

    Raises:
        InputError: torch cannot trace the model.
        NumericError: the outputs of a program differ from those of the model.
    """
    make = {"program": _torch_program, "onnx": _onnx_program}[kind]
    tries = [model_parts(model, random_inputs(model, *sizes)) for sizes in CHECKED_SIZES]
    differences = {}
    for part, *own in zip(
        model_parts(traceable(model), random_inputs(model, *TRACED_SIZES)), *tries, strict=True
    ):
        path = folder / f"{part.name}{PROGRAM_SUFFIXES[kind]}"
        try:
            with torch.no_grad(), _hushed():
                content, run = make(_follow(part), part)
                differences[path] = max(_difference(run(each.inputs), each) for each in own)
        except Exception as error:  # the exporters raise all kinds of errors
            raise InputError(
                f"--format {kind}: the {part.name} of this model cannot be exported ({_reason(error)}); "
                "leave --format out: the weights alone can always be exported"
            ) from error
        if not differences[path] <= RELATIVE_TOLERANCE:
            raise NumericError(
                f"{path}: differs from the model by {differences[path]:.1e}, and was not written"
            )
        safe_files.write(path, content)
    return differences


def _reason(error: BaseException) -> str:
    """What an exporter stumbled over, in one line: what ONNX lacks, deep down in its chain of errors."""
    cause: BaseException | None = error
    while cause is not None:
        if lacking := re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", str(cause)):
            return f"ONNX has no {lacking[1]}"
        cause = cause.__cause__
    return next(iter(str(error).splitlines()), repr(error))


def _follow(part: ModelPart) -> ExportedProgram:
    dims = {name: Dim(name) for free in part.free.values() for name in free.values()}
    shapes = {name: {axis: dims[dim] for axis, dim in free.items()} for name, free in part.free.items()}
    nested = {
        name: {inner: shapes[inner] for inner in value} if isinstance(value, dict) else shapes[name]
        for name, value in part.inputs.items()
    }
    torch.compiler.reset()  # the compiler caches scans, and would give this one the length of another
    program = export(part.module, (), dict(part.inputs), dynamic_shapes=nested, strict=False)
    for graph in program.graph_module.modules():
        for node in graph.graph.nodes if isinstance(graph, GraphModule) else ():
            node.meta.pop("stack_trace", None)  # the stack trace names files of this machine
    return program


def _torch_program(program: ExportedProgram, part: ModelPart) -> tuple[bytes, RunProgram]:
    buffer = io.BytesIO()
    save(program, buffer)
    module = load(io.BytesIO(buffer.getvalue())).module()
    return buffer.getvalue(), lambda inputs: pytree.tree_leaves(module(**inputs))


def _onnx_program(program: ExportedProgram, part: ModelPart) -> tuple[bytes, RunProgram]:
    import onnxruntime

    made = torch.onnx.export(
        program, input_names=list(part.free), output_names=part.outputs, dynamo=True, verbose=False
    )
    assert made is not None
    content: bytes = made.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content)

    def run(inputs: ProgramInputs) -> list[Tensor]:
        values = zip(part.free, pytree.tree_leaves(inputs), strict=True)
        return [torch.from_numpy(each) for each in session.run(None, {k: v.numpy() for k, v in values})]

    return content, run


def _difference(outputs: list[Tensor], own: ModelPart) -> float:
    """The largest difference between the outputs of a program and those of the model, on the same inputs.

    It is relative to the largest number of each output, and infinite if shapes or non-finite numbers differ.
    """
    largest = 0.0
    for found, wanted in zip(outputs, pytree.tree_leaves(own.module(**own.inputs)), strict=True):
        finite = wanted.isfinite()
        if found.shape != wanted.shape or not torch.equal(finite, found.isfinite()):
            return float("inf")
        found, wanted = found[finite].double(), wanted[finite].double()
        if len(wanted):
            largest = max(largest, float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1.0)))
    return largest


@contextmanager
def _hushed() -> Iterator[None]:
    """Silence the warnings of the exporters about their own code."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
