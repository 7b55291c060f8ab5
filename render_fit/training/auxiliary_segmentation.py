"""Segmentation beside the answer: a decoder on a backbone's maps says which body part every place shows, so that a
network which begins from nothing learns to read pictures long before their poses would teach it to."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, one_hot

from render_fit.core.config import StrictModel
from render_fit.core.parts import N_PARTS
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Prediction, Regressor
from render_fit.training.label_availability import LABELS
from render_fit.training.losses import Count, Losses
from render_fit.training.samples import GroundTruth


class SegmentationConfig(StrictModel):
    """Segmentation as a second lesson of a training; what it teaches stays in the backbone, the decoder is not part of
    the regressor.

    Source: auxiliary pixel-wise supervision, Zhang et al., PyMAF, ICCV 2021, there by dense correspondences.
    """

    weight: float = Field(default=0.0, ge=0, description="of the cross-entropy, nats a place; 0: no such lesson")
    channels: int = Field(default=64, gt=0, description="of the decoder")


class Decoder(nn.Module):
    """Maps of several resolutions to parts: from the coarsest on, each is added to what the coarser ones say.

    Args:
        widths: Channels of the maps, finest first.
        channels: Its own.

    Source: feature pyramids, Lin et al., CVPR 2017.
    """

    def __init__(self, widths: list[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.say = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels, 1 + N_PARTS, 1),
        )

    def forward(self, maps: list[Tensor]) -> Float[Tensor, "n 25 s s"]:
        """Logits of the background and of SMPL's parts, at the finest map's resolution."""
        finer = [lateral(shown) for lateral, shown in zip(self.lateral, maps, strict=True)]
        together = finer.pop()
        for shown in reversed(finer):
            together = shown + interpolate(together, shown.shape[-2:])
        return self.say(together)


class RegressorWithSegmentation(nn.Module):
    """A regressor as it is trained: beside a decoder of its backbone's maps, where segmentation is a lesson.

    Args:
        regressor: Who learns; looks at pictures if there is such a lesson.
        setting: Of segmentation.
    """

    def __init__(self, regressor: Regressor, setting: SegmentationConfig) -> None:
        super().__init__()
        self.regressor = regressor
        self.decoder: Decoder | None = None
        self._maps: list[Tensor] = []
        if setting.weight:
            backbone, size = regressor.backbone, regressor.config.size
            config: Any = backbone.config  # a transformers configuration
            config.output_hidden_states = True
            backbone.register_forward_hook(self._keep)
            with torch.no_grad():
                backbone(torch.zeros(1, config.num_channels, size, size))
            self.decoder = Decoder([shown.shape[1] for shown in self._maps], setting.channels)

    def forward(self, inputs: RegressorInputs) -> tuple[Prediction, Tensor | None]:
        """The regressor's answers, and the decoder's logits if there is one.

        Differentiability: smooth in the inputs and weights.
        """
        prediction = self.regressor(inputs)
        return prediction, None if self.decoder is None else self.decoder(self._maps).float()

    def _keep(self, _: nn.Module, __: Any, output: Any) -> None:
        # Transformers keep tokens in between, which are no maps.
        self._maps = [shown for shown in output.hidden_states if shown.ndim == 4] or [output.feature_maps[-1]]


def segmentation_loss(
    logits: Float[Tensor, "n 25 s s"], truth: GroundTruth, weight: float, count: Count | None = None
) -> Losses:
    """Cross-entropy between what a decoder says of every place and which parts the body's pixels there are of.

    Args:
        logits: Of the background and of SMPL's parts.
        truth: Whom the places show; who carries joints in the picture carries parts in the picture too.
        weight: Of the loss.
        count: Makes numbers of people those of all processes; see `objective.losses`.

    Raises:
        ValueError: if the truth has no parts.

    Differentiability: smooth in the logits.
    """
    if truth.parts is None:
        raise ValueError("truth: parts are not told, and segmentation is to be learned")
    parts = one_hot(truth.parts.long(), 1 + N_PARTS).movedim(-1, 1).float()
    shares = adaptive_avg_pool2d(parts, (logits.shape[-2], logits.shape[-1]))
    wrong = -(shares * logits.log_softmax(1)).sum(1).mean((1, 2))
    known = truth.labels[:, LABELS.index("projection")]
    have = known.sum().float()
    everybody = have if count is None else count(have)
    total = torch.where(known, wrong, 0.0).sum()
    return Losses(
        weight * total / torch.where(everybody > 0, everybody, 1.0),
        {"segmentation": total.detach() / have.clamp(min=1)},
    )
