"""Token sequences of the user's own: one line for each, with a tab before what is to be learned."""

import dataclasses
import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from torch import Tensor

from unroll.batch import SequenceBatch
from unroll.config.registry import builds, register, require
from unroll.data.files.coder import Coder, Line
from unroll.data.files.rare_words import forget_rare_words, unknown_rates
from unroll.data.files.splitting import split_randomly
from unroll.data.module import SequenceDataModule
from unroll.data.prediction.inputs import PredictionInputs, text_inputs
from unroll.data.prediction.refused import Refused, noting
from unroll.data.readers.cutting import Pieces
from unroll.data.readers.files_config import FilesConfig
from unroll.data.readers.lines import read_context, read_tokens
from unroll.data.readers.table_file import read_table
from unroll.data.samples import Samples, common_length
from unroll.errors import InputError
from unroll.spec import WORD_START, Alignment, DataSpec, Kind, Signature, Tokenizer


class TokenFileTask(Enum):
    """The two columns of a line.

    pairs: source tokens and target tokens. tags: tokens and as many tags. label: tokens and a label. context:
    numbers, equally many on every line, and the tokens to generate from them.
    """

    pairs = "pairs"
    tags = "tags"
    label = "label"
    context = "context"


@register("data", "token_file")
@dataclass(kw_only=True, slots=True)
class TokenFileConfig(FilesConfig):
    """Config of token sequences in files of two columns. The same input never stands in two splits.

    Attributes:
        task: what stands on a line, a tab between; source and target tokens (pairs), tokens and as many tags,
            tokens and a label, or the numbers of a context and the tokens to generate from them
        header: whether the first line names the columns
        tokenizer: how the input is cut into tokens: spaces, as it stands; words, with punctuation apart; or
            pieces, of those words, learned from the training part (byte-pair encoding)
        characters: whether each character of the input is a token, whatever the tokenizer
        target_characters: whether each character of the target is a token, not what stands between spaces
        target_pieces: whether the target is written in pieces of what stands between its spaces, learned from
            the training part (byte-pair encoding), so that a model can write words that training lacks
        lowercase: whether the input is read in lower case; null is yes for words and pieces, no otherwise
        rare_word_dropout: α, for words and pieces: in training, one that occurs n times there is read as
            unknown with the probability α / (α + n), so that the model learns to read unknown ones
        min_count: times that a token must occur in training to be known; pieces all are
        max_vocabulary: tokens that are known, at most, the most frequent; null is all, and 4,000 pieces
        max_length: the longest sequence, in tokens; a longer one is an error, null is no limit but that of
            10,000 tokens to write
        valid_fraction: share of the different inputs of `path` to validate on
        test_fraction: share of the different inputs of `path` to test on
        split_seed: seed of the split of `path`
    """

    name: str = "token_file"
    task: TokenFileTask = TokenFileTask.pairs
    header: bool = False
    tokenizer: Tokenizer = Tokenizer.spaces
    characters: bool = False
    target_characters: bool = False
    target_pieces: bool = False
    lowercase: bool | None = None
    rare_word_dropout: float = 0.25
    min_count: int = 1
    max_vocabulary: int | None = None
    max_length: int | None = None
    split_seed: int = 1

    def __post_init__(self) -> None:
        FilesConfig.__post_init__(self)
        require(self, "min_count", self.min_count >= 1, "1 or more")
        require(self, "rare_word_dropout", 0 <= self.rare_word_dropout < math.inf, "0 or more")
        in_spaces = self.task in (TokenFileTask.tags, TokenFileTask.context)
        if in_spaces and self.tokenizer is not Tokenizer.spaces:
            raise InputError(
                f"tokenizer={self.tokenizer.value}: must be spaces where task={self.task.value}, which reads "
                "what stands between them"
            )
        if self.characters and self.tokenizer is Tokenizer.pieces:
            raise InputError(
                "tokenizer=pieces: characters=true makes each character a token; take one of both"
            )
        if self.target_pieces and self.signature().targets is not Kind.TOKENS:
            raise InputError(f"target_pieces=true: task={self.task.value} writes no text; leave it out")
        if self.target_pieces and self.target_characters:
            raise InputError(
                "target_pieces=true: target_characters=true makes each character a token; take one of both"
            )
        require(self, "split_seed", self.split_seed >= 0, "0 or more")
        for key in ("max_vocabulary", "max_length"):
            require(self, key, getattr(self, key) is None or getattr(self, key) >= 1, "1 or more, or null")

    def cut(self) -> Tokenizer:
        """How the input is cut where its characters are not the tokens."""
        return Tokenizer.spaces if self.characters else self.tokenizer

    def lower(self) -> bool:
        """Whether the input is read in lower case."""
        return self.cut() is not Tokenizer.spaces if self.lowercase is None else self.lowercase

    def signature(self) -> Signature:
        return {
            TokenFileTask.pairs: Signature(Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED),
            TokenFileTask.tags: Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP),
            TokenFileTask.label: Signature(Kind.TOKENS, Kind.CLASSES, Alignment.SEQUENCE),
            TokenFileTask.context: Signature(Kind.CONTEXT, Kind.TOKENS, Alignment.UNALIGNED),
        }[self.task]


