"""The trace: what it reports, added up, is the model's own output."""

import dataclasses
import io

import pytest
import torch
from helpers import any_batch, any_spec, small_model, small_seq2seq, text_of, token_batch
from recurrences import WITH_GATES, Leaky, label, random_state, recurrence, strange

from unroll.config.components import Execution, InitialState, Padding
from unroll.errors import InputError
from unroll.inspect.attention import attention_figure, attention_frame, attention_table
from unroll.inspect.recording import recurrences
from unroll.inspect.trace import trace, trace_model
from unroll.nn.attention.base import AttentionMap
from unroll.nn.search import Method, SearchConfig
from unroll.spec import Alignment, Kind

GATES = {
    "rnn": ("pre-activation",),
    "gru": ("reset", "update", "new"),
    "lstm": ("input", "forget", "cell", "output"),
    "min_gru": ("update", "new"),
    "min_lstm": ("forget", "input", "new"),
}


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


def added_up(cell, traced):
    """The states after each step, by the papers' equations, from what the trace holds besides them."""
    gates = traced.gates
    part = {
        name: (
            gates.of_input[:, g] + gates.input_bias[g],
            gates.of_memory[:, g] + gates.memory_bias[g],
        )
        for g, name in enumerate(gates.names)
    }
    z = {name: x + h for name, (x, h) in part.items()}
    h = traced.before["h"]
    match cell["name"]:
        case "rnn":
            activation = torch.relu if cell.get("nonlinearity") == "relu" else torch.tanh
            values = {"pre-activation": activation(z["pre-activation"])}
            after = {"h": values["pre-activation"]}
        case "gru":
            values = {name: torch.sigmoid(z[name]) for name in ("reset", "update")}
            z["new"] = part["new"][0] + values["reset"] * part["new"][1]
            values["new"] = torch.tanh(z["new"])
            after = {"h": values["new"] + values["update"] * (h - values["new"])}
        case "lstm":
            values = {name: torch.sigmoid(z[name]) for name in ("input", "forget", "output")}
            values["cell"] = torch.tanh(z["cell"])
            c = values["forget"] * traced.before["c"] + values["input"] * values["cell"]
            after = {"h": values["output"] * torch.tanh(c), "c": c}
        case _:
            values = {name: torch.sigmoid(z[name]) for name in z}
            values["new"] = torch.where(z["new"] >= 0, z["new"] + 0.5, values["new"])
            total = values["update"] if "update" in z else values["forget"] + values["input"]
            share = total if "update" in z else values["input"] / total
            after = {"h": h + share * (values["new"] - h)}
    return z, values, after


@pytest.mark.parametrize("cell", WITH_GATES, ids=label)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_what_is_reported_adds_up_to_the_outputs(cell, bidirectional):
    """In float32, of a sequence in a padded batch, with the fastest execution that the cell has."""
    module = recurrence(cell, num_layers=2, bidirectional=bidirectional)
    x, lengths, row = torch.randn(3, 7, 3), torch.tensor([7, 5, 2]), 1
    state = random_state(module, 3)
    outputs, final = module(x, state, lengths)
    traced = trace(module, x, state, lengths, row=row)

    close(traced.outputs, outputs[row, :5])
    below = x[row, :5]
    for layer in range(2):
        made = []
        for direction in range(module.directions):
            index = layer * module.directions + direction
            part = traced.cells[index]
            assert (part.layer, part.direction) == (layer, ("forward", "backward")[direction])
            close(part.x, below)
            z, values, after = added_up(cell, part)
            assert part.gates.names == GATES[cell["name"]] == tuple(z)
            for g, name in enumerate(part.gates.names):
                close(part.gates.z[:, g], z[name])
                close(part.gates.values[:, g], values[name])
            order = range(5) if direction == 0 else range(4, -1, -1)
            for number, name in enumerate(part.after):
                close(part.after[name], after[name])
                close(part.before[name][order[0]], state[index][number][row])
                close(part.before[name][order[1:]], part.after[name][order[:-1]])
                close(part.final[name], final[index][number][row])
            made.append(after["h"])
        below = torch.cat(made, dim=-1)
    close(below, outputs[row, :5])
    assert traced.error < 1e-6


