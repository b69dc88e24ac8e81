"""Each layer imports only what stands before it, and heavy packages stay where they belong."""

import ast

import pytest
from conftest import ROOT

SOURCE = ROOT / "src" / "unroll"

COMMON = {
    "errors",
    "redact",
    "terminal",
    "spec",
    "batch",
    "vocabulary",
    "text",
    "foreign",
    "paths",
    "startup",
}
ALLOWED = {
    "redact": set(),
    "errors": set(),
    "terminal": {"errors", "redact"},
    "spec": set(),
    "batch": {"spec"},
    "vocabulary": {"spec"},
    "text": {"spec", "vocabulary"},
    "foreign": {"errors", "paths"},
    "paths": {"errors"},
    "startup": {"errors", "redact", "terminal"},
    "config": COMMON,
    "runs": COMMON,
    "nn": COMMON | {"config"},
    "models": COMMON | {"config", "nn"},
    "inspect": COMMON | {"config", "nn"},
    "data": COMMON | {"config"},
    "export": COMMON | {"config", "runs", "nn", "models"},
}
ALLOWED["baselines"] = COMMON | {"models", "data"}
ALLOWED["training"] = COMMON | {"config", "runs", "nn", "models", "inspect", "data", "export", "baselines"}
ALLOWED["cost"] = ALLOWED["trained"] = ALLOWED["training"] | {"training"}
ALLOWED["sweep"] = ALLOWED["training"] | {"training"}
ALLOWED["report"] = COMMON | {"runs", "sweep"}
ALLOWED["cli"] = ALLOWED["training"] | {"training", "cost", "trained", "sweep", "report"}

FILES = sorted(file for file in SOURCE.rglob("*.py") if file != SOURCE / "__init__.py")


def imports(file):
    """Modules that a file imports anywhere."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{file}: relative import"
            if node.module == "unroll":
                yield from (f"unroll.{alias.name}" for alias in node.names if alias.name != "__version__")
            else:
                yield node.module


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_layers(file):
    layer = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    for module in imports(file):
        top, _, rest = module.partition(".")
        if top == "unroll":
            assert rest.split(".")[0] in ALLOWED[layer] | {layer}, f"{layer} must not import {module}"
        if top in ("lightning", "pytorch_lightning"):
            assert layer in ("models", "data", "training", "cost")
        if top == "wandb":
            assert file.parent == SOURCE / "training" / "logging"
        if top == "torch":
            assert layer not in (
                "errors",
                "terminal",
                "spec",
                "vocabulary",
                "text",
                "foreign",
                "config",
                "runs",
                "report",
            )


DATA_ROOMS = {
    "readers": ("files", "synthetic", "prediction", "describe", "module"),
    "prediction": ("files", "synthetic", "describe", "module"),
    "synthetic": ("files", "readers", "prediction", "describe"),
    "files": ("synthetic", "describe"),
}
"""What the rooms of data/ must not import."""


@pytest.mark.parametrize("room", DATA_ROOMS)
def test_rooms_of_data(room):
    files = [*(SOURCE / "data" / room).glob("*.py")]
    assert len(files) > 1
    for file in files:
        for module in imports(file):
            top = module.removeprefix("unroll.data.").split(".")[0]
            assert top not in DATA_ROOMS[room], f"{file.name} must not import {module}"
