"""From tokens to vectors, by word and by spelling, in double precision: what differs by more is wrong."""

import string

import pytest
import torch
from conftest import entries
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.config.registry import build, from_dict
from unroll.errors import InputError
from unroll.spec import PAD, SPECIAL_TOKENS, UNKNOWN, Alignment, DataSpec, Kind, Signature

LETTERS = (*SPECIAL_TOKENS, *string.ascii_lowercase)
encoders = pytest.mark.parametrize("encoder", ["cnn", "rnn"])


def spec(words=("ab", "abc"), letters=LETTERS):
    return DataSpec(
        signature=Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP),
        input_size=len(SPECIAL_TOKENS) + len(words),
        target_size=2,
        input_vocabulary=(*SPECIAL_TOKENS, *words),
        letters=letters,
    )


def embedding(data=None, **config):
    return build(from_dict("model/embedding", config), data or spec())


def spelling(encoder, data=None, **config):
    sizes = {"size": 5, "character_size": 4, "hidden_size": 3}
    return embedding(data, name="spelling", encoder=encoder, **{**sizes, **config})


def spell(sentences, extra=0):
    """Letters (B, T, L) of words, with `extra` more letters of padding than needed."""
    time = max(map(len, sentences))
    size = max(len(word) for sentence in sentences for word in sentence) + extra
    characters = torch.full((len(sentences), time, size), PAD)
    for b, sentence in enumerate(sentences):
        for t, word in enumerate(sentence):
            characters[b, t, : len(word)] = torch.tensor([LETTERS.index(letter) for letter in word])
    return characters


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", entries("model/embedding"))
def test_every_embedding_makes_its_output_size(name):
    module = embedding(name=name)
    tokens = torch.randint(0, 6, (2, 3))
    vectors = module(tokens, spell([["ab", "a", "c"], ["abc", "b"]]))
    assert vectors.shape == (2, 3, module.output_size)


def test_word_is_a_table():
    module = embedding(name="word", size=7)
    tokens = torch.tensor([[4, 5, UNKNOWN], [5, PAD, PAD]])
    vectors = module(tokens)
    assert torch.equal(vectors[0, 0], module.table.weight[4])
    assert torch.equal(vectors[0, 1], vectors[1, 0])
    assert (vectors[1, 1:] == 0).all()


@encoders
def test_spelling_stands_beside_the_words_vector(encoder):
    module = spelling(encoder).eval()
    tokens = torch.tensor([[4, 5, UNKNOWN], [UNKNOWN, UNKNOWN, 4]])
    vectors = module(tokens, spell([["ab", "abc", "xy"], ["xyz", "xy", "ab"]]))
    assert torch.equal(vectors[..., :5], module.words(tokens))
    close(vectors[0, 2], vectors[1, 1])
    close(vectors[0, 0], vectors[1, 2])
    assert (vectors[0, 2, 5:] - vectors[1, 0, 5:]).abs().max() > 1e-3


def test_letter_cnn_by_hand():
    module = spelling("cnn").eval()
    weight, bias = module.encoder.conv.weight, module.encoder.conv.bias
    word = "abcd"
    zero = torch.zeros(4)
    letters = [zero, *(module.letters.weight[LETTERS.index(letter)] for letter in word), zero]
    windows = [bias + sum(weight[:, :, k] @ letters[i + k] for k in range(3)) for i in range(len(word))]
    features = module(torch.tensor([[4]]), spell([[word]], extra=3))[0, 0, 5:]
    close(features, torch.stack(windows).max(dim=0).values)


def test_letter_rnn_by_hand():
    """torch's own LSTM over each word alone, forwards and backwards."""
    module = spelling("rnn").eval()
    reference = torch.nn.LSTM(4, 3, bidirectional=True, batch_first=True)
    with torch.no_grad():
        for own, weights in zip(module.encoder.recurrence.cells, reference.all_weights, strict=True):
            for parameter, weight in zip(own.parameters(), weights, strict=True):
                weight.copy_(parameter)
    words = ["abcd", "x", "yz"]
    features = module(torch.tensor([[4, 4, 4]]), spell([words], extra=2))[0, :, 5:]
    for word, found in zip(words, features, strict=True):
        _, (h, _) = reference(module.letters(spell([[word]])[0]))
        close(found, h[:, 0].flatten())


