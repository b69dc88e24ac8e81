"""Text as people write it: words and pieces, the same in training and afterwards, and unknown words."""

import dataclasses
import re
import subprocess
import sys

import pytest
import torch
from file_data import data_in, write
from helpers import any_spec, require_one_line, shipped
from hypothesis import given
from hypothesis import strategies as st

from unroll.baselines.tokens import Copy
from unroll.batch import SequenceBatch
from unroll.data.describe.summary import summarize
from unroll.data.describe.text import summary_text
from unroll.data.files.rare_words import forget_rare_words, unknown_rates
from unroll.data.prediction.inputs import text_inputs
from unroll.data.readers.cutting import Pieces, words
from unroll.errors import InputError
from unroll.spec import PAD, SPECIAL_TOKENS, UNKNOWN, Alignment, DataSpec, Kind
from unroll.text import Text
from unroll.vocabulary import Vocabulary

GOOD, BAD = ("great", "lovely", "fine"), ("awful", "bland", "cold")
REVIEWS = "".join(
    f"The {dish} was {word}{mark}\t{label}\n"
    for dish in ("food", "Soup", "bread", "tea", "fish")
    for mark in ("!", ".", ", really.")
    for label, adjectives in (("good", GOOD), ("bad", BAD))
    for word in adjectives
)


def reviews(folder, **values):
    path = write(folder, "reviews.tsv", REVIEWS)
    return data_in(path, "token_file", **{"task": "label", "tokenizer": "words", **values})


def ids(text, spec):
    (sample,) = text_inputs([("--text", text)], spec, unknown=True).samples
    return sample.inputs.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Food was Great!", "the food was great !"),
        ("  don't\u00a0pay\t$5.50…", "don ' t pay $ 5 . 50 …"),
        ("CAFE\u0301 — Café", "café — café"),  # two ways to write é
        ("a\u200bb\x00c ▁d", "abc d"),
        ("好吃 yes", "好 吃 yes"),
        ("<unk> <pad>", "< unk > < pad >"),
    ],
)
def test_words(text, expected):
    assert words(text, lowercase=True) == expected.split()


