"""Decoding a batch at once against one sequence after the other."""

import torch
from _setup import load_config, make_batches, make_model
from _timing import in_turns, ratio, table, timed

from unroll.batch import SequenceBatch
from unroll.models.token_generator import TokenGenerator
from unroll.nn.search import Method, SearchConfig
from unroll.spec import END

STEPS = 20  # that every output has: END is made impossible, so that all ways do the same work


def run(quick: bool) -> str:
    """Greedy and beam search of batches of 64 sources of 20 tokens, and the plain loop over them."""
    repeats = 2 if quick else 9
    torch.set_num_threads(1)
    rows = []
    for cell in ("gru", "lstm"):
        for hidden_size in (64, 256):
            model, batch = prepare(cell, hidden_size)
            singles = [single(batch, row) for row in range(len(batch))]
            beam = SearchConfig(method=Method.beam, max_length=STEPS)
            greedy = SearchConfig(max_length=STEPS)
            assert model.decode(batch, greedy).to_lists() == [
                model.decode(one, greedy).to_lists()[0] for one in singles
            ]
            seconds = in_turns(
                {
                    "plain": timed(decode_each, model, singles, greedy),
                    "greedy": timed(model.decode, batch, greedy),
                    "plain beam": timed(decode_each, model, singles, beam),
                    "beam": timed(model.decode, batch, beam),
                },
                repeats,
            )
            rows.append(
                [
                    cell,
                    hidden_size,
                    ratio(seconds["plain"], seconds["greedy"]),
                    ratio(seconds["plain beam"], seconds["beam"]),
                    ratio(seconds["beam"], seconds["greedy"]),
                ]
            )
    return table(
        ["cell", "hidden size", "greedy: loop / batch", "beam 5: loop / batch", "beam 5 / greedy"], rows
    )


def prepare(cell: str, hidden_size: int) -> tuple[TokenGenerator, SequenceBatch]:
    """A seq2seq model, and one batch of sources of the same length."""
    settings = load_config(
        f"model/cell={cell}",
        f"model.hidden_size={hidden_size}",
        "data.min_length=20",
        "data.max_length=20",
        "data.train_size=64",
    )
    model = make_model(settings).eval()
    assert isinstance(model, TokenGenerator)
    with torch.no_grad():
        model.decoder.output.bias[END] = -1e9
    return model, make_batches(settings)[0]


def single(batch: SequenceBatch, row: int) -> SequenceBatch:
    """One source of a batch."""
    rows = slice(row, row + 1)
    return SequenceBatch(index=batch.index[rows], inputs=batch.inputs[rows], lengths=batch.lengths[rows])


def decode_each(model: TokenGenerator, singles: list[SequenceBatch], config: SearchConfig) -> None:
    """The plain loop: one source after the other."""
    for batch in singles:
        model.decode(batch, config)
