"""Distances of the body's joints: to keypoints in the image, and to 3D joints of an observer or a regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import SMPL_24
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


@dataclass(frozen=True)
class BoneDirections:
    """Robust distance between the directions of the body's bones and of an observer's 3D keypoints.

    Positions and proportions of predicted 3D keypoints are poor, but the direction of a limb in depth, which the image
    leaves ambiguous, is usually right. Only directions are compared, so the proportions do not affect the shape.

    Args:
        scale: Geman–McClure's scale on the chord between directions, which bounds the gradient of outliers.

    Returns:
        (B,) mean over bones of confidence · ρ(|unit bone − unit observed bone|).

    Differentiability: smooth for bones of positive length.
    """

    requires: ClassVar[tuple[str, ...]] = ("keypoints_3d",)
    skeletal: ClassVar[bool] = True

    scale: float = 0.7

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        targets = state.targets
        if targets.keypoints_3d is None or targets.confidence_3d is None or targets.skeleton is None:
            raise ValueError("keypoints_3d: the observation has none; leave joint terms out of the objective")
        start, end = (torch.tensor(index) for index in zip(*targets.skeleton.edges, strict=True))
        body = state.keypoints[:, end] - state.keypoints[:, start]
        seen = targets.keypoints_3d[:, end] - targets.keypoints_3d[:, start]
        chord = torch.nn.functional.normalize(body, dim=-1) - torch.nn.functional.normalize(seen, dim=-1)
        squared = chord.square().sum(dim=-1)
        confidence = targets.confidence_3d[:, start] * targets.confidence_3d[:, end]
        robust = geman_mcclure(squared, self.scale)
        return (confidence * robust).sum(dim=-1) / confidence.sum(dim=-1).clamp(min=1e-6)


@dataclass(frozen=True)
class RegressedJoints:
    """Negative log-likelihood of the joint positions under a regressor's prediction.

    It resolves what the image leaves ambiguous, mainly depth. Each hypothesis of the regressor has joint positions and
    their expected errors. Distances are exponentially distributed, and the hypotheses form a mixture: the nearest one
    dominates the gradient, most strongly where its expected error is small.

    Args:
        smooth_m: Distance below which the penalty is quadratic, so that the gradient is smooth, metres.

    Returns:
        (B,) −log Σ_h p_h Π_j exp(−|x_j − x_hj| / s_hj) / s_hj over the joints but the pelvis, as a mean over joints.

    Differentiability: smooth.
    """

    requires: ClassVar[tuple[str, ...]] = ("predicted_joints",)
    skeletal: ClassVar[bool] = True

    smooth_m: float = 0.01

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        targets = state.targets
        if (
            targets.predicted_joints is None
            or targets.predicted_joint_error is None
            or targets.predicted_log_prob is None
        ):
            raise ValueError("predicted_joints: there is no regressor; leave regressed_joints out of the objective")
        joints = state.joints_of(SMPL_24)
        away = (joints - joints[:, :1])[:, None] - targets.predicted_joints
        distance = (away.square().sum(-1) + self.smooth_m**2).sqrt() - self.smooth_m
        each = distance / targets.predicted_joint_error + targets.predicted_joint_error.log()
        energy = each[..., 1:].sum(-1) - targets.predicted_log_prob
        return -(-energy).logsumexp(1) / (joints.shape[1] - 1)