def test_case_can_be_kept():
    assert words("The Food", lowercase=False) == ["The", "Food"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_words_of_words_are_the_same(text):
    found = words(text, lowercase=True)
    assert words(" ".join(found), lowercase=True) == found
    assert all(word and not word.isspace() for word in found)


@pytest.mark.parametrize("tokenizer", ["words", "pieces"])
def test_case_and_spaces_before_punctuation_are_no_difference(tokenizer, tmp_path):
    data = reviews(tmp_path, tokenizer=tokenizer)
    as_written, as_cut = (ids(text, data.spec) for text in ("The Food was Great!", "the food was great !"))
    assert as_written == as_cut
    assert UNKNOWN not in as_written
    assert Text(data.spec).input_text(as_written) == "the food was great !"


def test_data_of_the_name_cut_words_and_older_data_do_not(tmp_path):
    assert shipped("token_labels")["tokenizer"] == "words"
    assert shipped("token_pairs")["tokenizer"] == shipped("token_tags")["tokenizer"] == "spaces"
    older = reviews(tmp_path, tokenizer="spaces")
    assert data_in(tmp_path / "reviews.tsv", "token_file", task="label").spec == older.spec
    assert (older.spec.lowercase, older.accepts_unknown) == (False, False)
    assert "great!" in older.spec.input_vocabulary
    plain = older.spec.to_dict()
    del plain["tokenizer"], plain["merges"]
    assert DataSpec.from_dict(plain) == older.spec
    assert (
        reviews(tmp_path, characters=True).spec == reviews(tmp_path, tokenizer="spaces", characters=True).spec
    )


def test_the_same_input_is_in_one_split_however_it_is_written(tmp_path):
    ends = (" !\ta", "!\tb")
    lines = [f"{word}{i} x{i % 7}{end}\n" for i in range(30) for word in ("w", "W") for end in ends]
    path = write(tmp_path, "t.tsv", "".join(lines))
    for tokenizer in ("words", "pieces"):
        splits = data_in(path, "token_file", task="label", tokenizer=tokenizer).splits
        assert [len(split) for split in splits.values()] == [96, 12, 12]


def test_pieces_of_sources(tmp_path):
    """Those of the training part: words that it lacks are made of them, and characters are unknown."""
    stems = ("walk", "talk", "jump", "look")
    pairs = "".join(
        f"{stem}{end} {i}\t{stem} {end}\n" for i in range(9) for stem in stems for end in ("ing", "ed")
    )
    data = data_in(write(tmp_path, "t.tsv", pairs), "token_file", tokenizer="pieces")
    spec = data.spec
    assert data.splits["train"].samples[0].characters is None
    assert "walk" in spec.target_vocabulary
    assert ids("Walking", spec) == [spec.input_vocabulary.index("▁walking")]
    unseen = ids("jalked ж8", spec)
    known = Text(spec).inputs.decode(unseen)
    assert "".join(known) == "▁jalked▁<unk>8"
    assert unseen.count(UNKNOWN) == 1
    assert Text(spec).input_text(unseen) == "jalked <unk>8"
    few = data_in(tmp_path / "t.tsv", "token_file", tokenizer="pieces", max_vocabulary=40).spec
    assert few.input_size <= 44 < spec.input_size
    with pytest.raises(InputError, match=r"t\.tsv:1: 4 tokens, more than data\.max_length=2"):
        data_in(tmp_path / "t.tsv", "token_file", tokenizer="pieces", max_length=2, max_vocabulary=40).spec  # noqa: B018


@pytest.mark.parametrize("target_characters", [False, True])
def test_a_copy_of_pieces_is_one_of_words(target_characters, tmp_path):
    pairs = "".join(f"walk{end} {i % 9}\twalk{end} {i % 9}\n" for i in range(18) for end in ("ing", "ed"))
    data = data_in(
        write(tmp_path, "t.tsv", pairs),
        "token_file",
        tokenizer="pieces",
        target_characters=target_characters,
        max_vocabulary=18,
    )
    samples = data.splits["train"].samples
    assert len(samples[0].inputs) > 2
    assert Copy(data.spec).predictions(data.collate(samples)) == [s.targets.tolist() for s in samples]


def test_pieces_of_targets(tmp_path):
    """A model can write words that training lacks, and each target comes back as it was written."""
    ends = ("ing", "ed", "s!")
    pairs = "".join(
        f"{stem} {end}\t{stem.title()}{end} {number}\n"
        for number in range(9)
        for stem in ("walk", "talk", "jump", "look")
        for end in ends
    )
    path = write(tmp_path, "t.tsv", pairs)
    data = data_in(path, "token_file", target_pieces=True, max_vocabulary=40, split_seed=3)
    spec, text = data.spec, Text(data.spec)
    written = [text.output_text(sample.targets.tolist()) for sample in data.splits["train"].samples]
    assert set(written) <= {line.split("\t")[1] for line in pairs.splitlines()}
    assert spec.target_size <= 44
    assert (
        text.output_text(text.outputs.encode(Pieces.of_targets(spec).cut(["Walks!", "Taled"])))
        == "Walks! Taled"
    )
    assert DataSpec.from_dict(spec.to_dict()) == spec
    assert data_in(path, "token_file", target_pieces=True, max_vocabulary=40, split_seed=3).spec == spec


def test_a_copy_is_in_the_pieces_of_the_target(tmp_path):
    pairs = "".join(f"walk{end} {i % 9}\twalk{end} {i % 9}\n" for i in range(18) for end in ("ing", "ed"))
    path = write(tmp_path, "t.tsv", pairs)
    for tokenizer in ("spaces", "pieces"):
        data = data_in(path, "token_file", tokenizer=tokenizer, target_pieces=True, max_vocabulary=18)
        samples = data.splits["train"].samples
        assert len(samples[0].targets) > 2
        assert Copy(data.spec).predictions(data.collate(samples)) == [s.targets.tolist() for s in samples]
    texts = {"train": "walked a\twalked a\n" * 2, "valid": "walked a\tx\n", "test": "weaked a\tx\n"}
    files = {split: str(write(tmp_path, f"{split}.tsv", text)) for split, text in texts.items()}
    data = data_in(None, "token_file", target_pieces=True, **files)
    (copied,) = Copy(data.spec).predictions(data.collate(data.splits["test"].samples))
    assert Text(data.spec).output_text(copied) == "weaked a"  # a word that training lacks is spelt


@given(
    texts=st.lists(st.lists(st.text("abcdé", min_size=1, max_size=6), min_size=1), min_size=1, max_size=9),
    new=st.lists(st.text("abcdé!", min_size=1, max_size=8)),
)
def test_pieces_are_joined_to_the_words_that_were_cut(texts, new):
    pieces = Pieces.learned(texts, 30)
    again = Pieces(Vocabulary(pieces.vocabulary.tokens), pieces.merges)
    assert again.cut(new) == pieces.cut(new)
    letters = {letter for text in texts for word in text for letter in word}
    expected = ["".join(letter if letter in letters else "?" for letter in word) for word in new]
    expected = [re.sub(r"\?+", "<unk>", word) for word in expected]
    assert "".join(pieces.cut(new)).split("▁")[1:] == expected


def test_pieces_do_not_depend_on_the_process():
    """Python and the library order what they have hashed at random."""
    program = (
        "import random; from unroll.data.readers.cutting import Pieces; draw = random.Random(0); "
        "words = [''.join(draw.choices('abcdefgh', k=draw.randint(1, 6))) for _ in range(2000)]; "
        "print(Pieces.learned([words], 300).merges)"
    )
    found = {subprocess.check_output([sys.executable, "-c", program], text=True) for _ in range(3)}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"merges": ["a b"], "tokenizer": "words"}, "merges"),
        ({"merges": ["▁ t", "▁ t"]}, "merges: are more than the pieces"),
        ({"merges": ["▁ x"]}, "merges: '▁ x' are not two pieces of a third"),
        ({"merges": ["▁t"]}, "merges: '▁t' are not"),
        ({"merges": ["▁  t"]}, "merges: '▁  t' are not"),
        ({"merges": [" ▁t"]}, "merges: ' ▁t' are not"),
        ({"merges": [7]}, "merges=7: is not a value"),
        ({"merges": "▁ t"}, "merges: is a str, not a list"),
        ({"tokenizer": "regex"}, "'regex' is not a valid Tokenizer"),
        ({"tokenizer": 1}, "tokenizer=1: is not a value"),
        ({"characters": True}, "tokenizer=pieces: cuts no text of words"),
    ],
)
def test_hostile_values_are_refused(values, says):
    names = [*SPECIAL_TOKENS, "▁", "t", "▁t"]
    plain = any_spec(Kind.TOKENS, Kind.CLASSES, Alignment.SEQUENCE).to_dict()
    plain |= {"input_size": 7, "input_vocabulary": names, "tokenizer": "pieces", "merges": ["▁ t"]}
    assert Pieces.of(DataSpec.from_dict(plain)).cut(["tt"]) == ["▁t", "t"]
    with pytest.raises(ValueError, match=re.escape(says)):
        DataSpec.from_dict({**plain, **values})


