"""Auxiliary segmentation: a decoder on the backbone's feature maps predicts which body part each location shows.

A network that is trained from scratch learns to locate people in images earlier than from pose losses alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, one_hot

from render_fit.core.config import StrictModel
from render_fit.core.parts import N_PARTS
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import Prediction
from render_fit.training.losses import Losses
from render_fit.training.processes import ALONE, Processes
from render_fit.training.samples import LABELS, GroundTruth
from render_fit.training.supervision import StepBatch, StepPrediction, Supervision


class SegmentationConfig(StrictModel):
    """Auxiliary segmentation of a training. It trains the backbone; the decoder is not part of the saved regressor.

    Source: auxiliary pixel-wise supervision, Zhang et al., PyMAF, ICCV 2021, there with dense correspondences.
    """

    weight: float = Field(default=0.0, ge=0, description="weight of the cross-entropy, nats per location; 0: off")
    channels: int = Field(default=64, gt=0, description="channels of the decoder")


class Decoder(nn.Module):
    """Part logits from feature maps of several resolutions, added from the coarsest to the finest.

    Args:
        widths: Channels of the maps, finest first.
        channels: Channels of the decoder.

    Source: feature pyramids, Lin et al., CVPR 2017.
    """

    def __init__(self, widths: list[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.logits = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels, 1 + N_PARTS, 1),
        )

    def forward(self, maps: list[Tensor]) -> Float[Tensor, "n 25 s s"]:
        """Logits of the background and of SMPL's parts, at the finest map's resolution."""
        finer = [lateral(features) for lateral, features in zip(self.lateral, maps, strict=True)]
        merged = finer.pop()
        for features in reversed(finer):
            merged = features + interpolate(merged, features.shape[-2:])
        return self.logits(merged)


class RegressorWithSegmentation(nn.Module):
    """The network that is trained: a regressor, and a decoder on its backbone's maps if segmentation is on.

    Args:
        regressor: Regressor to train. It must use images if segmentation is on.
        config: Configuration of segmentation.
    """

    def __init__(self, regressor: Regressor, config: SegmentationConfig) -> None:
        super().__init__()
        self.regressor = regressor
        self.decoder: Decoder | None = None
        self._maps: list[Tensor] = []
        if config.weight:
            backbone, size = regressor.backbone, regressor.config.size
            transformers_config: Any = backbone.config
            transformers_config.output_hidden_states = True
            backbone.register_forward_hook(self._keep_maps)
            with torch.no_grad():
                backbone(torch.zeros(1, transformers_config.num_channels, size, size))
            self.decoder = Decoder([features.shape[1] for features in self._maps], config.channels)

    def forward(self, inputs: RegressorInputs) -> tuple[Prediction, Tensor | None]:
        """Predictions of the regressor, and part logits of the decoder if there is one.

        Differentiability: smooth in the inputs and weights.
        """
        prediction = self.regressor(inputs)
        return prediction, None if self.decoder is None else self.decoder(self._maps).float()

    def _keep_maps(self, _: nn.Module, __: Any, output: Any) -> None:
        # Hidden states of transformers are tokens, not maps.
        maps = [features for features in output.hidden_states if features.ndim == 4]
        self._maps = maps or [output.feature_maps[-1]]


@dataclass(frozen=True)
class AuxiliarySegmentation(Supervision):
    """Cross-entropy of the network's decoder on synthetic people."""

    config: SegmentationConfig
    decoder: Decoder
    processes: Processes

    def loss(self, prediction: StepPrediction, batch: StepBatch) -> Losses:
        """Segmentation loss of the step's synthetic people."""
        assert prediction.part_logits is not None
        return segmentation_loss(prediction.part_logits, batch.truth, self.config.weight, self.processes)

    def state_dict(self) -> dict[str, Any]:
        """Weights of the decoder."""
        return self.decoder.state_dict()

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Restores the weights of the decoder; before version 0.2, its last layers had another name."""
        self.decoder.load_state_dict({key.replace("say.", "logits."): value for key, value in content.items()})


def segmentation_loss(
    logits: Float[Tensor, "n 25 s s"], truth: GroundTruth, weight: float, processes: Processes = ALONE
) -> Losses:
    """Cross-entropy between predicted part probabilities and the parts' shares of each location.

    Args:
        logits: Logits of the background and of SMPL's parts.
        truth: Ground truth of the people. Parts are available for people with the label ``projection``.
        weight: Weight of the loss.
        processes: Processes that train together.

    Raises:
        ValueError: if the ground truth has no parts.

    Differentiability: smooth in the logits.
    """
    if truth.parts is None:
        raise ValueError("truth: expected part maps for the segmentation loss, got none")
    parts = one_hot(truth.parts.long(), 1 + N_PARTS).movedim(-1, 1).float()
    shares = adaptive_avg_pool2d(parts, (logits.shape[-2], logits.shape[-1]))
    entropy = -(shares * logits.log_softmax(1)).sum(1).mean((1, 2))
    known = truth.labels[:, LABELS.index("projection")]
    here = known.sum().float()
    people = processes.global_count(here)
    total = torch.where(known, entropy, 0.0).sum()
    return Losses(
        weight * total / torch.where(people > 0, people, 1.0),
        {"segmentation": total.detach() / here.clamp(min=1)},
    )
