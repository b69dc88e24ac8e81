"""Truncated backpropagation through time: training on batches that are cut along time."""

import csv
import dataclasses
import itertools
import math

import pytest
import torch
from commands import train
from file_data import data_in, series_table, write
from helpers import any_batch, any_spec, small_model
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrences import CELLS, close, label

from unroll.config.compose import CONF, check, compose
from unroll.config.root import load
from unroll.data.module import build_data
from unroll.data.segments import segments
from unroll.errors import InputError
from unroll.models.base import build_model
from unroll.spec import IGNORED, Alignment, Kind

STEPS = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.STEP)
LENGTHS = [3, 8, 1, 7, 8]

# Lengths from 15 to 40 in batches of 4, of which only 8 sequences at a time are sorted by length: how many
# segments there are differs from epoch to epoch.
SMALL = [
    *("model=many_to_many", "model.hidden_size=5", "logger=csv", "trainer.log_every=1", "data.batch_size=4"),
    *("data.bucket_pool=2", "data.train_size=30", "data.valid_size=5", "data.test_size=5"),
]


def values_of(*overrides):
    return check(compose([*SMALL, *overrides]), CONF)


def trained(folder, *overrides):
    """The outcome of a run in this process, and the weights at its end."""
    from unroll.training.run import run

    outcome = run({**values_of(*overrides), "run_dir": str(folder)})
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return outcome, checkpoint["state_dict"]


def fresh(*overrides):
    """The config, data and model that a run begins with."""
    loaded = load(values_of(*overrides))
    data = build_data(loaded.data, loaded.seed)
    torch.manual_seed(loaded.seed)
    return loaded, data, build_model(loaded.model, data.spec, loaded.optimizer, loaded.scheduler)


def epochs_of(data, number):
    """The whole batches of each epoch."""
    loader = data.train_dataloader()
    for epoch in range(number):
        loader.batch_sampler.set_epoch(epoch)
        yield list(loader)


def row_of(batch, row, start, end):
    """One sequence alone, from one step to another."""
    return dataclasses.replace(
        batch,
        index=batch.index[row : row + 1],
        inputs=batch.inputs[row : row + 1, start:end],
        lengths=torch.tensor([end - start]),
        targets=batch.targets[row : row + 1, start:end],
    )


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), steps=st.integers(1, 11))
def test_segments_are_the_sequences_cut(lengths, steps):
    for inputs in (Kind.TOKENS, Kind.CONTINUOUS):
        batch = any_batch(any_spec(inputs, Kind.CLASSES, Alignment.STEP), lengths)
        if inputs is Kind.TOKENS:
            batch.characters = torch.randint(4, 9, (*batch.inputs.shape, 3))
        pieces = list(segments(batch, steps))
        assert [piece.start for piece in pieces] == list(range(0, max(lengths), steps))
        assert all(
            piece.inputs.shape[1] == piece.lengths.max() and piece.lengths.min() > 0 for piece in pieces
        )
        for before, after in itertools.pairwise(pieces):
            assert torch.equal(after.index, before.index[: len(after)])
        for row, length in enumerate(lengths):
            own = [(piece, piece.index.tolist().index(row)) for piece in pieces if row in piece.index]
            for name in ("inputs", "targets", *(["characters"] if inputs is Kind.TOKENS else [])):
                joined = torch.cat([getattr(p, name)[r, : p.lengths[r]] for p, r in own])
                assert torch.equal(joined, getattr(batch, name)[row, :length])


@pytest.mark.parametrize("cell", CELLS, ids=label)
@pytest.mark.parametrize("num_layers", [0, 2])
def test_outputs_of_the_segments_are_those_of_the_whole(cell, num_layers):
    model = small_model("many_to_many", STEPS, cell=cell, num_layers=num_layers)
    batch = any_batch(STEPS, LENGTHS)
    whole = model(batch)
    for piece in segments(batch, 3):
        outputs = model.training_outputs(piece)
        end = piece.start + piece.inputs.shape[1]
        close(outputs[piece.mask], whole[piece.index, piece.start : end][piece.mask])
    model.training_outputs(next(segments(batch, 3)))
    close(model.training_outputs(batch), whole)  # which starts anew