def test_hostile_pieces_of_targets_are_refused():
    names = [*SPECIAL_TOKENS, "▁", "t", "▁t"]
    plain = any_spec(Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED).to_dict()
    plain |= {"target_size": 7, "target_vocabulary": names, "target_pieces": True, "target_merges": ["▁ t"]}
    assert Pieces.of_targets(DataSpec.from_dict(plain)).cut(["tt"]) == ["▁t", "t"]
    for values, says in (
        ({"target_pieces": False}, "target_merges: stand beside no target_pieces"),
        ({"target_merges": ["▁ x"]}, "target_merges: '▁ x' are not two pieces of a third"),
        ({"target_characters": True}, "target_pieces: are of no text of words"),
    ):
        with pytest.raises(ValueError, match=re.escape(says)):
            DataSpec.from_dict({**plain, **values})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"task": "label", "target_pieces": True}, "data.target_pieces=true: task=label writes no text"),
        (
            {"task": "pairs", "target_pieces": True, "target_characters": True},
            "data.target_pieces=true: target_characters=true",
        ),
        ({"task": "tags"}, "data.tokenizer=words: must be spaces where task=tags"),
        ({"task": "context"}, "data.tokenizer=words: must be spaces where task=context"),
        ({"tokenizer": "pieces", "characters": True}, "data.tokenizer=pieces: characters=true makes"),
        ({"rare_word_dropout": -0.1}, "data.rare_word_dropout=-0.1: must be 0 or more"),
        ({"rare_word_dropout": float("inf")}, "data.rare_word_dropout=inf: must be 0 or more"),
    ],
)
def test_what_does_not_go_together_is_told(values, says, tmp_path):
    with pytest.raises(InputError) as error:
        reviews(tmp_path, **values)
    require_one_line(error.value, says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\x00", "--text: has no tokens"),
        ("a\udcffb", "--text: is not UTF-8 text (character 2)"),
        ("x" * 1001, "--text: the token 'xxxxxxxxxx…' of 1,001 letters"),
        ("!" * 100_001, "--text: 100,001 tokens; at most 100,000 are read"),
        (("d" * 999 + " ") * 101, "--text: 101,000 tokens"),
    ],
)
def test_what_is_no_text_is_told(text, says, tmp_path):
    with pytest.raises(InputError) as error:
        ids(text, reviews(tmp_path, tokenizer="pieces").spec)
    require_one_line(error.value, says)