@pytest.mark.parametrize("cell", WITH_GATES, ids=label)
def test_contributions_are_products_with_the_weights(cell):
    module = recurrence(cell)
    part = trace(module, torch.randn(1, 4, 3), random_state(module, 1)).cells[0]
    weights = {name: p.detach() for name, p in module.cells[0].named_parameters()}
    gates = len(part.gates.names)
    for t in range(4):
        close(part.gates.of_input[t].flatten(), weights["weight_ih"] @ part.x[t])
        memory = weights.get("weight_hh", torch.zeros(gates * 4, 4))
        close(part.gates.of_memory[t].flatten(), memory @ part.before["h"][t])
    close(part.gates.input_bias.flatten(), weights["bias_ih"])
    close(part.gates.memory_bias.flatten(), weights.get("bias_hh", torch.zeros(gates * 4)))


@pytest.mark.parametrize("way", [{"execution": Execution.loop}, {"padding": Padding.packed}])
def test_other_executions_and_a_learned_state(way):
    module = recurrence({"name": "lstm"}, bidirectional=True, initial_state=InitialState.learned, **way)
    with torch.no_grad():
        for parameter in module.learned_state:
            parameter.normal_()
    traced = trace(module, torch.randn(2, 6, 3), lengths=torch.tensor([4, 6]))
    assert traced.error < 1e-6
    close(traced.cells[0].before["h"][0], module.learned_state[0].detach())


def test_a_cell_with_only_a_step():
    module = recurrence({"name": "rnn"}, execution=Execution.loop)
    module.cells[0] = Leaky()
    x = torch.randn(1, 5, 3)
    traced = trace(module, x)
    (part,) = traced.cells
    assert part.gates is None
    assert list(part.after) == ["h", "c"]
    close(part.after["h"], module(x)[0][0].detach())
    close(part.after["c"][1:], part.after["c"][:-1] + part.after["h"][:-1])
    assert "input_norm" not in traced.frame()
    assert len(traced.figure().axes) == 2 * 3  # x, h and c, with their colour bars
    text_of(traced.tables())


@strange
@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_of_any_shape(cell, bidirectional):
    module = recurrence(cell, num_layers=2, bidirectional=bidirectional)
    x, lengths, state = torch.randn(3, 6, 3), torch.tensor([6, 4, 1]), random_state(module, 3)
    outputs, final = module(x, state, lengths)
    traced = trace(module, x, state, lengths, row=1)
    assert traced.error < 1e-6
    close(traced.layer(-1), outputs[1, :4].detach())
    directions = outputs[1].chunk(module.directions, dim=-1)
    last = [half[0 if direction else 3] for direction, half in enumerate(directions)]
    close(traced.last(), torch.cat(last).detach())
    for part, tensors in zip(traced.cells, final, strict=True):
        close(list(part.final.values()), [tensor[1].detach() for tensor in tensors])
    frame, values = traced.frame(), traced.values()
    names = list(module.cells[0].state_shapes)
    assert {f"{name}_max" for name in ("output", *names)} | {f"{names[0]}_before_norm"} <= set(frame)
    assert set(values.quantity) == {"x", "output", *names, *(f"final {name}" for name in names)}
    text = text_of(traced.tables())
    assert f"‖{names[0]}‖ before" in text
    assert "final " + names[0] in text
    traced.figure().savefig(io.BytesIO())
    trace(module, x).figure().savefig(io.BytesIO())  # from -∞, too


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "min_gru"])
def test_the_models_output_by_hand(cell, bidirectional):
    """E2: W h + b of the last valid step is what the model itself puts out."""
    spec = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE)
    model = small_model("many_to_one", spec, cell={"name": cell}, bidirectional=bidirectional, dropout=0.5)
    batch = any_batch(spec, [6, 3, 4])
    for row in range(3):
        (traced,) = trace_model(lambda: model(batch), model, row=row)
        assert traced.name == "backbone.recurrence"
        close(traced.y_last(model.output), model(batch)[row].detach())
        assert traced.layer(0).shape == (batch.lengths[row], 16 if bidirectional else 8)


def test_an_output_at_every_step_by_hand():
    spec = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.STEP)
    model = small_model("many_to_many", spec, num_layers=2)
    batch = any_batch(spec, [6, 3])
    (traced,) = trace_model(lambda: model(batch), model, row=1)
    expected = model(batch)[1, :3].detach()
    close(traced.y(model.output), expected)
    values = traced.values(model.output)
    close(torch.tensor(values[values.quantity == "y"][range(4)].to_numpy()), expected.double())
    assert "y_1 … y_T" in text_of(traced.tables(output=model.output))


