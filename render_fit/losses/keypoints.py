"""Distances between projected and observed keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.fit_state import FitState


def geman_mcclure(squared: Tensor, scale: float) -> Tensor:
    """Geman–McClure's robust function of squared residuals: s² r² / (s² + r²), quadratic below ``scale``.

    Source: Bogo et al., SMPLify, ECCV 2016, eq. 2.
    """
    return scale**2 * squared / (scale**2 + squared)


@dataclass(frozen=True)
class KeypointReprojection:
    """Robust reprojection error over the seen keypoints, as a negative log-likelihood.

    Args:
        scale: Geman–McClure's scale in person sizes; large first, annealed by the stages.
        sigma: Standard deviation of a good keypoint, in person sizes. 1.5 % is about the spread of human annotators
            on large joints (COCO's per-keypoint constants are 2.5 % (eyes) to 10 % (hips) of √area).
        joints: Use only these joints of the skeleton (names), all if empty.

    Returns:
        (B,) Σ confidence · ρ(error) / 2σ².

    Differentiability: smooth; finite where a keypoint lies behind the camera.
    """

    requires: ClassVar[tuple[str, ...]] = ("keypoints_px",)
    skeletal: ClassVar[bool] = True

    scale: float = 0.1
    sigma: float = 0.015
    joints: tuple[str, ...] = ()

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        targets = state.targets
        if targets.keypoints_px is None or targets.confidence is None or targets.skeleton is None:
            raise ValueError("keypoints: the observation has none; leave terms on keypoints out of the objective")
        error = (state.keypoints_px - targets.keypoints_px) / targets.person_size_px[:, None, None]
        confidence = targets.confidence
        if self.joints:
            chosen = [name in self.joints for name in targets.skeleton.joints]
            confidence = confidence * torch.tensor(chosen).to(confidence)
        robust = geman_mcclure(error.square().sum(dim=-1), self.scale)
        return (confidence * robust).sum(dim=-1) / (2 * self.sigma**2)