def test_unknown_words_are_an_error_only_where_none_are_learned(tmp_path):
    assert reviews(tmp_path).accepts_unknown
    assert not reviews(tmp_path, rare_word_dropout=0).accepts_unknown
    assert not reviews(tmp_path, characters=True).accepts_unknown


def test_rare_words_are_unknown_as_often_as_the_method_says():
    """α / (α + n): 1 in 3 for α = 0.5 and a word that occurs once, never for special tokens."""
    rates = unknown_rates([torch.tensor([4, 5, 5]), torch.tensor([5, UNKNOWN])], 7, 0.5)
    torch.testing.assert_close(rates, torch.tensor([0, 0, 0, 0, 1 / 3, 1 / 7, 1]).double())
    size = 400
    batch = SequenceBatch(
        index=torch.arange(size), inputs=torch.tensor([[4, 5]] * size), lengths=torch.full((size,), 2)
    )
    shares = [(forgotten(batch, rates, epoch) == UNKNOWN).double().mean(dim=0) for epoch in range(20)]
    torch.testing.assert_close(torch.stack(shares).mean(dim=0), rates[4:6], atol=0.02, rtol=0)


def test_which_are_unknown_depends_on_seed_epoch_and_sequence_alone():
    rates = torch.tensor([0, 0, 0, 0, 0.5, 0.5]).double()
    inputs = torch.tensor([[4, 5] * 10, [5, 4] * 8 + [PAD] * 4, [4] * 20])
    batch = SequenceBatch(index=torch.tensor([7, 3, 5]), inputs=inputs, lengths=torch.tensor([20, 16, 20]))
    all_of_them = forgotten(batch, rates, 2)
    for row, length in enumerate([20, 16, 20]):
        alone = SequenceBatch(
            index=batch.index[[row]], inputs=inputs[[row], :length], lengths=batch.lengths[[row]]
        )
        assert torch.equal(forgotten(alone, rates, 2)[0], all_of_them[row, :length])
    assert all_of_them[1, 16:].eq(PAD).all()
    assert not torch.equal(all_of_them, forgotten(batch, rates, 3))
    assert not torch.equal(all_of_them, forgotten(batch, rates, 2, seed=2))


def forgotten(batch, rates, epoch, seed=1):
    fresh = dataclasses.replace(batch, inputs=batch.inputs.clone())
    return forget_rare_words(fresh, rates, seed, epoch).inputs


def test_describe_shows_what_text_is_cut_into(tmp_path):
    text = summary_text(summarize(reviews(tmp_path)))
    shown = text.partition("text is cut into words in lower case:\n")[2].splitlines()[:3]
    assert all(line.startswith("  the | ") for line in shown)
    assert all(line.split(" | ")[-1] in ("!", ".") for line in shown)
    assert "cut" not in summarize(reviews(tmp_path, tokenizer="spaces"))
