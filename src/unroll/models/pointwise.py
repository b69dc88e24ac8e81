"""The base of the models whose outputs are compared with targets one by one."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from unroll.batch import SequenceBatch, mask_from_lengths, on_host
from unroll.config.components import ModelConfig
from unroll.models.base import Example, Forecast, SequenceModel
from unroll.models.forecast_metrics import ForecastErrors, is_forecast
from unroll.models.measure import ErrorsBySequence, by_sequence
from unroll.models.naive import naive_forecast
from unroll.models.target_metrics import TargetMetrics
from unroll.models.targets import MOST_SHOWN_STEPS, MOST_SHOWN_VALUES, ValueTarget, build_target, shortened
from unroll.nn.quantiles import Quantiles, Residuals
from unroll.nn.scaling import add_means, digits
from unroll.nn.window_scaling import Frame, WindowScaling
from unroll.spec import IGNORED, Alignment, DataSpec, ForecastScaling, Kind
from unroll.text import Text

LINEAR_SHARE = 0.1
"""The linear part of a forecast is its map times this. So Adam, which moves all weights by the rate, learns
it more slowly: on a noisy series a fast one has learned noise before the network has learned anything."""

Outputs = Float[Tensor, "batch *time outputs"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that count; `where` are the sequences and steps (rows,) that they come from, None if a row is a
    sequence; `unit` is what the loss of their values is counted in, if they have units of their own."""

    outputs: Tensor
    targets: Tensor
    lengths: Tensor
    where: tuple[Tensor, Tensor] | None = None
    unit: Tensor | None = None


