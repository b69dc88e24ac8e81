"""Keeps NaN and infinity out of the weights."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

import torch
from jaxtyping import Bool, Float
from torch import Tensor, distributed, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from unroll.batch import SequenceBatch
from unroll.errors import NumericError

MOST_NAMED_SAMPLES = 16


class FiniteSteps:
    """Checks the losses and gradients of every optimizer step before it is taken, or on a GPU right after.

    Attributes:
        skip: leave out a step that is not finite instead of ending the run.
        scaled: whether a GradScaler scales the loss; it handles infinite gradients itself.
        skipped: the number of steps that were left out.
    """

    def __init__(self, *, skip: bool = False, scaled: bool = False) -> None:
        self.skip = skip
        self.scaled = scaled
        self.skipped = 0
        self._losses: list[Tensor] = []
        self._samples: list[Tensor] = []
        self._taken: _Step | None = None
        self._shared = False

    def note(self, batch: SequenceBatch, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Add a batch to the current step; the loss to take the gradient of.

        Of several processes each sees its own loss, but all see the mean gradient. A loss may be infinite and
        its gradient finite: then the gradient is made NaN, so that no process takes the step alone.
        """
        self._losses.append(loss.detach())
        self._samples.append(batch.index)
        if not _are_several():
            return loss
        return loss * torch.where(loss.detach().isfinite(), 1.0, torch.nan)

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float | None, step: int) -> str | None:
        """Clip the norm of the gradient, unless `max_norm` is None. Return a message if the step is left out.

        Raises:
            NumericError: a loss or a gradient is not finite, and `skip` is off. Where the check is deferred,
                that of the step before.
        """
        self.settle()
        parameters = list(parameters)
        if max_norm is None:
            norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        else:
            norm = clip_grad_norm_(parameters, max_norm)
        losses = torch.stack(self._losses)
        fine = torch.isfinite(losses).all()
        if not self.scaled:
            fine = fine & torch.isfinite(norm)
        taken = _Step(step, fine, losses, norm, self._samples)
        self._losses, self._samples = [], []
        if self.is_deferred(fine):
            self._taken = taken.on_its_way()
            return None
        if bool(fine):
            return None
        message = self._message_of(taken)
        if not self.skip:
            self._end(message, "the step was not applied")
        for parameter in parameters:
            parameter.grad = None  # optimizers skip parameters without a gradient
        self.skipped += 1
        return message

    def settle(self) -> None:
        """Wait for the check of the last step. Call it before anything is measured or saved.

        Raises:
            NumericError: a loss or a gradient was not finite.
        """
        taken, self._taken = self._taken, None
        if taken is not None and not taken.is_fine():
            self._end(self._message_of(taken), "no checkpoint holds that step")

    def is_deferred(self, fine: Bool[Tensor, ""]) -> bool:
        """Whether a step is taken before its check has come from the device, which would be waited for.

        Then the next step, a validation or a checkpoint begins with the check. To leave a step out, it is
        needed at once.
        """
        return fine.device.type == "cuda" and not self.skip

    def _message_of(self, taken: "_Step") -> str:
        message = _message(taken.losses, taken.norm, taken.samples, taken.number)
        if self._is_shared(taken.norm):
            message = _message_of_all(message, bool(torch.isfinite(taken.losses).all()))
        self._shared = self._is_shared(taken.norm)
        return message

    def _is_shared(self, norm: Tensor) -> bool:
        """Whether all processes have met the same: they share the mean gradient."""
        return _are_several() and not math.isfinite(norm) and not self.scaled

    def _end(self, message: str, outcome: str) -> NoReturn:
        if self._shared and distributed.get_rank() > 0:
            raise SystemExit(0)  # the first process prints the message
        raise NumericError(
            f"{message}; {outcome}. Try a smaller optimizer.lr or trainer.gradient_clip, "
            "trainer.nonfinite=skip to leave it out, trainer.detect_anomaly=true to find the cause"
        )


@dataclass(slots=True)
class _Step:
    """A step of the optimizer, and whether its losses and its gradient are finite."""

    number: int
    fine: Tensor
    losses: Tensor
    norm: Tensor
    samples: list[Tensor]
    arrival: torch.cuda.Event | None = None

    def on_its_way(self) -> "_Step":
        """The same step, whose check is being copied to the host."""
        if self.fine.device.type != "cuda":
            return self
        self.fine = self.fine.to("cpu", non_blocking=True)
        self.arrival = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.arrival.record()
        return self

    def is_fine(self) -> bool:
        if self.arrival is not None:
            self.arrival.synchronize()
        return bool(self.fine)


def _are_several() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def _message_of_all(message: str, finite: bool) -> str:
    """The message of the first process whose own losses are not finite; if there is none, of the first."""
    messages: list[tuple[bool, str]] = [(finite, message)] * distributed.get_world_size()
    distributed.all_gather_object(messages, (finite, message))
    return min(messages, key=lambda each: each[0])[1]


def _message(losses: Tensor, norm: Tensor, samples: list[Tensor], step: int) -> str:
    wrong = (~losses.isfinite()).tolist()
    if any(wrong):
        value = losses[wrong.index(True)].item()
        named = [batch for batch, is_wrong in zip(samples, wrong, strict=True) if is_wrong]
        what = f"train/loss={value}"
    else:
        named, what = samples, f"gradient norm={norm.item()}"
    numbers = torch.cat(named).tolist()
    listed = ", ".join(map(str, numbers[:MOST_NAMED_SAMPLES])) + (
        ", …" if len(numbers) > MOST_NAMED_SAMPLES else ""
    )
    return f"{what} at step {step}, of the training samples {listed}"
