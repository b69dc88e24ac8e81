"""Gradients through time, against products of Jacobians and finite differences."""

import math

import pytest
import torch
from recurrences import CELLS, CLASSIC, label

from unroll.config.components import Execution, Padding
from unroll.config.registry import from_dict
from unroll.errors import InputError
from unroll.inspect.gradients import gradient_flow, last_output_loss, recorded_states
from unroll.nn.recurrence import Recurrence


def recurrence(cell, hidden_size=4, **options):
    return Recurrence(from_dict("model/cell", cell), 3, hidden_size, **options)


def norms(flow, **wanted):
    frame = flow.frame()
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    return frame["norm"].to_numpy()


def test_tanh_rnn_equals_the_product_of_its_jacobians():
    module = recurrence({"name": "rnn"}).double()
    x = torch.randn(1, 9, 3, dtype=torch.double)
    with torch.no_grad():
        outputs, _ = module(x)
    (weight,) = [value for name, value in module.named_parameters() if name.endswith("weight_hh")]
    gradient, expected = 2 * outputs[0, -1], []
    for h in reversed(outputs[0]):
        expected.insert(0, gradient.norm().item())
        gradient = weight.detach().T @ ((1 - h.square()) * gradient)  # through h_t = tanh(… + W h_{t-1})
    assert norms(gradient_flow({"rnn": module}, last_output_loss(x))) == pytest.approx(expected)


@pytest.mark.parametrize("cell", CLASSIC, ids=label)
def test_equals_finite_differences(cell, monkeypatch):
    """Each value of each state is nudged as it is made, and all that follows computed anew."""
    module = recurrence(cell, num_layers=2, execution=Execution.loop).double()
    x = torch.randn(1, 4, 3, dtype=torch.double)
    loss = last_output_loss(x)
    flow = gradient_flow({"it": module}, loss)

    @torch.no_grad()
    def nudged(layer, step, number, place, nudge):
        one, calls = module.cells[layer], []

        def new_step(x, state):
            new = [tensor.clone() for tensor in type(one).step(one, x, state)[1]]
            calls.append(None)
            if len(calls) == step + 1:
                before = new[number][0, place].item()
                new[number][0, place] += nudge
                if number == 1:  # c makes h of the same step: h = o ⊙ tanh(c)
                    new[0][0, place] *= math.tanh(before + nudge) / math.tanh(before)
            return new[0], tuple(new)

        with monkeypatch.context() as patch:
            patch.setattr(one, "step", new_step)
            return loss(module).item()

    for layer, one in enumerate(module.cells):
        for number, name in enumerate(one.state_shapes):
            found = norms(flow, cell=f"cells.{layer}", state=name)
            for step in range(4):
                where = [(layer, step, number, place) for place in range(4)]
                slopes = [(nudged(*w, 1e-6) - nudged(*w, -1e-6)) / 2e-6 for w in where]
                assert found[step] == pytest.approx(math.hypot(*slopes), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("cell", CELLS, ids=label)
def test_any_way_of_running_gives_the_same_and_is_restored(cell):
    loop = recurrence(cell, bidirectional=True, execution=Execution.loop)
    other = recurrence(cell, bidirectional=True, checkpoint_steps=2)
    other.load_state_dict(loop.state_dict())
    before = vars(other).copy()
    x, lengths = torch.randn(3, 6, 3), torch.tensor([6, 2, 4])
    flow = gradient_flow({"a": loop, "b": other}, last_output_loss(x, lengths))
    assert norms(flow, model="a") == pytest.approx(norms(flow, model="b"))
    assert vars(other) == before
    assert "step" not in vars(other.cells[0])


def test_packed_runs_step_by_step_and_what_fails_leaves_no_trace():
    module = recurrence({"name": "lstm"}, padding=Padding.packed)
    lengths = torch.tensor([6, 2])
    gradient_flow({"": module}, last_output_loss(torch.randn(2, 6, 3), lengths))
    with pytest.raises(RuntimeError, match="mid"), recorded_states(module):
        raise RuntimeError("mid")
    assert module.padding is Padding.packed
    assert "step" not in vars(module.cells[0])


def test_a_sequence_that_has_ended_has_no_gradient_and_recording_changes_no_output():
    module = recurrence({"name": "gru"})
    x, lengths = torch.randn(1, 6, 3), torch.tensor([4])
    found = norms(gradient_flow({"gru": module}, last_output_loss(x, lengths)))
    assert (found[:4] > 0).all()
    assert (found[4:] == 0).all()
    assert found[:4] == pytest.approx(norms(gradient_flow({"gru": module}, last_output_loss(x[:, :4]))))
    with recorded_states(module) as record:
        outputs, _ = module(x)
    assert torch.equal(outputs[0], torch.cat([h for (h,) in record["cells.0"]]))


def test_the_tanh_rnn_vanishes_and_an_lstm_that_remembers_does_not():
    remembers = {"name": "lstm", "forget_bias": 3.0}
    models = {
        name: recurrence(cell, hidden_size=32)
        for name, cell in {"rnn": {"name": "rnn"}, "lstm": {"name": "lstm"}, "remembers": remembers}.items()
    }
    flow = gradient_flow(models, last_output_loss(torch.randn(2, 100, 3)))
    reaching = {(curve.model, curve.state): curve.reaching for curve in flow.curves}
    assert reaching["rnn", "h"] < 1e-12
    assert reaching["lstm", "c"] < 1e-9  # a fresh one forgets, too
    assert reaching["remembers", "h"] > 1e-3
    assert reaching["remembers", "c"] > 1e-1


def test_a_model_without_recurrence_is_refused():
    with pytest.raises(InputError, match="no recurrence to look into"):
        gradient_flow({"": recurrence({"name": "gru"}, num_layers=0)}, last_output_loss(torch.randn(2, 5, 3)))


def test_views():
    flow = gradient_flow(
        {name: recurrence({"name": name}) for name in ("rnn", "lstm")}, last_output_loss(torch.randn(2, 5, 3))
    )
    assert len(flow.frame()) == 3 * 5  # h, and h and c
    assert flow.table().row_count == 3
    (axes,) = flow.figure().axes
    assert axes.get_yscale() == "log"
    assert len(axes.lines) == 3
    assert axes.lines[0].get_ydata() == pytest.approx(flow.curves[0].norms)
    assert flow.labels() == ["rnn h", "lstm h", "lstm c"]
    assert [line.get_color() for line in axes.lines] == ["C0", "C1", "C1"]
    two = recurrence({"name": "gru"}, num_layers=2)
    flow = gradient_flow({"": two}, last_output_loss(torch.randn(2, 5, 3)))
    assert flow.labels() == ["cells.0 h", "cells.1 h"]


def test_a_loss_that_depends_on_no_state_can_be_shown(tmp_path):
    weight = torch.ones((), requires_grad=True)
    module, x = recurrence({"name": "gru"}), torch.randn(2, 5, 3)
    flow = gradient_flow({"": module}, lambda model: weight + 0 * model(x)[0].detach().sum())
    assert (flow.curves[0].norms == 0).all()
    assert flow.curves[0].reaching == 0
    assert flow.table().row_count == 1
    flow.figure().savefig(tmp_path / "zero.png")
