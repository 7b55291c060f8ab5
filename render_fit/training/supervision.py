"""Sources of supervision of a training step.

A training adds up the losses of several `Supervision` objects. To add another one, write a class with `loss` and add a
line to `loop.make_supervisions`. If the class has `state_dict` and `load_state_dict`, its state is saved and restored
with the training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.prediction import Prediction
from render_fit.training.losses import Losses, LossWeights, losses
from render_fit.training.processes import Processes
from render_fit.training.samples import GroundTruth
from render_fit.training.unlabelled_photos import UnlabelledPhotos


@dataclass(frozen=True)
class StepBatch:
    """One process's people of one step: N synthetic people, followed by P people in unlabelled photos.

    Attributes:
        inputs: Network inputs of the N + P people, on the CPU.
        truth: Ground truth of the synthetic people, on the network's device.
        shards: Numbers of the shards that contain the synthetic people.
        photos: The people in unlabelled photos, on the CPU; None if the training has no photos.
        photo_rows: (P,) their indices among all people in photos.
    """

    inputs: RegressorInputs
    truth: GroundTruth
    shards: range
    photos: UnlabelledPhotos | None = None
    photo_rows: Int64[Tensor, "p"] | None = None


@dataclass(frozen=True)
class StepPrediction:
    """Network output for a `StepBatch`.

    Attributes:
        all: Hypotheses for the N + P people.
        synthetic: Hypotheses for the synthetic people.
        photos: Hypotheses for the people in photos, on the CPU, where bodies are rendered and fitted.
        part_logits: (N, 25, S, S) background and part logits of the segmentation decoder; None without a decoder.
    """

    all: Prediction
    synthetic: Prediction
    photos: Prediction
    part_logits: Float[Tensor, "n 25 s s"] | None = None

    @staticmethod
    def of(prediction: Prediction, part_logits: Tensor | None, n_synthetic: int) -> StepPrediction:
        """Splits the network's output into synthetic people and people in photos."""
        synthetic, photos = prediction[:n_synthetic], prediction[n_synthetic:]
        return StepPrediction(
            prediction,
            synthetic,
            photos.to("cpu") if photos.betas.numel() else photos,
            None if part_logits is None else part_logits[:n_synthetic],
        )


@runtime_checkable
class Supervision(Protocol):
    """A source of supervision of the regressor."""

    def loss(self, prediction: StepPrediction, batch: StepBatch) -> Losses:
        """Loss of one step, to be minimised by the regressor."""
        ...

    def update(self, prediction: StepPrediction, batch: StepBatch) -> dict[str, Tensor]:
        """Trains what the supervision itself consists of, after the regressor's step; returns values for the log."""
        return {}


@dataclass(frozen=True)
class SyntheticSupervision(Supervision):
    """Supervised losses on synthetic people, as far as their labels are available.

    Attributes:
        weights: Weights of the loss terms.
        body: Body model, on the network's device.
        processes: Processes that train together.
    """

    weights: LossWeights
    body: Body
    processes: Processes

    def loss(self, prediction: StepPrediction, batch: StepBatch) -> Losses:
        return losses(prediction.synthetic, batch.truth, self.body, self.weights, self.processes)