COLUMNS = {
    TokenFileTask.pairs: ("source", "target"),
    TokenFileTask.tags: ("tokens", "tags"),
    TokenFileTask.label: ("tokens", "label"),
    TokenFileTask.context: ("context", "tokens"),
}

UNASKED_PIECES = 4_000
"""Pieces that are learned unless data.max_vocabulary says how many."""

MAX_UNASKED_TARGET = 10_000
"""A model writes a target token by token, and one that never ends up to one and a half times as many."""

HEADINGS = {
    *("source", "target", "tokens", "tags", "label", "labels", "context"),
    *("input", "output", "text", "sentence", "src", "tgt", "word", "words", "class"),
}
"""A first line of two of these words names the columns."""


@builds(TokenFileConfig)
class TokenFile(SequenceDataModule):
    """Each line is a sample. In the valid and test splits of pairs each source is one sample.

    All targets of that source are right then: they are its `references`. Vocabularies are those of the
    training split. Unless the input is cut into characters or pieces, samples carry the `characters` of their
    tokens.
    """

    config: TokenFileConfig
    _unknown_rates: Tensor | None = None

    @property
    def description(self) -> str:
        config = self.config
        first, second = COLUMNS[config.task]
        return f"{Path(config.path or config.train or '').name}: {first} → {second}"

    @property
    def accepts_unknown(self) -> bool:
        config = self.config
        learned = config.cut() is not Tokenizer.spaces and config.rare_word_dropout > 0
        return learned or config.min_count > 1 or config.max_vocabulary is not None

    def on_before_batch_transfer(self, batch: SequenceBatch, dataloader_idx: int) -> SequenceBatch:
        trainer = self.trainer
        if self._unknown_rates is None or trainer is None or not trainer.training:
            return batch
        return forget_rare_words(batch, self._unknown_rates, self.seed, trainer.current_epoch)

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        config = self.config
        config.require_ready()
        splits: dict[str, list[Line]] = {}
        for key, path in config.files().items():
            lines = self._read(path, len(splits["train"][0].inputs) if splits else None)
            splits.update(self._split(lines, path) if key == "path" else {key: lines})
        pieces = target_pieces = None
        size = config.max_vocabulary or UNASKED_PIECES
        if config.cut() is Tokenizer.pieces:
            pieces = Pieces.learned((line.inputs for line in splits["train"]), size)
        if config.target_pieces:
            target_pieces = Pieces.learned((line.targets for line in splits["train"]), size)
        for name, lines in splits.items():
            splits[name] = [self._in_pieces(line, pieces, target_pieces) for line in lines]
        coder = Coder.of(
            splits["train"],
            config.signature(),
            min_count=config.min_count,
            max_size=config.max_vocabulary,
            spelt=not config.characters and pieces is None,
            pieces=pieces.vocabulary if pieces else None,
            target_pieces=target_pieces.vocabulary if target_pieces else None,
        )
        pairs = config.task is TokenFileTask.pairs
        samples = {
            split: Samples(coder.merged(lines) if pairs and split != "train" else coder.samples(lines))
            for split, lines in splits.items()
        }
        spec = dataclasses.replace(
            coder.spec(splits["train"]),
            length=common_length(length for split in samples.values() for length in split.lengths),
            tokenizer=config.cut(),
            merges=pieces.merges if pieces else (),
            characters=config.characters,
            lowercase=config.lower(),
            target_characters=config.target_characters,
            target_pieces=config.target_pieces,
            target_merges=target_pieces.merges if target_pieces else (),
        )
        if spec.tokenizer is not Tokenizer.spaces and config.rare_word_dropout > 0:
            sequences = (sample.inputs for sample in samples["train"].samples)
            self._unknown_rates = unknown_rates(sequences, spec.input_size, config.rare_word_dropout)
        return spec, samples

    def read_inputs(
        self, path: Path, spec: DataSpec, *, unknown: bool = False, refused: Refused | None = None
    ) -> PredictionInputs:
        table = read_table(path, header=self.config.header, literal=True, keep_torn=refused is not None)
        if len(table.names) > 2:
            raise InputError(f"{table.place(0)}: {len(table.names)} columns; give the input's alone, or two")
        for fault in table.torn.values():
            with noting(refused):
                raise InputError(fault)
        first = table.column(table.names[0]).astype("str").fillna("")
        lines = [(table.place(row), text) for row, text in enumerate(first) if row not in table.torn]
        return text_inputs(lines, spec, unknown=unknown, check=self._require_length, refused=refused)

    def _read(self, path: Path, context_size: int | None) -> list[Line]:
        """The lines of a file; their contexts have `context_size` numbers, or as many as the first."""
        table = read_table(path, header=self.config.header, literal=True)
        names = COLUMNS[self.config.task]
        if len(table.names) != 2:
            between = "a comma" if ".csv" in path.name.lower() else "a tab"
            raise InputError(
                f"{table.place(0)}: {len(table.names)} columns where a line has 2: "
                f"{names[0]}, {between}, {names[1]}"
            )
        first, second = (table.column(name).astype("str").fillna("") for name in table.names)
        if not self.config.header and {first[0].strip().lower(), second[0].strip().lower()} <= HEADINGS:
            raise InputError(
                f"{table.place(0)}: '{first[0]}' and '{second[0]}' look like names of columns; set "
                "data.header=true, or take the line out"
            )
        lines: list[Line] = []
        for row, (left, right) in enumerate(zip(first, second, strict=True)):
            lines.append(self._line(table.place(row), left, right, context_size))
            context_size = context_size or len(lines[0].inputs)
        return lines

    def _line(self, place: str, left: str, right: str, context_size: int | None) -> Line:
        config = self.config
        first, second = (f"{place}: {name}" for name in COLUMNS[config.task])
        if config.task is TokenFileTask.context:
            return Line(place, tuple(read_context(first, left, context_size)), self._target(second, right))
        inputs = tuple(
            read_tokens(
                first, left, tokenizer=config.cut(), characters=config.characters, lowercase=config.lower()
            )
        )
        self._require_length(first, len(inputs))
        if config.task is TokenFileTask.pairs:
            return Line(place, inputs, self._target(second, right))
        classes = tuple(right.split()) if config.task is TokenFileTask.tags else (right.strip(),)
        if config.task is TokenFileTask.tags and len(classes) != len(inputs):
            raise InputError(
                f"{place}: {len(inputs)} tokens and {len(classes)} tags; write a tag for each token"
            )
        if not all(classes):
            raise InputError(f"{second} is empty; write one")
        return Line(place, inputs, classes)

    def _in_pieces(self, line: Line, pieces: Pieces | None, target_pieces: Pieces | None) -> Line:
        """The line with its words cut into pieces, where there are pieces."""
        if pieces is not None:
            line = dataclasses.replace(line, inputs=tuple(pieces.cut(line.inputs)))
            self._require_length(line.place, len(line.inputs))
        if target_pieces is not None:
            target = tuple(target_pieces.cut(line.targets))
            self._require_target_length(f"{line.place}: {COLUMNS[self.config.task][1]}", target)
            line = dataclasses.replace(line, targets=target)
        return line

    def _target(self, place: str, text: str) -> tuple[str, ...]:
        if self.config.target_pieces:
            text = text.replace(WORD_START, " ")
        tokens = tuple(read_tokens(place, text, characters=self.config.target_characters))
        self._require_target_length(place, tokens)
        return tokens

    def _require_target_length(self, place: str, tokens: tuple[str, ...]) -> None:
        self._require_length(place, len(tokens))
        if self.config.max_length is None and len(tokens) > MAX_UNASKED_TARGET:
            raise InputError(
                f"{place}: {len(tokens):,} tokens to write one by one; more than {MAX_UNASKED_TARGET:,} are "
                f"read only with data.max_length={len(tokens)}; set it, or cut them"
            )

    def _require_length(self, place: str, length: int) -> None:
        limit = self.config.max_length
        if limit is not None and length > limit:
            raise InputError(
                f"{place}: {length} tokens, more than data.max_length={limit}; cut them, or allow more"
            )

    def _split(self, lines: list[Line], path: Path) -> dict[str, list[Line]]:
        """Lines by split; those of the same input stay together."""
        config = self.config
        by_input: dict[tuple[Any, ...], list[Line]] = {}
        for line in lines:
            by_input.setdefault(line.inputs, []).append(line)
        groups = list(by_input.values())
        parts = split_randomly(len(groups), config, config.split_seed, f"different inputs ({path})")
        return {split: [line for i in part for line in groups[i]] for split, part in parts.items()}
