"""Distances in three dimensions between the body's joints and those that an observer or a regressor says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import SMPL_24
from render_fit.losses.fit_state import FitState


@dataclass(frozen=True)
class BoneDirections:
    """How far the body's bones point away from an observer's rough 3D keypoints.

    A network's metric 3D keypoints are poor in position and proportion but usually right about which way a limb
    points in depth, which is what a picture alone cannot say. Only directions are compared, so the observer's
    proportions do not reach the shape.

    Args:
        scale: Geman–McClure's scale on the chord between directions; a bone pointing the wrong way stops pulling.

    Returns:
        (B,) mean over bones of confidence · ρ(|unit bone − unit observed bone|).

    Differentiability: smooth for bones of positive length.
    """

    skeletal: ClassVar[bool] = True

    scale: float = 0.7

    def __call__(self, scene: FitState) -> Float[Tensor, "b"]:
        targets = scene.targets
        if targets.keypoints_3d is None or targets.confidence_3d is None or targets.skeleton is None:
            raise ValueError("keypoints_3d: the observation has none; leave joint terms out of the objective")
        start, end = (torch.tensor(index) for index in zip(*targets.skeleton.edges, strict=True))
        body = scene.keypoints[:, end] - scene.keypoints[:, start]
        seen = targets.keypoints_3d[:, end] - targets.keypoints_3d[:, start]
        chord = torch.nn.functional.normalize(body, dim=-1) - torch.nn.functional.normalize(seen, dim=-1)
        squared = chord.square().sum(dim=-1)
        confidence = targets.confidence_3d[:, start] * targets.confidence_3d[:, end]
        robust = self.scale**2 * squared / (self.scale**2 + squared)
        return (confidence * robust).sum(dim=-1) / confidence.sum(dim=-1).clamp(min=1e-6)


@dataclass(frozen=True)
class RegressedJoints:
    """How little a regressor believes in the joints' places: it has seen many people, the picture shows one.

    Every hypothesis of the regressor says where the joints are and how far off that probably is; the distances are
    taken for exponential, the hypotheses for a mixture, so each fit is drawn to the hypothesis that it is near, and
    firmly only where that was sure. What a picture does not tell, above all depth, is then the likeliest for people who
    look like this, not for people.

    Args:
        smooth_m: Distances below this count as their square, so that the gradient is smooth, metres.

    Returns:
        (B,) −log Σ_h p_h Π_j exp(−|x_j − x_hj| / s_hj) / s_hj over the joints but the pelvis, as a mean over joints.

    Differentiability: smooth.
    """

    skeletal: ClassVar[bool] = True

    smooth_m: float = 0.01

    def __call__(self, scene: FitState) -> Float[Tensor, "b"]:
        targets = scene.targets
        if (
            targets.predicted_joints is None
            or targets.predicted_joint_error is None
            or targets.predicted_log_prob is None
        ):
            raise ValueError("predicted_joints: no regressor was asked; leave regressed_joints out of the objective")
        joints = scene.joints_of(SMPL_24)
        away = (joints - joints[:, :1])[:, None] - targets.predicted_joints
        distance = (away.square().sum(-1) + self.smooth_m**2).sqrt() - self.smooth_m
        each = distance / targets.predicted_joint_error + targets.predicted_joint_error.log()
        energy = each[..., 1:].sum(-1) - targets.predicted_log_prob
        return -(-energy).logsumexp(1) / (joints.shape[1] - 1)
