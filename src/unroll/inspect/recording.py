"""Listening to a model's recurrences while it runs: what each was given, and what it gave."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unroll.errors import InputError
from unroll.nn.cells.base import State
from unroll.nn.recurrence import Recurrence


@dataclass(slots=True)
class Call:
    """A recurrence's inputs and outputs of one sequence, step by step, and the states given to it.

    `given` holds the states before some of the steps, counted from 0: before the first, and where the
    recurrence ran `stepwise` before each.
    """

    name: str
    recurrence: Recurrence
    stepwise: bool
    x: list[Tensor] = field(default_factory=list)
    given: dict[int, list[State]] = field(default_factory=dict)
    outputs: list[Tensor] = field(default_factory=list)


def recurrences(module: nn.Module) -> dict[str, Recurrence]:
    """The recurrences of a model that have a layer, by their names in it.

    Raises:
        InputError: it has none.
    """
    found = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, Recurrence) and part.num_layers > 0
    }
    if not found:
        raise InputError("the model has no recurrence to look into: model.num_layers must be 1 or more")
    return found


@torch.no_grad()
def record(forward: Callable[[], Any], module: nn.Module, row: int) -> list[Call]:
    """The calls of every recurrence of `module`, in their order, while `forward` runs it without dropout.

    Calls of a recurrence's `step` one after the other are one. `row` chooses the sequence of the batch.
    """
    calls: list[Call] = []
    modes = {part: part.training for part in module.modules()}
    with ExitStack() as undo:
        for part, mode in modes.items():
            undo.callback(setattr, part, "training", mode)
        module.eval()
        for name, recurrence in recurrences(module).items():
            undo.callback(_listen(calls, name or "recurrence", recurrence, row))
        forward()
    return calls


def _listen(calls: list[Call], name: str, recurrence: Recurrence, row: int) -> Callable[[], None]:
    """Add what the recurrence is given and gives to `calls`, until the returned function is called."""

    def own(state: list[State]) -> list[State]:
        return [tuple(tensor[row : row + 1] for tensor in tensors) for tensors in state]

    def on_sequence(
        outputs: Tensor, x: Tensor, state: list[State] | None = None, lengths: Tensor | None = None
    ) -> None:
        length = x.shape[1] if lengths is None else int(lengths[row])
        initial = own(recurrence.initial_state(x) if state is None else state)
        calls.append(
            Call(name, recurrence, False, list(x[row, :length]), {0: initial}, list(outputs[row, :length]))
        )

    def on_step(x: Tensor, state: list[State]) -> tuple[Tensor, list[State]]:
        mine = [call for call in calls if call.recurrence is recurrence]
        if not mine or not mine[-1].stepwise:
            mine.append(Call(name, recurrence, True))
            calls.append(mine[-1])
        output, new = step(x, state)
        mine[-1].given[len(mine[-1].x)] = own(state)
        mine[-1].x.append(x[row])
        mine[-1].outputs.append(output[row])
        return output, new

    step = recurrence.step
    listened: Any = recurrence  # a method of one object is replaced: torch has hooks for forward only
    listened.step = on_step
    handle = recurrence.register_forward_hook(
        lambda _, args, kwargs, result: on_sequence(result[0], *args, **kwargs), with_kwargs=True
    )

    def stop() -> None:
        handle.remove()
        del listened.step

    return stop
