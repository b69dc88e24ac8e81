"""Token files: every task, vocabularies of the training part, spelling, and what is unknown."""

import random
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from file_data import TOKEN_FILES, data_in, write
from hypothesis import given
from hypothesis import strategies as st

from unroll.data.prediction.inputs import text_inputs
from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, UNKNOWN
from unroll.vocabulary import Vocabulary


def made(tmp_path, task, text=None, **values):
    path = write(tmp_path, "t.tsv", TOKEN_FILES[task] if text is None else text)
    return data_in(path, "token_file", task=task, **values)


def decoded(ids, vocabulary):
    return [vocabulary[i] for i in ids]


def test_pairs(tmp_path):
    """In training a sample for each line; in the others one for each source, with every target."""
    data = made(tmp_path, "pairs", min_count=1)
    spec = data.spec
    lines = [line.split("\t") for line in TOKEN_FILES["pairs"].splitlines()]
    targets = {}
    for source, target in lines:
        targets.setdefault(source, []).append(target.split())
    sources = {}
    for split, samples in data.splits.items():
        for sample in samples.samples:
            words = decoded(sample.inputs.tolist(), spec.input_vocabulary)
            spelt = ["".join(decoded(word, spec.letters)) for word in sample.characters]
            if split == "train":
                assert spelt == words
                assert sample.references is None
                target = decoded(sample.targets.tolist(), spec.target_vocabulary)
                sources.setdefault(split, []).append(" ".join(words))
                assert target in targets[" ".join(words)]
            else:  # words that training lacks are unknown, but their letters are not
                sources.setdefault(split, []).append(" ".join(spelt))
                known = spec.target_vocabulary
                expected = [
                    [t if t in known else "<unk>" for t in target] for target in targets[" ".join(spelt)]
                ]
                assert [decoded(reference, known) for reference in sample.references] == expected
                assert sample.targets.tolist() == sample.references[0]
    assert Counter(map(len, sources.values())) == Counter([32, 2, 2])
    assert sorted([*set(sources["train"]), *sources["valid"], *sources["test"]]) == sorted(targets)
    trained = [line for line in lines if line[0] in sources["train"]]
    assert set(spec.input_vocabulary[4:]) == {word for source, _ in trained for word in source.split()}
    assert set(spec.target_vocabulary[4:]) == {word for _, target in trained for word in target.split()}
    assert set(spec.letters[4:]) == {letter for source, _ in trained for letter in source if letter != " "}
    assert spec.max_target_length == 1 + max(len(target.split()) for _, target in trained)


def test_tags(tmp_path):
    data = made(tmp_path, "tags")
    assert data.spec.target_vocabulary == ("D", "N", "V")
    assert data.spec.length == 3
    for split in data.splits.values():
        for sample in split.samples:
            assert sample.targets.tolist() == [0, 1, 2]
            assert len(sample.inputs) == 3


def test_labels(tmp_path):
    data = made(tmp_path, "label")
    spec = data.spec
    assert spec.target_vocabulary == ("negative", "positive")
    for split in data.splits.values():
        for sample in split.samples:
            words = decoded(sample.inputs.tolist(), spec.input_vocabulary)
            assert spec.target_vocabulary[sample.targets] == ("negative" if "bad" in words else "positive")