class PointwiseModel(SequenceModel):
    """A model with one output for each target: for a sequence, for each step, or for each step ahead.

    Loss and metrics leave out padding: they are means over sequences or over valid steps.
    """

    def __init__(
        self, config: ModelConfig, spec: DataSpec, levels: tuple[float, ...] = (), *, linear: bool = False
    ) -> None:
        """`levels` are those of the quantiles that the model writes of each value, if any.

        `linear` adds a linear map from the window to a forecast.
        """
        super().__init__(config, spec)
        self.target = build_target(spec, levels)
        self.window = None if spec.scaling is ForecastScaling.training else WindowScaling(spec)
        self.linear: nn.Linear | None = None
        if linear and self.window is not None and spec.length and not self.window.by_step:
            self.linear = nn.Linear(spec.length, spec.horizon, bias=False)
            nn.init.zeros_(self.linear.weight)
        self.residuals = Residuals(self.quantiles) if self.quantiles else None
        self.measure = self.target.measure
        self.errors = ErrorsBySequence()
        self._test_details: dict[str, Any] = {}
        self.metrics = nn.ModuleDict(
            {stage: self.target.metrics(full=stage == "test") for stage in ("valid", "test")}
        )
        self.forecast_errors = nn.ModuleDict(
            {stage: ForecastErrors(spec) for stage in ("valid", "test") if is_forecast(spec)}
        )

    @abstractmethod
    def forward(self, batch: SequenceBatch) -> Outputs:
        """Logits or scaled values, in the shape of the targets. `forward` reads no target."""

    @property
    def quantiles(self) -> Quantiles | None:
        """The quantiles that the model writes of each value, if any."""
        return self.target.quantiles if isinstance(self.target, ValueTarget) else None

    def frame(self, batch: SequenceBatch) -> Frame | None:
        """What the forecasts of a batch are measured from, if anything."""
        return None if self.window is None else self.window.frame(batch)

    def linear_part(self, frame: Frame | None) -> Float[Tensor, "batch steps features"] | None:
        """What is added to the outputs of a network, if anything: a linear map of the window."""
        if self.linear is None or frame is None:
            return None
        part: Tensor = self.linear(frame.known.transpose(1, 2))
        return LINEAR_SHARE * part.transpose(1, 2)

    def placed(self, raw: Outputs, batch: SequenceBatch) -> Outputs:
        """The outputs that a network means: its own, with quantiles in order, measured from the window.

        Outside of training the quantiles are calibrated.
        """
        frame = self.frame(batch)
        if (part := self.linear_part(frame)) is not None:
            raw = raw + self._by_output(part, raw)
        if self.quantiles is not None:
            raw = self.quantiles.ordered(raw)
            raw = raw if self.training else self.quantiles.calibrated(raw)
        if frame is None:
            return raw
        origin, unit = (self._by_output(each, raw) for each in (frame.origin, frame.unit))
        return origin + unit * raw

    def _by_output(self, frame: Float[Tensor, "batch #steps features"], outputs: Outputs) -> Tensor:  # noqa: F821
        """Numbers of forecast features in the shape of outputs, which may hold all steps and quantiles."""
        if outputs.ndim == 2:
            frame = frame.expand(-1, self.spec.horizon, -1).flatten(1)
        return frame.repeat_interleave(len(self.quantiles), dim=-1) if self.quantiles else frame

    def training_outputs(self, batch: SequenceBatch) -> Outputs:
        """The outputs that the loss trains; those of `forward` by default."""
        outputs: Tensor = self(batch)
        return outputs

    def training_rows(self, batch: SequenceBatch) -> Rows:
        """The rows that the loss trains."""
        return self.rows(batch, self.training_outputs(batch))

    def loss(self, batch: SequenceBatch) -> Tensor:
        rows = self.training_rows(batch)
        if len(rows.outputs) == 0:  # all steps of a segment may be IGNORED
            return rows.outputs.sum()
        return self._loss(rows)

    def _loss(self, rows: Rows) -> Tensor:
        """The mean loss of rows, in their units if they have some."""
        if rows.unit is None:
            return self.target.loss(rows.outputs, rows.targets)
        assert isinstance(self.target, ValueTarget)
        return self.target.loss(rows.outputs, rows.targets, rows.unit)

    def on_validation_epoch_start(self) -> None:
        if self.quantiles is not None and self.residuals is not None:
            self.quantiles.offsets.zero_()
            self.residuals.reset()

    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        self._evaluate(batch, "valid")

    def test_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        outputs = self._evaluate(batch, "test")
        self.errors.update(batch.index, *self.errors_of(batch, outputs))

    def on_validation_epoch_end(self) -> None:
        if self.quantiles is not None and self.residuals is not None:
            self.quantiles.offsets.copy_(self.residuals.compute())
        self._log_metrics("valid")

    def on_test_epoch_end(self) -> None:
        self._test_details = self._metrics("test").details()
        if (errors := self._forecast_errors("test")) is not None:
            self._test_details |= errors.details()
        self._log_metrics("test")

    def test_details(self) -> dict[str, Any]:
        return self._test_details

    @torch.no_grad()
    def take_calibration(self, weights: dict[str, Tensor]) -> None:
        if self.quantiles is not None:
            self.quantiles.offsets.copy_(weights["target.quantiles.offsets"])

    @torch.no_grad()
    def predict_step(self, batch: SequenceBatch, batch_idx: int = 0) -> list[np.ndarray]:
        """For each sequence: probabilities (C,) or values (O,), or one such row for each step.

        A model of quantiles gives them for each value: (O, Q) in place of (O,).
        """
        outputs = self(batch)
        if self.quantiles is not None:
            assert isinstance(self.target, ValueTarget)
            return self._by_sequence(self.target.predict_quantiles(outputs), batch)
        return self._by_sequence(self.target.predict(outputs), batch)

    def _points(self, batch: SequenceBatch) -> list[np.ndarray]:
        """What `predict_step` returns, without quantiles."""
        return self._by_sequence(self.target.predict(self(batch)), batch)

    def _by_sequence(self, found: Tensor, batch: SequenceBatch) -> list[np.ndarray]:
        predictions = found.cpu().numpy()
        if self.spec.signature.alignment is not Alignment.STEP:
            return list(predictions)
        return [steps[:length] for steps, length in zip(predictions, batch.lengths.tolist(), strict=True)]

    @torch.no_grad()
    def examples(self, batch: SequenceBatch) -> list[Example]:
        assert batch.targets is not None
        signature = self.spec.signature
        graded = signature.targets is not Kind.CONTINUOUS
        lengths = batch.lengths if batch.target_lengths is None else batch.target_lengths
        examples = []
        targets = batch.targets
        if isinstance(self.target, ValueTarget):
            targets = self.target.scaling.absolute(targets)
        for row, prediction in enumerate(self._points(batch)):
            found, true = prediction.tolist(), targets[row].tolist()
            if signature.alignment is Alignment.SEQUENCE:
                both = self.target.text(found), self.target.text(true)
            else:
                end = int(lengths[row])
                both = self._steps_text(found[:end]), self._steps_text(true[:end])
            examples.append(Example(self._input_text(batch, row), both[0], [both[1]], graded))
        return examples

    @torch.no_grad()
    def forecasts(self, batch: SequenceBatch) -> list[Forecast]:
        naive = naive_forecast(batch, self.spec)
        if naive is None:
            return []
        assert batch.targets is not None
        signature, feature = self.spec.signature, self.spec.target_inputs[0]
        inputs, targets = self._absolute_inputs(batch), batch.targets
        if isinstance(self.target, ValueTarget):
            targets, naive = (self.target.scaling.absolute(each) for each in (targets, naive))
        forecasts = []
        for row, prediction in enumerate(self.predict_step(batch)):
            length = int(batch.lengths[row])
            steps = length if signature.alignment is Alignment.STEP else self.spec.horizon

            def first(values: Any, steps: int = steps) -> list[float]:
                """The first feature, step by step; steps may lie on their own axis or share one."""
                found = torch.as_tensor(values).reshape(-1, len(self.spec.target_inputs))
                return found[:steps, 0].tolist()

            band, predicted = None, prediction
            if self.quantiles is not None:
                predicted = prediction[..., self.quantiles.middle]
                if len(self.quantiles) > 1:
                    share = self.quantiles.levels[-1] - self.quantiles.levels[0]
                    band = first(prediction[..., 0]), first(prediction[..., -1]), share
            known = inputs[row, :length, feature].tolist()
            start = 1 if signature.alignment is Alignment.STEP else length
            true, plain = first(targets[row]), first(naive[row])
            index = int(batch.index[row])
            forecasts.append(Forecast(known, start, true, first(predicted), plain, index, band))
        return forecasts

    def _steps_text(self, rows: list[list[float]] | list[int]) -> str:
        most = MOST_SHOWN_VALUES if self.spec.signature.targets is Kind.CONTINUOUS else MOST_SHOWN_STEPS
        return shortened([self.target.text(row) for row in rows], most)

    def _input_text(self, batch: SequenceBatch, row: int) -> str:
        length = int(batch.lengths[row])
        if self.spec.signature.inputs is Kind.TOKENS:
            spelt = None if batch.characters is None else batch.characters[row, :length].tolist()
            return Text(self.spec).input_text(batch.inputs[row, :length].tolist(), spelt)
        spec, shown = self.spec, 3
        if spec.centered:
            shown = digits(spec.input_mean[0], spec.input_std[0], shown)
        last = " ".join(
            f"{value:.{shown}g}" for value in self._absolute_inputs(batch)[row, :length, 0][-4:].tolist()
        )
        return f"{length} steps … {last}"

    def _absolute_inputs(self, batch: SequenceBatch) -> Tensor:
        """Inputs of values in the units of the data."""
        return add_means(batch.inputs, self.spec.input_mean if self.spec.centered else ())

    def errors_of(
        self, batch: SequenceBatch, outputs: Outputs
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """The summed errors of such outputs for each sequence, and the number of its targets that count."""
        rows = self.rows(batch, outputs)
        sequences = rows.where[0] if rows.where else torch.arange(len(batch), device=outputs.device)
        return by_sequence(self.target.errors(rows.outputs.float(), rows.targets), sequences, len(batch))

    def _evaluate(self, batch: SequenceBatch, stage: str) -> Outputs:
        outputs: Tensor = self(batch)
        rows = self.rows(batch, outputs)
        loss = self._loss(rows)
        self.require_finite(f"{stage}/loss", loss)  # MeanMetric would drop a NaN
        metrics = self._metrics(stage)
        metrics.loss.update(loss, weight=len(rows.outputs))
        if stage == "valid" and self.residuals is not None:
            self._note_residuals(rows)
        sequence = None if rows.where is None else rows.where[0]
        metrics.update(rows.outputs.float(), rows.targets, rows.lengths, sequence)
        if (errors := self._forecast_errors(stage)) is not None:
            assert isinstance(self.target, ValueTarget)
            errors.update(batch, self.target.scaling.inverse(self.target.point(outputs.float())))
        return outputs

    def _note_residuals(self, rows: Rows) -> None:
        assert isinstance(self.target, ValueTarget)
        assert self.quantiles is not None
        assert self.residuals is not None
        scaled = self.target.scaling(rows.targets)
        residuals = scaled[..., None] - self.quantiles.split(rows.outputs.float())
        residuals = residuals if rows.unit is None else residuals / rows.unit[..., None]
        self.residuals.update(residuals, None if rows.where is None else rows.where[1])

    def _log_metrics(self, stage: str) -> None:
        metrics = self._metrics(stage)
        values = metrics.compute()
        if (errors := self._forecast_errors(stage)) is not None:
            values |= errors.compute()
            errors.reset()
        # The metrics already cover all processes; sync_dist only tells Lightning so.
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()}, sync_dist=True)
        metrics.reset()

    def _metrics(self, stage: str) -> TargetMetrics:
        metrics = self.metrics[stage]
        assert isinstance(metrics, TargetMetrics)
        return metrics

    def _forecast_errors(self, stage: str) -> ForecastErrors | None:
        if stage not in self.forecast_errors:
            return None
        errors = self.forecast_errors[stage]
        assert isinstance(errors, ForecastErrors)
        return errors

    def rows(self, batch: SequenceBatch, outputs: Outputs) -> Rows:
        """The outputs and targets that count: those of valid, not IGNORED steps."""
        assert batch.targets is not None
        targets = batch.targets
        unit = self._unit(batch, targets)
        if self.spec.signature.alignment is Alignment.SEQUENCE:
            return Rows(outputs, targets, batch.lengths, None, unit)
        steps = batch.lengths if batch.target_lengths is None else batch.target_lengths
        # Which they are is found on the host: the device would have to be waited for.
        counts = mask_from_lengths(on_host(steps), targets.shape[1])
        if self.spec.signature.targets is Kind.CLASSES:
            counts = counts & (on_host(targets) != IGNORED)
        found = counts.nonzero().to(targets.device, non_blocking=True)
        where = (found[:, 0], found[:, 1])
        return Rows(
            outputs[where],
            targets[where],
            batch.lengths[where[0]],
            where,
            None if unit is None else unit[where],
        )

    def _unit(self, batch: SequenceBatch, targets: Tensor) -> Tensor | None:
        """The unit of each window's values, in the shape of the targets; None where all have the same."""
        if self.window is None or not self.window.has_units:
            return None
        unit = self.window.frame(batch).unit
        if targets.ndim == 2:
            return unit.expand(-1, self.spec.horizon, -1).flatten(1)
        return unit.expand(-1, targets.shape[1], -1)
