"""Any cell in any block: exact on padded batches, step by step, across cuts; sized by what is asked for."""

import pytest
import torch
from conftest import entries
from helpers import any_batch, any_spec
from recurrences import CELLS, awake, close, gradients, hidden_size, loss_of

from unroll.config.components import InitialState, Padding
from unroll.config.layers import cells_of, read_cell
from unroll.config.registry import from_dict
from unroll.errors import InputError
from unroll.models.base import build_model, load_model
from unroll.models.size import parameter_count, state_count, step_operations
from unroll.nn.blocks.base import Block
from unroll.nn.blocks.convolution import ShortConvolution
from unroll.nn.recurrence import Recurrence
from unroll.spec import Alignment, Kind

BLOCKS = [
    {"name": "residual", "mlp": 1.5},
    {"name": "gated", "expand": 1},
    {"name": "gated", "conv": 0, "gate": False, "mlp": 1.0, "norm": "layer"},
]
LENGTHS = [6, 1, 4, 2]


def named(options):
    return "-".join(map(str, options.values()))


every_block = pytest.mark.parametrize("block", BLOCKS, ids=named)


def recurrence(cell, block, **options):
    size, block = hidden_size(cell), from_dict("model/block", block)
    module = Recurrence(from_dict("model/cell", cell), 3, size, block=block, **{"num_layers": 2, **options})
    return awake(module).double()


def test_every_block_is_tested():
    assert {block["name"] for block in BLOCKS} | {"plain"} == set(entries("model/block"))


@pytest.mark.parametrize(
    ("cell", "block"),
    [(cell, BLOCKS[1]) for cell in CELLS] + [(cell, block) for cell in CELLS[:2] for block in BLOCKS],
    ids=named,
)
def test_padded_batch_equals_single_sequences_and_steps(cell, block):
    """Outputs, final states and gradients, with NaN in the padding; and one step after another."""
    module = recurrence(cell, block)
    x = torch.randn(len(LENGTHS), 6, 3, dtype=torch.double)
    for row, length in enumerate(LENGTHS):
        x[row, length:] = float("nan")
    x.requires_grad_()
    outputs, final = module(x, None, torch.tensor(LENGTHS))
    batched = gradients(loss_of(outputs, []), module, x, [])
    total = 0
    for row, length in enumerate(LENGTHS):
        alone, alone_final = module(x[row : row + 1, :length])
        total = total + loss_of(alone, [])
        close(outputs[row, :length], alone[0])
        close([[t[row] for t in s] for s in final], [[t[0] for t in s] for s in alone_final])
    assert batched[0].isfinite().all()
    close(batched, gradients(total, module, x, []))

    x = x.detach()[:1]
    whole, last = module(x)
    state = module.initial_state(x)
    for t in range(6):
        output, state = module.step(x[:, t], state)
        close(output, whole[:, t])
    close(state, last)


@every_block
@pytest.mark.parametrize("cell", [{"name": "lstm"}, {"name": "mlstm", "heads": 2}], ids=named)
def test_directions_learned_states_and_checkpointing(cell, block):
    module = recurrence(cell, block, bidirectional=True, initial_state=InitialState.learned)
    x, lengths = torch.randn(4, 6, 3, dtype=torch.double, requires_grad=True), torch.tensor(LENGTHS)
    outputs, final = module(x, lengths=lengths)
    assert outputs.shape == (4, 6, 2 * hidden_size(cell))
    again = recurrence(
        cell, block, bidirectional=True, initial_state=InitialState.learned, checkpoint_steps=2
    )
    again.load_state_dict(module.state_dict())
    close(again(x, lengths=lengths), (outputs, final))
    one = gradients(loss_of(outputs, []), module, x, [])
    two = gradients(loss_of(again(x, lengths=lengths)[0], []), again, x, [])
    close(one, two)


def test_the_stream_carries_what_nothing_is_added_to():
    """With a projection back of zeros every block hands on its stream, and the last one norms it."""
    config = {"name": "gated", "norm": "none"}
    module = Recurrence(
        from_dict("model/cell", {"name": "gru"}), 4, 4, block=from_dict("model/block", config)
    )
    with torch.no_grad():
        module.cells[0].down.weight.zero_()
    x = torch.randn(2, 5, 4)
    assert torch.equal(module(x)[0], x)


@pytest.mark.parametrize("kernel_size", [2, 4])
def test_a_short_convolution_is_torchs_causal_one(kernel_size):
    module = ShortConvolution(3, kernel_size)
    x = torch.randn(2, 7, 3)
    weight = module.weight.flip(0).T[:, None]  # ours has the oldest step first
    expected = torch.nn.functional.conv1d(
        torch.nn.functional.pad(x.mT, (kernel_size - 1, 0)), weight.flip(-1), module.bias, groups=3
    ).mT
    outputs, recent = module(x, x.new_zeros(2, kernel_size - 1, 3), None)
    close(outputs, expected)
    close(recent, x[:, 8 - kernel_size :])


