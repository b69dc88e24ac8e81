"""The base of the models that write tokens: teacher forcing, decoding, losses and error rates."""

import dataclasses
import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MeanMetric

from unroll.batch import SequenceBatch
from unroll.config.components import RecurrentConfig
from unroll.config.registry import require
from unroll.models.base import Example, SequenceModel
from unroll.models.measure import ErrorsBySequence, Form, Measure
from unroll.models.metrics import SequenceErrors, edits
from unroll.models.teacher_forcing import TeacherForcingConfig, teacher_forcing_ratio
from unroll.models.text_metrics import Bleu, Chrf
from unroll.nn.attention.base import Attention, AttentionMap
from unroll.nn.backbone import build_recurrence
from unroll.nn.cells.base import State
from unroll.nn.decoder import Decoder, Weights
from unroll.nn.encoder import Memory
from unroll.nn.search import Decoded, SearchConfig, allowed_scores, search
from unroll.spec import PAD, START, DataSpec, Kind
from unroll.text import Text


@dataclass(kw_only=True, slots=True)
class TokenGeneratorConfig(RecurrentConfig):
    """Base config of a model that writes tokens.

    Attributes:
        dropout: share of values that are dropped in training, of embeddings, between layers and before the
            output; null is 0
        embedding_size: size of a token's vector
        label_smoothing: share of the target's probability that is spread over all tokens
        teacher_forcing: how often the decoder in training sees the true previous token
        search: how outputs are decoded in the test; validation is always greedy
    """

    embedding_size: int = 64
    label_smoothing: float = 0.0
    teacher_forcing: TeacherForcingConfig = field(default_factory=TeacherForcingConfig)
    search: SearchConfig = field(default_factory=SearchConfig)

    def __post_init__(self) -> None:
        RecurrentConfig.__post_init__(self)
        require(self, "num_layers", self.num_layers >= 1, "1 or more")
        require(self, "embedding_size", self.embedding_size >= 1, "1 or more")
        require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)")


