"""Imports everything that a run needs. The process that trials are forked from imports this module once."""

import importlib
from contextlib import suppress

import unroll.sweep.run_trial  # noqa: F401  # brings torch, Lightning, torchmetrics and W&B
from unroll.config import registry
from unroll.config.broken_files import component_errors
from unroll.errors import InputError

for group in registry.GROUPS:
    for module in registry.names(group).values():
        with suppress(InputError), component_errors():  # a trial that needs a broken file is told of it
            importlib.import_module(module)
