"""Distances in three dimensions between the body's joints and observed or true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.term import Scene


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

    def __call__(self, scene: Scene) -> Float[Tensor, "b"]:
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