def test_segments_of_a_series_with_a_plan_are_forecast_as_the_whole(tmp_path):
    """Inputs of later steps, and outputs that are measured from the value at their step."""
    rows = series_table(steps=150).assign(plan=lambda rows: (rows.index % 7 == 3).astype(int))
    file = write(tmp_path, "s.csv", rows.to_csv(index=False))
    columns = {"target": "load", "known": ["plan"], "id": "id", "time": "time"}
    options = {"task": "one_ahead", "window": 12, "horizon": 1, "season": 4, "calendar": "auto"}
    data = data_in(file, "series", **columns, **options, scaling="last")
    assert "plan+1" in data.spec.input_names
    model = small_model("many_to_many", data.spec, quantiles=[0.1, 0.5, 0.9])
    batch = data.collate(data.splits["train"].samples[:5])
    whole = model(batch)
    for piece in segments(batch, 5):
        end = piece.start + piece.inputs.shape[1]
        torch.testing.assert_close(model.training_outputs(piece), whole[:, piece.start : end])


@pytest.mark.parametrize("cell", CELLS, ids=label)
def test_states_are_carried_under_autocast(cell):
    model = small_model("many_to_many", STEPS, cell=cell).train()
    for piece in segments(any_batch(STEPS, LENGTHS), 3):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(piece)
        loss.backward()
        assert loss.isfinite()


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer.truncate_steps=7"],
        ["trainer.truncate_steps=13", "trainer.accumulate=2", "model/cell=lstm", "model.num_layers=2"],
        ["trainer.truncate_steps=1", "model/cell=min_gru", "data.bucket_pool=0", "trainer.max_epochs=1"],
        ["trainer.truncate_steps=16", "model.checkpoint_steps=3"],
    ],
    ids=lambda overrides: overrides[0],
)
def test_training_is_what_it_would_be_by_hand(overrides, tmp_path):
    """Each sequence alone, its state turned into numbers at every cut, a step of SGD at each."""
    options = ["optimizer=sgd", "optimizer.lr=0.1", "trainer.gradient_clip=0", "model.initial_state=learned"]
    options += ["trainer.max_epochs=2", *overrides]
    outcome, weights = trained(tmp_path / "run", *options)

    loaded, data, model = fresh(*options)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=loaded.optimizer.momentum)
    steps, accumulate = loaded.trainer.truncate_steps, loaded.trainer.accumulate
    numbers = []
    for batches in epochs_of(data, loaded.trainer.max_epochs):
        cuts = [(b, start) for b in batches for start in range(0, int(b.lengths.max()), steps)]
        for number, (batch, start) in enumerate(cuts, 1):
            if start == 0:
                states = [None] * len(batch)
            rows, outputs = [], []
            for row in (batch.lengths > start).nonzero()[:, 0].tolist():
                piece = row_of(batch, row, start, min(start + steps, int(batch.lengths[row])))
                vectors, final = model.backbone(piece, states[row])
                states[row] = [tuple(tensor.detach() for tensor in tensors) for tensors in final]
                rows.append(piece.targets[0])
                outputs.append(model.output(vectors)[0])
            loss = model.target.loss(torch.cat(outputs), torch.cat(rows))
            (loss / accumulate).backward()
            learned = [p.grad for n, p in model.named_parameters() if "learned" in n]
            assert accumulate > 1 or all((gradient is None) == (start > 0) for gradient in learned)
            if number % accumulate == 0 or number == len(cuts):
                optimizer.step()
                optimizer.zero_grad()
        numbers.append(len(cuts))
    assert outcome["steps"] == sum(math.ceil(number / accumulate) for number in numbers)
    torch.testing.assert_close(
        dict(model.named_parameters()), {name: weights[name] for name, _ in model.named_parameters()}
    )