def test_contexts(tmp_path):
    data = made(tmp_path, "context")
    spec = data.spec
    train = torch.cat([sample.inputs for sample in data.splits["train"].samples]).numpy()
    assert (spec.input_size, spec.length, train.shape) == (2, 1, (24, 2))
    np.testing.assert_allclose(spec.input_mean, train.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(spec.input_std, train.std(axis=0), rtol=1e-6)
    for sample in data.splits["train"].samples:
        number = int(sample.inputs[0, 0])
        assert sample.inputs[0, 1] == pytest.approx(round(number / 7, 3))
        assert decoded(sample.targets.tolist(), spec.target_vocabulary) == [f"t{number % 3}", "t1"]
    inputs = data.read_inputs(write(tmp_path, "new.tsv", "1 2.5\n-3 1e2\n"), spec)
    assert [sample.inputs.tolist() for sample in inputs.samples] == [[[1, 2.5]], [[-3, 100]]]


def test_characters_and_small_letters(tmp_path):
    text = "".join(f"Ab{chr(97 + i)}\tX{i} Y\n" for i in range(20))
    spec = made(tmp_path, "pairs", text, characters=True, lowercase=True).spec
    assert set("ab") <= set(spec.input_vocabulary)
    assert "A" not in spec.input_vocabulary
    assert (spec.characters, spec.lowercase, spec.letters) == (True, True, ())
    assert {"X1", "Y"} & set(spec.target_vocabulary)
    spec = made(tmp_path, "pairs", text, target_characters=True).spec
    assert {"X", "Y", " ", "1"} <= set(spec.target_vocabulary)
    assert "Ab" not in spec.input_vocabulary
    assert not spec.characters


@given(
    sequences=st.lists(st.lists(st.sampled_from("abcdef"), max_size=9), min_size=1, max_size=9),
    min_count=st.integers(1, 4),
    max_size=st.none() | st.integers(1, 6),
)
def test_rare_tokens_are_left_out(sequences, min_count, max_size):
    found = Vocabulary.from_sequences(sequences, min_count, max_size).tokens[len(SPECIAL_TOKENS) :]
    tokens = [token for sequence in sequences for token in sequence]
    kept = [token for token in set(tokens) if tokens.count(token) >= min_count]
    for token in kept:
        better = [t for t in kept if (tokens.count(t), token) > (tokens.count(token), t)]
        assert (token in found) == (max_size is None or len(better) < max_size)
    assert list(found) == sorted(set(found) & set(kept))


def test_rare_tokens_are_unknown_in_training(tmp_path):
    text = "".join(f"common rare{i}\tyes it{i}\n" for i in range(20))
    data = made(tmp_path, "pairs", text, min_count=2)
    assert data.spec.input_vocabulary == (*SPECIAL_TOKENS, "common")
    assert data.splits["train"].samples[0].inputs.tolist() == [4, UNKNOWN]
    assert data.splits["train"].samples[0].targets.tolist() == [4, UNKNOWN]
    assert data.accepts_unknown
    data = made(tmp_path, "pairs", text, max_vocabulary=1)
    assert data.spec.input_vocabulary == (*SPECIAL_TOKENS, "common")
    with pytest.raises(InputError, match=r"data\.min_count=99: no token .* occurs so often"):
        made(tmp_path, "pairs", text, min_count=99).spec  # noqa: B018


def test_unk_in_a_file_is_the_unknown_token(tmp_path):
    text = "".join(f"<unk> w{i}\tv{i % 2}\n" for i in range(20))
    data = made(tmp_path, "pairs", text)
    assert all(sample.inputs[0] == UNKNOWN for sample in data.splits["train"].samples)


def test_unknown_tokens_are_refused_unless_the_model_can_do_with_them(tmp_path):
    """A model can that reads how words are spelt, or that has seen rare ones as unknown in training."""
    new = write(tmp_path, "new.tsv", "zz w1\n")
    words = made(tmp_path, "label")
    with pytest.raises(InputError, match=r"new\.tsv:1: 'zz': not in the training data"):
        words.read_inputs(new, words.spec)
    sample = words.read_inputs(new, words.spec, unknown=True).samples[0]
    assert sample.inputs[0] == UNKNOWN
    assert sample.characters[0] == [UNKNOWN, UNKNOWN]
    assert decoded(sample.characters[1], words.spec.letters) == ["w", "1"]

    characters = made(tmp_path, "label", characters=True)
    with pytest.raises(InputError, match=r"new\.tsv:1: 'z': not in the training data.*it knows: .*w"):
        characters.read_inputs(new, characters.spec)
    rare = made(tmp_path, "label", characters=True, min_count=2)
    assert rare.accepts_unknown
    assert not characters.accepts_unknown
    assert rare.read_inputs(new, rare.spec, unknown=True).samples[0].inputs[0] == UNKNOWN


def test_inputs_may_stand_alone_or_beside_their_targets(tmp_path):
    data = made(tmp_path, "pairs")
    alone = data.read_inputs(write(tmp_path, "a.tsv", "w1 w2\n\nw2 w3\n"), data.spec)
    beside = data.read_inputs(write(tmp_path, "b.csv", "w1 w2,x\nw2 w3,y\n"), data.spec)
    for inputs in (alone, beside):
        assert inputs.columns == {"input": ["w1 w2", "w2 w3"]}
        assert all(sample.targets is None for sample in inputs.samples)
    typed = text_inputs([("--text", " w1 w2 "), ("--text", "w2 w3")], data.spec)
    assert [s.inputs.tolist() for s in typed.samples] == [s.inputs.tolist() for s in alone.samples]
    assert typed.columns == alone.columns


def test_a_data_set_without_files_reads_lines_too(tmp_path):
    data = data_in(None, "tokens", train_size=10, valid_size=10, test_size=10)
    inputs = data.read_inputs(write(tmp_path, "new", "1 2 3\r\n\r\n7\r\n"), data.spec)
    assert [sample.inputs.tolist() for sample in inputs.samples] == [[5, 6, 7], [11]]
    with pytest.raises(InputError, match=r"new:2: 'x': not in the training data"):
        data.read_inputs(write(tmp_path, "new", "1\nx\n"), data.spec)


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt", ".parquet"])
@pytest.mark.parametrize("header", [False, True])
def test_formats_and_headers(tmp_path, suffix, header):
    rows = [line.split("\t") for line in TOKEN_FILES["tags"].splitlines()]
    table = pd.DataFrame(rows, columns=["words", "parts of speech"])
    path = tmp_path / f"other{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="," if suffix == ".csv" else "\t", index=False, header=header)
    expected = made(tmp_path, "tags")
    data = data_in(path, "token_file", task="tags", header=header)
    assert data.spec == expected.spec
    assert [s.inputs.tolist() for s in data.splits["test"].samples] == [
        s.inputs.tolist() for s in expected.splits["test"].samples
    ]


def test_the_same_input_is_in_one_split(tmp_path):
    lines = [f"w{i % 25}\t{random.Random(i).choice('ab')}\n" for i in range(200)]
    data = made(tmp_path, "label", "".join(lines), split_seed=3)
    words = {
        split: {"".join(decoded(sample.characters[0], data.spec.letters)) for sample in samples.samples}
        for split, samples in data.splits.items()
    }
    assert [len(words[split]) for split in ("train", "valid", "test")] == [21, 2, 2]
    assert sum(len(split) for split in data.splits.values()) == 200
    again = made(tmp_path, "label", "".join(lines), split_seed=4)
    assert [len(s) for s in again.splits.values()] == [168, 16, 16]
    test = [[s.inputs.tolist() for s in d.splits["train"].samples] for d in (data, again)]
    assert test[0] != test[1]


def test_given_files(tmp_path):
    texts = {"train": "a b\tx\nb a\ty\n", "valid": "a\tx\n", "test": "c a\ty\nc a\ty\n"}
    files = {key: str(write(tmp_path, f"{key}.tsv", text)) for key, text in texts.items()}
    data = data_in(None, "token_file", task="label", **files)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 2, "valid": 1, "test": 2}
    assert data.splits["test"].samples[0].inputs.tolist() == [UNKNOWN, 4]


def test_a_target_that_stands_twice_is_one_reference(tmp_path):
    texts = {"train": "a\tx\na\tx\na\ty\n", "valid": "a\tx\na\ty\na\tx\n", "test": "a\ty\n"}
    files = {key: str(write(tmp_path, f"{key}.tsv", text)) for key, text in texts.items()}
    splits = data_in(None, "token_file", **files).splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 3, "valid": 1, "test": 1}
    assert splits["valid"].samples[0].references == [[4], [5]]
    assert splits["valid"].samples[0].targets.tolist() == [4]


def test_batches_do_not_depend_on_workers(tmp_path):
    loaders = [made(tmp_path, "tags", workers=workers).train_dataloader() for workers in (0, 2)]
    batches = [[(b.index, b.inputs, b.targets, b.characters) for b in loader] for loader in loaders]
    torch.testing.assert_close(batches[0], batches[1], rtol=0, atol=0)