def test_encoder_and_decoder():
    model = small_seq2seq(num_layers=2)
    batch = token_batch([5, 3])
    seen = []
    for part in recurrences(model).values():
        part.register_forward_hook(lambda _, args, result: seen.append(result[0].detach()))
    traces = trace_model(lambda: model(batch), model, row=1)
    assert [traced.name for traced in traces] == ["encoder.recurrence", "decoder.recurrence"]
    encoder, decoder = traces
    assert (encoder.directions, decoder.directions) == (2, 1)
    close(encoder.layer(-1), seen[0][1, :3])
    close(decoder.layer(-1), seen[1][1])
    assert encoder.error < 1e-6
    assert decoder.error < 1e-6


def test_a_decoder_step_by_step_is_the_decoder_in_one_call():
    model = small_seq2seq(num_layers=2)
    batch = token_batch([5])
    batch.targets = model.decode(batch, SearchConfig(max_length=6)).tokens
    assert batch.targets.shape[1] > 1
    _, whole = trace_model(lambda: model(batch), model)
    _, steps = trace_model(lambda: model.decode(batch, SearchConfig(max_length=6)), model)
    assert steps.error < 1e-6
    length = len(whole.outputs)
    close(steps.outputs[:length], whole.outputs)
    for one, other in zip(steps.cells, whole.cells, strict=True):
        close(one.x[:length], other.x)
        close(one.before["h"][:length], other.before["h"])
        close(one.gates.z[:length], other.gates.z)


def test_a_beam_has_the_states_that_its_steps_were_given():
    model = small_seq2seq(cell={"name": "lstm"})
    batch = token_batch([5])
    search = SearchConfig(method=Method.beam, beam_size=3, max_length=6)
    _, decoder = trace_model(lambda: model.decode(batch, search), model)
    assert len(decoder.outputs) > 1
    assert decoder.error < 1e-6


def test_every_call_has_a_trace():
    module = recurrence({"name": "gru"})
    x, state = torch.randn(1, 4, 3), random_state(module, 1)

    def forward():
        module(x, state=state)
        module.step(x[:, 0], state)
        module.step(x[:, 1], state)
        module(x[:, :2])

    first, second, third = trace_model(forward, module)
    assert [first.name, second.name, third.name] == ["recurrence", "recurrence, call 2", "recurrence, call 3"]
    assert [len(traced.outputs) for traced in (first, second, third)] == [4, 2, 2]
    for step in range(2):  # both were given the same state
        close(second.cells[0].before["h"][step], state[0][0][0].detach())


def test_nothing_is_left_behind():
    module = recurrence({"name": "gru"}, num_layers=2, dropout=0.5).train()
    module.cells[1].eval()
    x = torch.randn(1, 4, 3)
    assert trace(module, x).error < 1e-6  # no dropout
    with pytest.raises(RuntimeError):
        trace(module, torch.randn(1, 4, 9))
    assert [part.training for part in (module, *module.cells)] == [True, True, False]
    assert "step" not in vars(module)
    assert not module._forward_hooks
    assert module(x)[0].requires_grad


@pytest.mark.parametrize("name", GATES)
def test_frame_table_and_picture(name):
    module = recurrence({"name": name}, num_layers=2, bidirectional=True)
    x = torch.randn(1, 5, 3)
    traced = trace(module, x)
    frame = traced.frame()
    assert len(frame) == 4 * 5
    part, rows = traced.cells[1], frame[(frame.layer == 0) & (frame.direction == "backward")]
    assert rows.step.tolist() == [1, 2, 3, 4, 5]
    for t, row in enumerate(rows.to_dict("records")):
        assert row["x_norm"] == pytest.approx(x[0, t].norm().item())
        assert row["h_before_norm"] == pytest.approx(part.before["h"][t].norm().item())
        assert row["input_norm"] == pytest.approx(part.gates.of_input[t].norm().item())
        assert row["memory_norm"] == pytest.approx(part.gates.of_memory[t].norm().item())
        assert row["h_min"] == pytest.approx(part.after["h"][t].min().item())
        assert row["h_max"] == pytest.approx(part.after["h"][t].max().item())
        for g, gate in enumerate(GATES[name]):
            assert row[f"z_{gate}_min"] == pytest.approx(part.gates.z[t, g].min().item())
            assert row[f"z_{gate}_max"] == pytest.approx(part.gates.z[t, g].max().item())
    assert rows.h_before_norm.iloc[-1] == 0  # backwards, the last step is read first
    values = traced.values()
    place = (values.layer == 0) & (values.direction == "backward")
    step = values[place & (values.quantity == "h") & (values.step == 2)]
    assert step[range(4)].to_numpy()[0].tolist() == part.after["h"][1].tolist()
    final = values[place & (values.quantity == "final h")]
    assert final[range(4)].to_numpy()[0].tolist() == part.after["h"][0].tolist()

    text = text_of(traced.tables(3))
    for word in ("layer 1 backward, first 3 of 5 steps", "5 × 8", *GATES[name]):
        assert word.split()[0] in text
    assert max(map(len, text.splitlines())) <= 120
    figure = traced.figure()
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert titles == 4 * ["x", *GATES[name], *traced.cells[0].after]
    heat = [axes.images[0].get_array() for axes in figure.axes if axes.get_title() == "h"]
    torch.testing.assert_close(torch.tensor(heat[1].data), part.after["h"].mT)


