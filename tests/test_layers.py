"""Each layer imports only what stands before it, and heavy packages stay where they belong."""

import ast

import pytest
from conftest import ROOT

SOURCE = ROOT / "src" / "unroll"

ALLOWED = {
    "redact": set(),
    "errors": {"redact"},
    "spec": set(),
    "foreign": {"errors"},
    "command_line": {"errors"},
    "sockets": {"errors"},
    "registry": {"errors", "spec"},
    "components": {"registry", "spec"},
    "vocabulary": {"spec"},
    "text": {"errors", "spec", "vocabulary"},
    "batch": {"spec"},
    "sweep_config": {"registry"},
    "config": {"registry", "components", "sweep_config"},
    "composition_errors": {"errors", "registry"},
    "composition": {"composition_errors", "config", "errors", "foreign", "registry", "sweep_config"},
    "nn": {"components", "errors", "spec", "registry", "batch", "nn"},
    "models": {"components", "errors", "spec", "registry", "vocabulary", "text", "batch", "nn", "models"},
    "inspect": {"components", "errors", "spec", "registry", "vocabulary", "text", "batch", "nn", "inspect"},
    "data": {"components", "errors", "spec", "registry", "vocabulary", "text", "batch", "data"},
}
ALLOWED["training"] = set(ALLOWED) | {"training"}
ALLOWED["sweep"] = set(ALLOWED) | {"sweep"}
ALLOWED["report"] = {"errors", "foreign", "redact", "sweep", "report"}
ALLOWED["workbench"] = set(ALLOWED)
ALLOWED["cli"] = set(ALLOWED) | {"cli"}

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
            assert rest.split(".")[0] in ALLOWED[layer], f"{layer} must not import {module}"
        if top in ("lightning", "pytorch_lightning"):
            assert layer in ("models", "data", "training")
        if top == "wandb":
            assert layer == "training"
        if top == "torch":
            assert layer not in ("errors", "spec", "registry", "components", "vocabulary", "text", "config")