def test_segments_longer_than_all_sequences_change_not_a_bit(tmp_path):
    options = ["model.dropout=0.3", "model.num_layers=2", "trainer.max_epochs=2", "scheduler=cosine"]
    outcome, weights = trained(tmp_path / "a", *options)
    other_outcome, other_weights = trained(tmp_path / "b", *options, "trainer.truncate_steps=40")
    assert outcome["test"] == other_outcome["test"]
    assert outcome["steps"] == other_outcome["steps"] == 16
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


def test_an_epoch_has_its_own_number_of_steps_whatever_the_workers_and_wherever_it_went_on(tmp_path):
    options = ["trainer.truncate_steps=6", "model.dropout=0.3"]
    outcome, weights = trained(tmp_path / "whole", *options, "trainer.max_epochs=4")
    _, data, _ = fresh()
    numbers = [sum(-(-int(b.lengths.max()) // 6) for b in batches) for batches in epochs_of(data, 4)]
    assert len(set(numbers)) > 1
    ends = list(itertools.accumulate(numbers))
    assert outcome["steps"] == ends[-1]
    with (tmp_path / "whole" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) + 1 for row in rows if row["valid/loss"]] == ends
    assert sum(row["train/loss"] != "" for row in rows) == ends[-1]

    trained(tmp_path / "part", *options, "trainer.max_epochs=2", "data.workers=2")
    going_on = [f"ckpt_path={tmp_path / 'part' / 'checkpoints' / 'last.ckpt'}", "trainer.max_epochs=4"]
    more, other_weights = trained(tmp_path / "more", *options, *going_on)
    assert more["steps"] == ends[-1]
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


def test_a_limit_counts_segments(tmp_path):
    options = ["trainer.truncate_steps=6", "trainer.max_epochs=2"]
    assert trained(tmp_path / "a", *options, "trainer.limit_train_batches=5")[0]["steps"] == 10
    assert trained(tmp_path / "b", *options, "trainer.max_steps=7")[0]["steps"] == 7


def test_a_segment_without_a_target_teaches_nothing():
    model = small_model("many_to_many", STEPS).train()
    batch = any_batch(STEPS, [6, 4])
    batch.targets[:, :3] = IGNORED
    first, second = segments(batch, 3)
    model.loss(first).backward()
    assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)
    assert model.loss(second) > 0


@pytest.mark.parametrize(
    ("model", "values", "reason"),
    [
        (
            "many_to_one",
            {},
            "needs a target for each step, but the targets of model many_to_one are one per seq",
        ),
        ("many_to_many", {"bidirectional": True}, r"model\.bidirectional=true reads the whole sequence"),
        (
            "many_to_many",
            {"front_end": {"name": "conv", "causal": True}},
            r"model\.front_end\.name=conv sees",
        ),
        (
            "many_to_many",
            {"front_end": {"name": "feature_conv"}},
            r"model\.front_end\.name=feature_conv sees",
        ),
        ("many_to_many", {"front_end": {"name": "mlp"}}, None),
        ("many_to_many", {"front_end": {"name": "conv", "kernel_size": 1}}, None),
    ],
)
def test_what_cannot_be_truncated_is_told(model, values, reason):
    alignment = Alignment.SEQUENCE if model == "many_to_one" else Alignment.STEP
    built = small_model(model, any_spec(Kind.CONTINUOUS, Kind.CLASSES, alignment, length=9), **values)
    if reason is None:
        built.require_truncatable(4)
    else:
        with pytest.raises(InputError, match=rf"trainer\.truncate_steps=4: {reason}"):
            built.require_truncatable(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trainer.truncate_steps=0"], "trainer.truncate_steps=0: must be 1 or more, or null"),
        (
            ["trainer.devices=2"],
            "trainer.truncate_steps=5: must be null with trainer.devices=2; set that to 1",
        ),
        (["model.bidirectional=true", "data=tagging"], "trainer.truncate_steps=5: model.bidirectional=true"),
        (
            ["model=seq2seq"],
            "trainer.truncate_steps=5: needs a target for each step, but the targets of model seq2",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_ends_in_one_line(arguments, message, tmp_path):
    done = train("model=many_to_many", "trainer.truncate_steps=5", *arguments, cwd=tmp_path)
    assert done.stderr.startswith(f"error: {message}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
