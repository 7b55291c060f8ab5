"""What a loss term sees (a scene), what it gives (one value per image), and how terms add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.renderers.image_jacobian import Motion


@runtime_checkable
class Term(Protocol):
    """dist(R(M), z(I)) or a prior: one value per image, images never couple, the graph survives every branch.

    A term that looks at pose, shape, place and keypoints only, never at the mesh or its picture, may say so with a
    class attribute ``skeletal = True``: solvers then learn its curvature beforehand, which costs no picture.

    A term that looks at the silhouette or the parts may have a method ``picture_curvature(scene, motion)``, which
    gives its second derivative along each row of ``motion``, (N,), none below zero; one that looks at the clothing
    ``clothing_curvature(scene, directions)``, its second derivative in the coefficients, (B, M, M), where
    ``directions`` (V, 3, M) are the offsets' change per coefficient, metres.
    """

    def __call__(self, scene: FitState) -> Float[Tensor, "b"]: ...


@dataclass(frozen=True)
class Weighted:
    """A term and its weight in the sum."""

    weight: float
    term: Term


class Objective:
    """A weighted sum of named terms.

    Args:
        terms: name → ``(weight, term)``. A weight of zero leaves the term out.

    Example:
        >>> from render_fit.losses.parameters import ShapePrior
        >>> objective = Objective({"shape": (0.5, ShapePrior())})
    """

    def __init__(self, terms: Mapping[str, tuple[float, Term]]) -> None:
        self.terms = {name: Weighted(weight, term) for name, (weight, term) in terms.items() if weight != 0}

    def __call__(self, scene: FitState) -> Float[Tensor, "b"]:
        """The weighted sum, (B,)."""
        values = [weighted.weight * weighted.term(scene) for weighted in self.terms.values()]
        if not values:
            return scene.parameters.betas.new_zeros(len(scene.parameters))
        return torch.stack(torch.broadcast_tensors(*values)).sum(dim=0)

    def only(self, *names: str) -> Objective:
        """The same terms and weights, of the named ones.

        Raises:
            ValueError: if one of the names is not in this objective.
        """
        for name in names:
            if name not in self.terms:
                raise ValueError(f"no term {name!r} in this objective; it has {', '.join(self.terms)}")
        return Objective({name: (self.terms[name].weight, self.terms[name].term) for name in names})

    def skeletal(self) -> Objective:
        """The part of the sum that needs no mesh."""
        return Objective(
            {name: (w.weight, w.term) for name, w in self.terms.items() if getattr(w.term, "skeletal", False)}
        )

    def pictured(self) -> Objective:
        """The part of the sum that knows its curvature in what is drawn."""
        return Objective(
            {name: (w.weight, w.term) for name, w in self.terms.items() if hasattr(w.term, "picture_curvature")}
        )

    def picture_curvature(self, scene: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Weighted curvature of the terms that say theirs along each row of ``motion``, (N,), ≥ 0."""
        total = torch.zeros_like(motion.silhouette)
        for weighted in self.terms.values():
            curvature = getattr(weighted.term, "picture_curvature", None)
            if curvature is not None:
                total = total + weighted.weight * curvature(scene, motion)
        return total

    def clothing_curvature(self, scene: FitState, directions: Float[Tensor, "v 3 m"]) -> Float[Tensor, "b m m"]:
        """Weighted curvature of the terms that say theirs in the clothing coefficients; see ``Term``."""
        total = directions.new_zeros(len(scene.parameters), directions.shape[-1], directions.shape[-1])
        for weighted in self.terms.values():
            curvature = getattr(weighted.term, "clothing_curvature", None)
            if curvature is not None:
                total = total + weighted.weight * curvature(scene, directions)
        return total

    def breakdown(self, scene: FitState) -> dict[str, Float[Tensor, "b"]]:
        """Each term's weighted value, (B,), by name."""
        return {name: weighted.weight * weighted.term(scene) for name, weighted in self.terms.items()}
