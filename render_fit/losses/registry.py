"""The table from names, as recipes write them, to terms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from render_fit.losses.joints import BoneDirections, RegressedJoints
from render_fit.losses.keypoints import KeypointReprojection
from render_fit.losses.offsets import ClothingCoefficients, OffsetLaplacian, OffsetSize, OffsetSymmetry
from render_fit.losses.parameters import KnownHeight, PosePrior, ShapePrior, TorsoTilt
from render_fit.losses.parts import PartLikelihood
from render_fit.losses.pose_priors import (
    PoseAdversarial,
    PoseAutoencoder,
    PoseHinges,
    PoseLatent,
    PoseLimits,
    PoseMixture,
    ShapeAdversarial,
)
from render_fit.losses.silhouette import SilhouetteDistance, SilhouetteIoU, SilhouetteL2
from render_fit.losses.targets import FitTargets
from render_fit.losses.term import Term

TERMS: Mapping[str, type] = {
    "keypoints": KeypointReprojection,
    "bone_directions": BoneDirections,
    "regressed_joints": RegressedJoints,
    "silhouette_iou": SilhouetteIoU,
    "silhouette_l2": SilhouetteL2,
    "silhouette_distance": SilhouetteDistance,
    "parts": PartLikelihood,
    "pose_mixture": PoseMixture,
    "pose_vae": PoseAutoencoder,
    "pose_latent": PoseLatent,
    "pose_adversarial": PoseAdversarial,
    "pose_limits": PoseLimits,
    "pose_hinges": PoseHinges,
    "pose": PosePrior,
    "shape": ShapePrior,
    "shape_adversarial": ShapeAdversarial,
    "torso_tilt": TorsoTilt,
    "height": KnownHeight,
    "clothing": ClothingCoefficients,
    "offset_size": OffsetSize,
    "offset_laplacian": OffsetLaplacian,
    "offset_symmetry": OffsetSymmetry,
}

OBSERVED: Mapping[str, str] = {
    "keypoints": "keypoints_px",
    "bone_directions": "keypoints_3d",
    "regressed_joints": "predicted_joints",
    "silhouette_iou": "mask",
    "silhouette_l2": "mask",
    "silhouette_distance": "mask",
    "parts": "labels",
}
"""Which field of ``FitTargets`` a term compares with; terms not named here compare with nothing observed."""


def make_term(name: str, options: Mapping[str, Any]) -> Term:
    """Make a term from a recipe's name and options.

    Raises:
        ValueError: if the term or one of its options is not known; names those that are.
    """
    if name not in TERMS:
        raise ValueError(f"unknown term {name!r}; known: {', '.join(TERMS)}")
    known = [field.name for field in dataclasses.fields(TERMS[name])]
    for option in options:
        if option not in known:
            raise ValueError(f"term {name!r} has no option {option!r}; known: {', '.join(known) or 'none'}")
    return TERMS[name](**{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})


def is_observed(name: str, targets: FitTargets) -> bool:
    """Whether ``targets`` hold what the term compares with, keypoints that nobody saw left aside."""
    if name not in OBSERVED:
        return True
    if name == "keypoints" and targets.confidence is not None and not bool((targets.confidence > 0).any()):
        return False
    return getattr(targets, OBSERVED[name]) is not None
