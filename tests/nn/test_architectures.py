"""The models of papers, as presets of conf/architecture: they compose, learn and are what they say."""

import pytest
import torch
from helpers import any_batch, any_spec

from unroll.config.choices import choices
from unroll.config.compose import CONF, check, compose
from unroll.config.root import load
from unroll.models.base import build_model
from unroll.spec import Alignment, Kind

CELLS = {
    "xlstm": ["MLSTM", "SLSTM", "MLSTM", "MLSTM"],
    "griffin": ["RGLRU", "RGLRU"],
    "mamba2": ["Mamba2"] * 4,
    "gated_deltanet": ["GatedDelta"] * 2,
    "transformer": ["AttentionCell"] * 2,
    "tcn": ["TCN"] * 4,
    "rnn": ["RNN"],
    "gru": ["GRU"],
    "lstm": ["LSTM"],
    "min_gru": ["MinGRU"] * 3,
    "min_lstm": ["MinLSTM"] * 3,
    "slstm": ["SLSTM"] * 2,
    "mlstm": ["MLSTM"] * 2,
    "lru": ["LRU"] * 2,
    "deltanet": ["GatedDelta"] * 2,
    "deltanet_negative": ["GatedDelta"] * 2,
}


@pytest.mark.parametrize("name", choices(CONF, "architecture"))
def test_an_architecture_learns(name):
    values = check(compose(["model=many_to_many", f"architecture={name}", "model.hidden_size=8"]), CONF)
    config = load(values)
    spec = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.STEP)
    torch.manual_seed(0)
    model = build_model(config.model, spec, config.optimizer, config.scheduler)
    cells = [getattr(layer, "cell", layer) for layer in model.backbone.recurrence.cells]
    assert [type(cell).__name__ for cell in cells] == CELLS[name]
    batch = any_batch(spec, [9, 4, 7, 2])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(120):
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
