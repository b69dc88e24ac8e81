"""The look before training: numbers that a slow count finds too, for every data set there is."""

import numpy as np
import pytest
import torch
from conftest import ROOT
from file_data import data_in, preset, series_table, write

from unroll.data.describe.summary import summarize
from unroll.data.describe.text import summary_text
from unroll.spec import IGNORED, UNKNOWN, Kind

CHOICES = sorted(path.stem for path in (ROOT / "conf" / "data").glob("*.yaml"))
SMALL = {"train_size": 60, "valid_size": 20, "test_size": 20, "test_per_length": 1}


@pytest.mark.parametrize("name", CHOICES)
def test_every_data_set_is_described(tmp_path, name):
    data = preset(tmp_path, name, **SMALL)
    spec = data.spec
    summary = summarize(data)
    text = summary_text(summary)
    assert text.startswith(f"{data.description} ({spec.signature})\n")
    assert summary["vocabulary"].get("inputs", -4) + 4 == len(spec.input_vocabulary)
    for split, found in summary["splits"].items():
        samples = data.splits[split].samples
        lengths = sorted(len(sample.inputs) for sample in samples)
        assert found["sequences"] == len(samples)
        assert found["lengths"]["min"] == lengths[0]
        assert found["lengths"]["max"] == lengths[-1]
        assert found["lengths"]["mean"] == pytest.approx(sum(lengths) / len(lengths))
        below = sum(length <= found["lengths"]["median"] for length in lengths)
        assert below / len(lengths) >= 0.5
        below = sum(length <= found["lengths"]["95%"] for length in lengths)
        assert below / len(lengths) >= 0.95
        if spec.signature.inputs is Kind.TOKENS:
            tokens = [token for sample in samples for token in sample.inputs.tolist()]
            assert found["unknown_inputs"] == pytest.approx(tokens.count(UNKNOWN) / len(tokens))
        if spec.signature.targets is Kind.CLASSES:
            classes = [c for sample in samples for c in sample.targets.reshape(-1).tolist() if c != IGNORED]
            counts = list(found["classes"].values())
            assert counts == [classes.count(number) for number in range(spec.target_size)]
            assert found["targets"] == len(classes)
        if spec.signature.targets is Kind.LABELS:
            rows = torch.cat([sample.targets.reshape(-1, spec.target_size) for sample in samples])
            assert list(found["labels"].values()) == rows.sum(0).tolist()
    if spec.signature.inputs is Kind.CONTINUOUS:
        rows = torch.cat([sample.inputs for sample in data.splits["train"].samples]).double().numpy()
        for column, found in zip(rows.T, summary["inputs"].values(), strict=True):
            expected = [column.mean(), column.std(), column.min(), column.max()]
            np.testing.assert_allclose(list(found.values()), expected, atol=1e-9)
    for which, share in summary["padding"].items():
        assert 0 <= share < 1, which
    if len(set(data.splits["train"].lengths)) == 1:
        assert summary["padding"] == {"configured": 0, "random": 0}


def test_padding_is_that_of_the_batches(tmp_path):
    data = preset(tmp_path, "copy", **SMALL)
    loader = data.train_dataloader()
    masks = [batch.mask for batch in loader]
    share = 1 - sum(mask.sum().item() for mask in masks) / sum(mask.numel() for mask in masks)
    summary = summarize(data)
    assert summary["padding"]["configured"] == pytest.approx(share)
    data = data_in(None, "tokens", train_size=2000, valid_size=10, test_size=10, batch_size=16)
    padding = summarize(data)["padding"]
    assert padding["configured"] < 0.1 < 0.3 < padding["random"]


def test_statistics_do_not_depend_on_chunks_or_offsets(tmp_path, monkeypatch):
    table = series_table().assign(load=lambda rows: rows["wind"] + 1e6)
    path = write(tmp_path, "s.csv", table.to_csv(index=False))
    config = {"target": "load", "features": "wind", "window": 8, "horizon": 1, "id": "id"}
    whole = summarize(data_in(path, "series", **config))["inputs"]
    monkeypatch.setattr("unroll.data.describe.summary.CHUNK_SAMPLES", 7)
    assert summarize(data_in(path, "series", **config))["inputs"] == {
        name: pytest.approx(found) for name, found in whole.items()
    }
    assert whole["load"]["sd"] == pytest.approx(whole["wind"]["sd"], rel=0.05)


def test_the_text_tells_what_was_filled_and_is_not_endless(tmp_path):
    rows = "".join(f"{'' if i % 5 == 3 else i},0\n" for i in range(30))
    path = write(tmp_path, "s.csv", f"x,y\n{rows}")
    data = data_in(path, "series", target="x", window=4, horizon=1, missing="previous")
    text = summary_text(summarize(data))
    assert f"filled, by data.missing=previous: 6 cells of targets (the first {path}:5)\n" in text
    assert "missing values: none" not in text
    lines = "".join(f"a b{i}\tclass{i % 30}\n" for i in range(600))
    data = data_in(write(tmp_path, "t.tsv", lines), "token_file", task="label")
    text = summary_text(summarize(data))
    assert text.count("class") == 1 + 1 + 20  # the signature, the heading and the first classes
    assert "… and 10 more" in text
