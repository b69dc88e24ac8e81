"""A model of text reads what people write, and words that training lacked; its runs have the same bits."""

import csv
import io

import lightning.pytorch as pl
import pytest
import torch
from file_data import data_in, write
from helpers import small_model

from unroll.config.compose import CONF, check, compose
from unroll.data.files.rare_words import forget_rare_words, unknown_rates
from unroll.spec import UNKNOWN
from unroll.trained.open import open_model
from unroll.trained.predict import predict
from unroll.training.bare_trainer import bare_trainer, quiet

PRAISE, BLAME = ("great", "lovely", "fine", "superb"), ("awful", "bland", "cold", "stale")
REVIEWS = "".join(
    f"The {dish} was {word}{mark}\t{label}\n"
    for dish in ("food", "Soup", "bread", "tea", "fish", "rice")
    for mark in ("!", ".", ", really.")
    for label, adjectives in (("good", PRAISE), ("bad", BLAME))
    for word in adjectives
)
SMALL = (
    "model.hidden_size=12",
    "data.batch_size=16",
    "optimizer.lr=0.02",
    "logger=csv",
    "trainer.max_epochs=4",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train on the reviews in this process, in a folder of this name: the folder."""
    from unroll.training.run import run

    place = tmp_path_factory.mktemp("text")
    file = write(place, "reviews.tsv", REVIEWS)

    def train(name, *overrides):
        words = ("model=many_to_one", "data=token_labels", f"data.path={file}", *SMALL, *overrides)
        run({**check(compose(words), CONF), "run_dir": str(place / name)})
        return place / name

    return train


@pytest.fixture(scope="module")
def whole(trained):
    return trained("whole")


def weights(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def probabilities(run, *texts):
    model, _ = open_model(str(run))
    table = predict(model, run, lines=[("--text", text) for text in texts])
    rows = csv.DictReader(io.StringIO(table))
    return [(row["label"], row["p(good)"]) for row in rows]


def test_text_is_read_as_people_write_it(whole, tmp_path):
    texts = ("The Food was Great!", "the food was great !", "THE  FOOD was\u00a0great!")
    (label, probability), *others = probabilities(whole, *texts)
    assert others == [(label, probability)] * 2
    assert label == "good"
    model, _ = open_model(str(whole))
    file = write(tmp_path, "new.tsv", "".join(f"{text}\n" for text in texts))
    assert predict(model, whole, file=file) == predict(model, whole, lines=[("-", text) for text in texts])


@pytest.mark.parametrize("tokenizer", ["words", "pieces"])
def test_unknown_words_are_no_error(tokenizer, whole, trained):
    run = whole if tokenizer == "words" else trained("pieces", "data.tokenizer=pieces")
    found = probabilities(run, "The pizza was awful.", "ж?", "The pizza was great!")
    assert [label for label, _ in found][::2] == ["bad", "good"]


def test_a_model_writes_pieces_of_words(tmp_path):
    from unroll.training.run import run

    pairs = "".join(f"{word}{end}\t{word}er!\n" for word in (*PRAISE, *BLAME) for end in "abcdefghij")
    file = write(tmp_path, "pairs.tsv", pairs)
    words = ("data=token_pairs", f"data.path={file}", "data.characters=true", "data.target_pieces=true")
    small = ("data.max_vocabulary=30", "model.hidden_size=32", "trainer.max_epochs=30", "logger=none")
    run({**check(compose((*words, *small)), CONF), "run_dir": str(tmp_path / "run")})
    model, _ = open_model(str(tmp_path / "run"))
    answers = predict(model, tmp_path / "run", lines=[("-", "greata"), ("-", "blandj")])
    assert answers.splitlines() == ["greata\tgreater!", "blandj\tblander!"]


def test_the_vector_of_unknown_words_is_learned(whole, trained):
    never = trained("never", "data.rare_word_dropout=0")
    first, second = (weights(run)["backbone.embedding.table.weight"][UNKNOWN] for run in (never, whole))
    assert not torch.equal(first, second)


class Seen(pl.Callback):
    """Keeps what a model is given, by whether it trains, with the epoch."""

    def __init__(self):
        self.train, self.valid = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.train.append((trainer.current_epoch, batch.index, batch.inputs.clone()))

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.valid.append((trainer.current_epoch, batch.index, batch.inputs.clone()))


def test_rare_words_are_unknown_in_training_alone_and_others_in_each_epoch(tmp_path):
    file, seen = write(tmp_path, "reviews.tsv", REVIEWS), Seen()
    data = data_in(file, "token_file", task="label", tokenizer="words", rare_word_dropout=9.0)
    with quiet():
        trainer = bare_trainer(accelerator="cpu", max_epochs=2, callbacks=[seen], num_sanity_val_steps=0)
        trainer.fit(small_model("many_to_one", data.spec).train(), data)
    train = data.splits["train"].samples
    rates = unknown_rates([sample.inputs for sample in train], data.spec.input_size, 9.0)
    assert {epoch for epoch, *_ in seen.train} == {0, 1}
    for epoch, index, inputs in seen.train:
        batch = data.collate([train[number] for number in index])
        assert torch.equal(inputs, forget_rare_words(batch, rates, data.seed, epoch).inputs)
        assert (inputs == UNKNOWN).any()
    for _, index, inputs in seen.valid:
        assert torch.equal(inputs, data.collate([data.splits["valid"].samples[i] for i in index]).inputs)


def test_the_bits_are_those_of_workers_and_of_a_run_that_went_on(whole, trained):
    """One that stopped after an epoch, and one that stopped in the middle of the second one."""
    expected = weights(whole)
    assert_same(weights(trained("workers", "data.workers=2")), expected)
    for name, limit in (("epoch", "trainer.max_epochs=1"), ("steps", "trainer.max_steps=11")):
        part = trained(name, limit)
        assert_same(
            weights(trained(f"{name}-on", f"ckpt_path={part / 'checkpoints' / 'last.ckpt'}")), expected
        )


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
