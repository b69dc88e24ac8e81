"""What the steps of a recurrence are called in tables and pictures: the tokens that it reads."""

from collections.abc import Sequence

from unroll.batch import SequenceBatch
from unroll.spec import START, DataSpec, Kind
from unroll.text import Text


def step_names(
    spec: DataSpec, batch: SequenceBatch, written: Sequence[int] | None = None
) -> dict[str, list[str]]:
    """For recurrences that read tokens: the tokens of the first sequence of a batch.

    A decoder that has `written` tokens has read those before each.
    """
    text, names = Text(spec), {}
    if spec.signature.inputs is Kind.TOKENS:
        read = text.inputs.decode(batch.inputs[0, : int(batch.lengths[0])].tolist())
        names["encoder.recurrence"] = names["backbone.recurrence"] = read
    if written is not None:
        names["decoder.recurrence"] = text.outputs.decode([START, *written])
    return names