@encoders
@settings(max_examples=15, deadline=None)
@given(
    sentences=st.lists(
        st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=6), min_size=1, max_size=4),
        min_size=1,
        max_size=3,
    ),
    extra=st.integers(0, 3),
)
def test_a_words_vector_is_its_own(encoder, sentences, extra):
    """Outputs and letter gradients are those of each word alone: no trace of other words or of padding."""
    module = spelling(encoder).eval()
    characters = spell(sentences, extra)
    tokens = torch.where((characters != PAD).any(-1), UNKNOWN, PAD)
    vectors = module(tokens, characters)
    vectors.square().sum().backward()
    together = module.letters.weight.grad.clone()
    module.zero_grad()
    for b, sentence in enumerate(sentences):
        for t, word in enumerate(sentence):
            alone = module(torch.tensor([[UNKNOWN]]), spell([[word]]))[0, 0]
            close(vectors[b, t], alone)
            alone.square().sum().backward()
        assert (vectors[b, len(sentence) :] == 0).all()
    close(together, module.letters.weight.grad)
    assert (together[PAD] == 0).all()


@encoders
def test_each_distinct_word_of_a_batch_is_read_once(encoder):
    module = spelling(encoder)
    read = []
    module.encoder.register_forward_hook(lambda _, inputs, __: read.append(len(inputs[0])))
    characters = spell([["ab", "b", "ab", "b"], ["b", "ba"]])
    module(torch.where((characters != PAD).any(-1), UNKNOWN, PAD), characters)
    assert read == [4]  # of 8 steps: ab, b, ba and padding


@encoders
def test_a_batch_of_padding_gives_zeros_and_no_nan(encoder):
    module = spelling(encoder)
    vectors = module(torch.full((2, 3), PAD), torch.full((2, 3, 4), PAD))
    assert (vectors == 0).all()
    vectors.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@encoders
def test_word_dropout_trains_the_unknown_vector(encoder):
    module = spelling(encoder, word_dropout=0.3)
    tokens = torch.full((100, 100), 4)
    tokens[:, 90:] = PAD
    characters = torch.where(tokens == PAD, PAD, 7)[..., None]
    vectors = module(tokens, characters)
    kept, unknown = ((vectors[..., :5] == module.words.weight[i]).all(-1) for i in (4, UNKNOWN))
    assert (kept ^ unknown)[:, :90].all()
    assert unknown[:, :90].float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert (vectors[:, 90:] == 0).all()
    close(vectors[:, :90, 5:], vectors[:1, :1, 5:].expand(100, 90, -1))
    vectors.sum().backward()
    assert (module.words.weight.grad[UNKNOWN] != 0).all()

    module.eval()
    assert (module(tokens, characters)[:, :90, :5] == module.words.weight[4]).all()


def test_no_word_dropout_draws_no_random_numbers():
    module = spelling("cnn", word_dropout=0.0)
    state = torch.get_rng_state()
    module(torch.tensor([[4]]), spell([["ab"]]))
    assert torch.equal(torch.get_rng_state(), state)


def test_word_dropout_out_of_range():
    with pytest.raises(InputError, match=r"^model\.embedding\.word_dropout=1\.0: must be in \[0, 1\)"):
        from_dict("model/embedding", {"name": "spelling", "word_dropout": 1.0})


def test_spelling_refuses_data_without_letters():
    with pytest.raises(InputError, match=r"^model\.embedding\.name=spelling: .*take model/embedding=word$"):
        spelling("cnn", spec(letters=()))


def test_spelling_refuses_a_batch_without_characters():
    with pytest.raises(ValueError, match="needs the characters"):
        spelling("cnn")(torch.tensor([[4]]))


@pytest.mark.parametrize(
    "config",
    [{"name": "word"}, {"name": "spelling", "encoder": "cnn"}, {"name": "spelling", "encoder": "rnn"}],
    ids=lambda config: "-".join(config.values()),
)
def test_unseen_words_are_known_by_their_spelling(config):
    """The class of a word is its last letter. Of words that were not in training, only spelling tells it."""
    generator = torch.Generator().manual_seed(1)
    stems = torch.randint(0, 24, (400, 5), generator=generator)
    classes = torch.arange(400) % 2
    words = ["".join(map(chr, 97 + stem)) + "yz"[c] for stem, c in zip(stems, classes, strict=True)]
    seen, unseen = slice(300), slice(300, None)
    data = spec(words[seen])
    module = embedding(data, **config)
    model = torch.nn.Linear(module.output_size, 2)
    optimizer = torch.optim.Adam([*module.parameters(), *model.parameters()], lr=0.02)
    characters = spell([words])
    tokens = torch.arange(300)[None] + len(SPECIAL_TOKENS)
    for _ in range(60):
        optimizer.zero_grad()
        logits = model(module(tokens, characters[:, seen]))[0]
        torch.nn.functional.cross_entropy(logits, classes[seen]).backward()
        optimizer.step()

    module.eval()
    unknown = torch.full((1, 100), UNKNOWN)
    accuracy = (model(module(unknown, characters[:, unseen]))[0].argmax(-1) == classes[unseen]).float().mean()
    assert (accuracy > 0.95) == (config["name"] == "spelling"), accuracy