class TokenGenerator(SequenceModel):
    """A model that writes a token sequence, one token after the other, from what `encode` has read.

    Loss and perplexity are means over target tokens, END included, with the true previous tokens as inputs.
    Error rates are those of decoded outputs; decoding sees no target.
    """

    def __init__(self, config: TokenGeneratorConfig, spec: DataSpec, attention: Attention) -> None:
        super().__init__(config, spec)
        self.config = config
        recurrence = build_recurrence(config, config.embedding_size, decoder=True)
        self.decoder = Decoder(spec.target_size, config.embedding_size, recurrence, attention, config.dropped)
        self.monitor = (f"valid/{spec.error_names[0]}", "min")
        self.measure = Measure(spec.error_names[0], Form.MEAN)
        self.errors = ErrorsBySequence()
        texts = spec.signature.inputs is Kind.TOKENS
        self.metrics = nn.ModuleDict({"valid": _Metrics(), "test": _Metrics(texts=texts)})

    @abstractmethod
    def encode(self, batch: SequenceBatch) -> tuple[Memory, list[State]]:
        """Read the inputs once; return what the decoder attends to, and the state it starts from."""

    def forward(
        self, batch: SequenceBatch, teacher_forcing: float = 1.0
    ) -> tuple[Float[Tensor, "batch time_out vocabulary"], Weights]:
        """Scores for every step of the targets, and the attention weights.

        For every sequence and step the decoder reads the true previous token with probability
        `teacher_forcing`, otherwise the token that it found most probable (Bengio et al. 2015, "Scheduled
        sampling"). At 1 the decoder is one fused call, below 1 a loop over the steps.
        """
        assert batch.targets is not None
        memory, state = self.encode(batch)
        previous = F.pad(batch.targets[:, :-1], (1, 0), value=START)
        if teacher_forcing >= 1:
            logits, _, weights = self.decoder(previous, state, memory)
            return logits, weights

        steps: list[Tensor] = []
        attended: list[Tensor] = []
        token = previous[:, :1]
        for t in range(previous.shape[1]):
            if t > 0:
                given = torch.rand(len(batch), 1, device=token.device) < teacher_forcing
                token = torch.where(given, previous[:, t : t + 1], allowed_scores(steps[-1]).argmax(dim=-1))
            logits, state, weights = self.decoder.step(token, state, memory)
            steps.append(logits)
            if weights is not None:
                attended.append(weights)
        return torch.cat(steps, dim=1), torch.cat(attended, dim=1) if attended else None

    @torch.no_grad()
    def decode(self, batch: SequenceBatch, config: SearchConfig | None = None) -> Decoded:
        """Outputs for the inputs of a batch, by the search of `config`, by default the model's own."""
        config = config or self.config.search
        memory, state = self.encode(batch)
        max_length = config.max_length or math.ceil(1.5 * self.spec.max_target_length)
        start = torch.full_like(batch.lengths, START)
        return search(
            config, lambda token, state: self.decoder.step(token, state, memory)[:2], start, state, max_length
        )

    @torch.no_grad()
    def examples(self, batch: SequenceBatch) -> list[Example]:
        text = Text(self.spec)
        return [
            Example(
                self._input_text(text, inputs[:length], spelt),
                text.output_text(predicted),
                [text.output_text(target) for target in targets],
            )
            for inputs, length, spelt, predicted, targets in zip(
                batch.inputs.tolist(),
                batch.lengths.tolist(),
                [None] * len(batch) if batch.characters is None else batch.characters.tolist(),
                self.decode(batch).to_lists(),
                references_of(batch),
                strict=True,
            )
        ]

    def _input_text(self, text: Text, inputs: list[Any], characters: list[list[int]] | None) -> str:
        if self.spec.signature.inputs is Kind.TOKENS:
            return text.input_text(inputs, characters and characters[: len(inputs)])
        return " ".join(f"{value:.6g}" for value in inputs[0])

    @torch.no_grad()
    def attention_maps(self, batch: SequenceBatch) -> list[AttentionMap]:
        decoded = self.decode(batch)
        _, weights = self(dataclasses.replace(batch, targets=decoded.tokens))
        if weights is None:
            return []
        text = Text(self.spec)
        return [
            AttentionMap(
                text.inputs.decode(inputs[:length]),
                text.outputs.decode(outputs),
                rows[: len(outputs), :length].tolist(),
            )
            for inputs, length, outputs, rows in zip(
                batch.inputs.tolist(), batch.lengths.tolist(), decoded.to_lists(), weights, strict=True
            )
            if outputs
        ]

    def loss(self, batch: SequenceBatch) -> Tensor:
        ratio = teacher_forcing_ratio(self.config.teacher_forcing, self.global_step)
        logits, _ = self(batch, ratio)
        return self._cross_entropy(batch, logits, self.config.label_smoothing)

    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        self._evaluate(batch, "valid", SearchConfig())

    def test_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        predictions = self._evaluate(batch, "test", self.config.search)
        self.errors.update(batch.index, *self.errors_of(batch, predictions))

    def predict_step(self, batch: SequenceBatch, batch_idx: int = 0) -> list[str]:
        """The decoded text for each sequence."""
        text = Text(self.spec)
        return [text.output_text(ids) for ids in self.decode(batch).to_lists()]

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("valid")

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test")

    def errors_of(
        self, batch: SequenceBatch, predictions: list[list[int]]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """The edits of such predictions for each sequence, and the tokens of its nearest reference."""
        found = torch.tensor(edits(predictions, references_of(batch)), dtype=torch.float)
        return found[:, 0].to(batch.lengths.device), found[:, 1].to(batch.lengths.device)

    def _evaluate(self, batch: SequenceBatch, stage: str, config: SearchConfig) -> list[list[int]]:
        assert batch.targets is not None
        logits, _ = self(batch)
        loss = self._cross_entropy(batch, logits)
        self.require_finite(f"{stage}/loss", loss)  # MeanMetric would drop a NaN
        valid = batch.targets != PAD
        accuracy = (logits.argmax(dim=-1) == batch.targets)[valid].float().mean()
        metrics = self._metrics(stage)
        metrics.loss.update(loss, weight=valid.sum())
        metrics.accuracy.update(accuracy, weight=valid.sum())
        predictions = self.decode(batch, config).to_lists()
        references = references_of(batch)
        metrics.errors.update(predictions, references)
        if of_texts := metrics.of_texts():
            text = Text(self.spec).output_text
            written = [text(ids) for ids in predictions]
            wanted = [[text(ids) for ids in acceptable] for acceptable in references]
            for metric in of_texts.values():
                metric.update(written, wanted)
        return predictions

    def _log_metrics(self, stage: str) -> None:
        metrics = self._metrics(stage)
        loss = metrics.loss.compute()
        token_errors, sequence_errors = metrics.errors.compute()
        token_name, sequence_name = self.spec.error_names
        values = {
            "loss": loss,
            "perplexity": loss.exp(),
            "token_accuracy": metrics.accuracy.compute(),
            "exact_match": 1 - sequence_errors,
            token_name: token_errors,
            sequence_name: sequence_errors,
            **{name: metric.compute() for name, metric in metrics.of_texts().items()},
        }
        # The metrics already cover all processes; sync_dist only tells Lightning so.
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()}, sync_dist=True)
        metrics.reset()

    def _cross_entropy(
        self,
        batch: SequenceBatch,
        logits: Float[Tensor, "batch time_out vocabulary"],
        label_smoothing: float = 0.0,
    ) -> Float[Tensor, ""]:
        assert batch.targets is not None
        return F.cross_entropy(
            logits.flatten(0, 1), batch.targets.flatten(), ignore_index=PAD, label_smoothing=label_smoothing
        )

    def _metrics(self, stage: str) -> "_Metrics":
        metrics = self.metrics[stage]
        assert isinstance(metrics, _Metrics)
        return metrics


def references_of(batch: SequenceBatch) -> list[list[list[int]]]:
    """Every acceptable target of each sequence, without END."""
    if batch.references is not None:
        return batch.references
    assert batch.targets is not None
    assert batch.target_lengths is not None
    targets, lengths = batch.targets.tolist(), batch.target_lengths.tolist()
    return [[target[: length - 1]] for target, length in zip(targets, lengths, strict=True)]


class _Metrics(nn.Module):
    """The metrics of one stage: means over tokens, error rates of decoded outputs, scores of `texts`."""

    def __init__(self, *, texts: bool = False) -> None:
        super().__init__()
        self.loss = MeanMetric()
        self.accuracy = MeanMetric()
        self.errors = SequenceErrors()
        self.bleu = Bleu() if texts else None
        self.chrf = Chrf() if texts else None

    def of_texts(self) -> dict[str, Bleu | Chrf]:
        """The scores of texts by name."""
        both = {"bleu": self.bleu, "chrf": self.chrf}
        return {name: metric for name, metric in both.items() if metric is not None}

    def reset(self) -> None:
        for metric in (self.loss, self.accuracy, self.errors, *self.of_texts().values()):
            metric.reset()