def test_dropout_is_the_blocks_and_not_on_the_stream():
    torch.manual_seed(0)
    block = {"name": "residual", "dropout": 0.999, "norm": "none", "mlp": 0.0}
    module = recurrence({"name": "gru"}, block, dropout=0.999)
    x = torch.randn(2, 5, 3, dtype=torch.double)
    dropped = module.train()(x)[0]
    stream = module.cells[0].stream(x)
    assert (dropped == stream).float().mean() > 0.9
    assert not torch.allclose(module.eval()(x)[0], stream)


def test_packing_is_refused_in_a_block():
    with pytest.raises(InputError, match=r"model\.padding=packed: a kernel runs packed without a block"):
        recurrence({"name": "lstm"}, BLOCKS[0], padding=Padding.packed)


def values(name="many_to_one", **options):
    nested = {"cell": {"name": "gru"}, "embedding": {"name": "word"}, "front_end": {"name": "none"}}
    return {"name": name, **nested, "hidden_size": 8, **options}


def model(**options):
    spec = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE)
    plain = (from_dict("optimizer", {"name": "adam"}), from_dict("scheduler", {"name": "constant"}))
    return build_model(from_dict("model", values(**options)), spec, *plain), spec


def test_layers_of_several_cells():
    made, spec = model(layers=["mlstm:heads=2", "gru", "slstm:heads=2"], block={"name": "gated"})
    names = [type(cell.cell).__name__ for cell in made.backbone.recurrence.cells]
    assert names == ["MLSTM", "GRU", "SLSTM"]
    assert made.hparams["model"]["num_layers"] == 3
    batch = any_batch(spec, [5, 2, 4])
    made.loss(batch).backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    checkpoint = {"hyper_parameters": dict(made.hparams), "state_dict": made.state_dict()}
    loaded = load_model(checkpoint, "x")
    for one, other in zip(loaded.predict_step(batch), made.eval().predict_step(batch), strict=True):
        assert (one == other).all()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lstn", "model.layers: lstn: no such cell, did you mean 'lstm'"),
        ("lstm:forget", "'forget' is not a setting; give KEY=VALUE"),
        ("lstm:forget_bais=1", "no such key, did you mean 'forget_bias'"),
        ("mlstm:heads=0", "heads=0: must be in"),
    ],
)
def test_a_layer_that_is_none_is_told(text, told):
    with pytest.raises(InputError) as error:
        cells_of(from_dict("model", values(layers=["gru", text])))
    assert told in str(error.value)
    assert read_cell("--cell", "lstm:forget_bias=3") == {"name": "lstm", "forget_bias": "3"}


def test_a_config_without_a_block_is_that_of_an_older_run():
    config = from_dict("model", values())
    assert config.block.name == "plain"
    assert config.layers == []


@pytest.mark.parametrize(
    ("cell", "block"),
    [("lstm", "plain"), ("lru", "plain"), ("tcn", "plain"), ("mlstm", "gated"), ("attention", "residual")],
)
def test_a_budget_of_parameters_or_of_state_is_kept_to(cell, block):
    """By the largest size that keeps to it: the next one would not."""
    for key, count, budget in (
        ("parameters", parameter_count, 30_000),
        ("state_size", state_count, 900),
    ):
        options = {"cell": {"name": cell}, "block": {"name": block}}
        if cell == "attention":
            options["cell"]["window"] = 4
        made, _ = model(**options, **{key: budget})
        size, unit = made.hparams["model"]["hidden_size"], made.config.cell.unit()
        assert size % unit == 0
        assert count(made) <= budget
        larger, _ = model(**options, hidden_size=size + unit)
        assert count(larger) > budget


def test_what_a_step_costs_is_counted():
    made, _ = model(hidden_size=8)
    assert state_count(made) == 8
    assert step_operations(made) == 3 * 8 * (3 + 8)  # three gates, of the input and of h
    made, _ = model(hidden_size=8, block={"name": "gated"}, cell={"name": "mlstm", "heads": 2})
    recurrent = made.backbone.recurrence
    assert isinstance(recurrent.cells[0], Block)
    assert state_count(made) == 3 * 16 + 2 * 8 * 8 + 2 * 8 + 2  # the convolution's steps; C, n and m
    assert step_operations(made) > sum(p.numel() for p in recurrent.parameters() if p.ndim == 2) * 0.9


def test_both_budgets_at_once_are_refused():
    with pytest.raises(InputError, match="state_size=5: must be null with parameters"):
        from_dict("model", values(parameters=5, state_size=5))
