"""Loss terms by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from render_fit.core.config import nearest
from render_fit.core.errors import InputError
from render_fit.core.registry import Registry, check_callable
from render_fit.losses.balance import Balance
from render_fit.losses.clothed_parts import ClothedParts
from render_fit.losses.clothed_silhouette import ClothedSilhouette
from render_fit.losses.keypoints import BoneDirections, KeypointReprojection, RegressedJoints
from render_fit.losses.measurements import KnownMeasurements, KnownWeight
from render_fit.losses.offsets import ClothingCoefficients, OffsetLaplacian, OffsetSize, OffsetSymmetry
from render_fit.losses.parameters import KnownHeight, PosePrior, ShapePrior, TorsoTilt
from render_fit.losses.pixels import PartLikelihood, SilhouetteDistance, SilhouetteIoU, SilhouetteL2
from render_fit.losses.pose_priors import (
    PoseAdversarial,
    PoseAutoencoder,
    PoseHinges,
    PoseLatent,
    PoseLimits,
    PoseMixture,
    ShapeAdversarial,
)
from render_fit.losses.targets import FitTargets
from render_fit.losses.term import Term

_OWN: Mapping[str, type] = {
    "keypoints": KeypointReprojection,
    "bone_directions": BoneDirections,
    "regressed_joints": RegressedJoints,
    "silhouette_iou": SilhouetteIoU,
    "silhouette_l2": SilhouetteL2,
    "clothed_silhouette": ClothedSilhouette,
    "clothed_parts": ClothedParts,
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
    "balance": Balance,
    "height": KnownHeight,
    "weight": KnownWeight,
    "measurement": KnownMeasurements,
    "clothing": ClothingCoefficients,
    "offset_size": OffsetSize,
    "offset_laplacian": OffsetLaplacian,
    "offset_symmetry": OffsetSymmetry,
}

TERMS: Registry[Term] = Registry("term", "render_fit.terms", _OWN)
"""Terms by the names that recipes use."""

Number = float | int
"""Type of a weight: the tests' shape checker does not accept an int where a float is annotated."""


def make_term(name: str, options: Mapping[str, Any] | None = None) -> Term:
    """Makes a term by name.

    Args:
        name: Name in ``TERMS``: one of this package's, or one that another package registers (docs/extending.md).
        options: Arguments of the term, as a recipe has them.

    Raises:
        InputError: if the term or one of its options is not known; the message lists the known ones.
    """
    return _checked(name, TERMS.make(name, options))


def weighted_terms(terms: Mapping[str, Number | tuple[Number, Term]]) -> dict[str, tuple[float, Term]]:
    """Name → (weight, term), where a weight alone stands for the term of that name with its default options.

    Raises:
        InputError: if a value is neither a weight nor a pair of a weight and an object that a fit can call as a term.
    """
    weighted = {}
    for name, value in terms.items():
        weight, term = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        if not isinstance(weight, Number):
            raise InputError(
                f"term {name!r}: expected a weight, or (weight, term), got {value!r}; "
                f"to give a term a weight: terms={{{name!r}: (1.0, term)}}"
            )
        weighted[name] = (float(weight), make_term(name) if term is None else _checked(name, term))
    return weighted


def _checked(name: str, term: Term) -> Term:
    """The term, if it is an object that a fit can call.

    Raises:
        InputError: if it is not, or requires a field that ``FitTargets`` does not have.
    """
    check_callable(f"term {name!r}", term, ("state",))
    known = [field.name for field in fields(FitTargets)]
    for field in getattr(term, "requires", ()):
        if field not in known:
            raise InputError(f"term {name!r}: requires {field!r} of FitTargets: {nearest(field, known)}")
    return term


def is_observed(term: Term, targets: FitTargets) -> bool:
    """Whether ``targets`` has every field in the term's ``requires``; without that attribute it requires none."""
    return all(targets.has(name) for name in getattr(term, "requires", ()))