def test_steps_may_have_names():
    """As the tokens that they read, which may look like markup of rich or of matplotlib."""
    names = ("[/b]", "$x", "$", "a", "b")
    module = recurrence({"name": "rnn"})
    traced = dataclasses.replace(trace(module, torch.randn(1, 5, 3)), names=names)
    text = text_of(traced.tables(4, torch.nn.Linear(4, 2)))
    assert [text.count(name) for name in names[:3]] == [2, 2, 4]  # of the cell, and of y
    figure = traced.figure()
    figure.savefig(io.BytesIO())
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(names)


def test_a_table_of_every_output():
    module, output = recurrence({"name": "gru"}), torch.nn.Linear(4, 2)
    traced = trace(module, torch.randn(1, 5, 3))
    y = output(module_outputs(module, traced.cells[0].x)).detach()
    table = traced.tables(3, output)[1]
    cells = list(table.columns[-1].cells)
    assert cells == [" ".join(f"{value:.2f}" for value in row) for row in y[:3].tolist()]


def module_outputs(module, x):
    return module(x[None])[0][0]


def test_the_attention_map_is_what_the_decoder_attended_to():
    model = small_seq2seq()
    batch = token_batch([5, 3])
    seen = []
    model.decoder.attention.register_forward_hook(lambda _, args, result: seen.append(result[1].detach()))
    decoded = model.decode(batch).to_lists()
    steps = torch.cat(seen, dim=1)
    maps = model.attention_maps(batch)
    assert len(maps) == 2
    for row, attention in enumerate(maps):
        expected = steps[row, : len(decoded[row]), : batch.lengths[row]]
        close(torch.tensor(attention.weights), expected)


def test_attention_as_data_as_a_table_and_as_a_picture():
    attention = AttentionMap(["[/a]", "$", "b$"], ["x", "y"], [[0.2, 0.7, 0.1], [0.003, 0.99, 0.007]])
    frame = attention_frame(attention)
    assert frame.loc["x"].tolist() == [0.2, 0.7, 0.1]
    assert list(frame) == attention.inputs
    text = text_of([attention_table(attention)])
    assert "0.70 $ (t=2), 0.20 [/a] (t=1), 0.10 b$ (t=3)" in text
    assert "0.99 $ (t=2) " in text  # and of the others too little
    assert "first 1 of 2 steps" in text_of([attention_table(attention, 1)])
    figure = attention_figure([attention])
    figure.savefig(io.BytesIO())
    assert figure.axes[0].images[0].get_array().tolist() == attention.weights
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == attention.inputs
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == attention.outputs


def test_no_recurrence():
    spec = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE)
    model = small_model("many_to_one", spec, num_layers=0)
    with pytest.raises(InputError, match=r"model.num_layers must be 1 or more"):
        trace_model(lambda: model(any_batch(spec, [3])), model)


def test_a_state_of_very_many_numbers_is_shown_but_not_written_out():
    """A long cache, step after step, would be tens of thousands of columns."""
    module = recurrence({"name": "attention", "window": 5000})
    traced = trace(module, torch.randn(1, 5, 3))
    assert traced.left_out == {"keys": 8 * 4999, "values": 8 * 4999}
    assert set(traced.values().quantity) == {"x", "output", "count", "final count"}
    assert "keys_max" in traced.frame()
    assert "final keys" in " ".join(text_of(traced.tables()).split())
    assert traced.figure().axes
