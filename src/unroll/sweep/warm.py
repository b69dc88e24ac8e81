"""Imports everything that a run needs. The process that trials are forked from imports this module once."""

import importlib

import unroll.sweep.run_trial  # noqa: F401  # brings torch, Lightning, torchmetrics and W&B
from unroll.config import registry

for group in registry.GROUPS:
    for module in registry.names(group).values():
        importlib.import_module(module)
