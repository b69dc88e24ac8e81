"""The groups of parameters that an optimizer treats alike."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from unroll.config.components import OptimizerConfig

Groups = list[dict[str, Any]]
"""As torch's optimizers take them: `params`, and what is another than the optimizer's own."""


class Tuned:
    """A module that says how an optimizer is to treat some of its parameters.

    Names are those of parameters, or of modules that hold some, as seen from the module that says so. They
    may be set for a class, or for an object where its config decides.

    Attributes:
        no_decay: names of those without weight decay. Those of fewer than two axes, as biases and the
            weights of norms, have none anyway.
        lr_scale: by name, how many times the optimizer's rate.
    """

    no_decay: frozenset[str] = frozenset()
    lr_scale: Mapping[str, float] = MappingProxyType({})


def parameter_groups(model: nn.Module, config: OptimizerConfig, *, apart: bool | None = None) -> Groups:
    """The parameters of a model, each with what it wants of weight decay and of the rate.

    In the model's order, and those that want the same are one group: where nobody wants anything, there is
    one, and it is the optimizer's own. `apart` puts those without weight decay in groups of their own: by
    default, where there is a weight decay.

    Raises:
        ValueError: a module names a parameter that it does not have.
    """
    if apart is None:
        apart = config.weight_decay > 0
    undecayed: set[int] = set()
    scales: dict[int, float] = {}
    for module in model.modules():
        if isinstance(module, Tuned):
            undecayed |= {id(p) for p in _named(module, module.no_decay)}
            for name, scale in module.lr_scale.items():
                scales |= {id(p): scale for p in _named(module, [name])}
    groups: dict[tuple[bool, float], dict[str, Any]] = {}
    for parameter in model.parameters():
        decayed = not apart or (parameter.ndim > 1 and id(parameter) not in undecayed)
        scale = scales.get(id(parameter), 1.0)
        group = groups.setdefault(
            (decayed, scale),
            {"params": []}
            | ({} if decayed else {"weight_decay": 0.0})
            | ({} if scale == 1 else {"lr": scale * config.rate, "scale": scale}),
        )
        group["params"].append(parameter)
    return list(groups.values())


def as_saved(model: nn.Module, config: OptimizerConfig, saved: Groups) -> Groups:
    """The groups that an optimizer's state was saved with: `apart`, or not.

    Before there were groups, all parameters were one. Where nothing fits, those of a new run.
    """
    for apart in (None, True, False):
        groups = parameter_groups(model, config, apart=apart)
        if [len(group["params"]) for group in groups] == [len(group["params"]) for group in saved]:
            return groups
    return parameter_groups(model, config)


def _named(module: nn.Module, names: Iterable[str]) -> Iterable[nn.Parameter]:
    parameters, modules = dict(module.named_parameters()), dict(module.named_modules())
    for name in names:
        if name in parameters:
            yield parameters[name]
        elif name in modules:
            yield from modules[name].parameters()
        else:
            raise ValueError(f"{type(module).__name__}: has no parameter {name!r} to tune")
