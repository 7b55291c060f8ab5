"""Loss terms, one value per image, and their weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.renderers.image_jacobian import Motion


@runtime_checkable
class Term(Protocol):
    """dist(R(M), z(I)) or a prior: one value per image. Images never couple, and the graph survives every branch.

    Optional attributes and methods; a term without them works, and is at most slower:

    - ``requires: ClassVar[tuple[str, ...]]``: fields of ``FitTargets`` that the term compares with, e.g.
      ``("mask",)``. Where one was not observed, the term is left out.
    - ``skeletal: ClassVar[bool]``: True for a term of pose, shape, position and keypoints only, never of the mesh or
      its rendering. It can be evaluated in stages that render nothing, and its curvature is measured beforehand.
    - ``of_shape: ClassVar[bool]``: True for a term of shape, clothing coefficients and offsets only. Where images share
      these, the term counts once, not once per image.
    - ``evidence()``: the term without what is no knowledge of the person, such as a wall that keeps a solver away from
      where it makes no sense. Covariances are computed with it; a term without this method is all evidence.
    - ``picture_curvature(state, motion)``, for terms of the silhouette or parts: second derivative along each row of
      ``motion``, (N,), ≥ 0.
    - ``clothing_curvature(state, directions)``, for terms of the clothing: second derivative in the coefficients,
      (B, M, M). ``directions`` (V, 3, M) are the offsets' change per coefficient, metres.
    """

    def __call__(self, state: FitState) -> Float[Tensor, "b"]: ...


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

    def __repr__(self) -> str:
        return f"Objective({' + '.join(f'{weighted.weight:g} {name}' for name, weighted in self.terms.items())})"

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        """The weighted sum, (B,).

        Raises:
            ValueError: if a term does not return one value per image.
        """
        values, count = [], len(state.parameters)
        for name, weighted in self.terms.items():
            value = weighted.term(state)
            if value.ndim != 1 or len(value) not in (1, count):
                raise ValueError(f"term {name!r}: expected one value per image, ({count},), got {tuple(value.shape)}")
            values.append(weighted.weight * value)
        if not values:
            return state.parameters.betas.new_zeros(count)
        return torch.stack(torch.broadcast_tensors(*values)).sum(dim=0)

    def only(self, *names: str) -> Objective:
        """The named terms with their weights.

        Raises:
            ValueError: if one of the names is not in this objective.
        """
        for name in names:
            if name not in self.terms:
                raise ValueError(f"no term {name!r} in this objective; it has {', '.join(self.terms)}")
        return self._subset(lambda name, _: name in names)

    def skeletal(self) -> Objective:
        """The terms that need no mesh."""
        return self._subset(lambda _, term: getattr(term, "skeletal", False))

    def shared(self, count: int) -> Objective:
        """The objective of one of several images of a person: weights of terms ``of_shape`` are divided by ``count``.

        Args:
            count: Number of images.
        """
        share = {name: 1 / count if getattr(w.term, "of_shape", False) else 1.0 for name, w in self.terms.items()}
        return Objective({name: (w.weight * share[name], w.term) for name, w in self.terms.items()})

    def of_shape(self, wanted: bool = True) -> Objective:
        """The terms of shape, clothing coefficients and offsets only, or all others."""
        return self._subset(lambda _, term: getattr(term, "of_shape", False) is wanted)

    def evidence(self) -> Objective:
        """The terms without what is no knowledge of the person; see ``Term``."""
        terms = {name: getattr(w.term, "evidence", lambda same=w.term: same)() for name, w in self.terms.items()}
        return Objective({name: (w.weight, terms[name]) for name, w in self.terms.items()})

    def pictured(self) -> Objective:
        """The terms with a ``picture_curvature``."""
        return self._subset(lambda _, term: hasattr(term, "picture_curvature"))

    def _subset(self, chosen: Callable[[str, Term], bool]) -> Objective:
        return Objective({name: (w.weight, w.term) for name, w in self.terms.items() if chosen(name, w.term)})

    def picture_curvature(self, state: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Weighted sum of the terms' curvature along each row of ``motion``, (N,), ≥ 0."""
        return self._add_up("picture_curvature", torch.zeros_like(motion.silhouette), state, motion)

    def clothing_curvature(self, state: FitState, directions: Float[Tensor, "v 3 m"]) -> Float[Tensor, "b m m"]:
        """Weighted sum of the terms' curvature in the clothing coefficients; see ``Term``."""
        zero = directions.new_zeros(len(state.parameters), directions.shape[-1], directions.shape[-1])
        return self._add_up("clothing_curvature", zero, state, directions)

    def _add_up(self, method: str, total: Tensor, *arguments: object) -> Tensor:
        """Weighted sum of a method over the terms that have it."""
        for weighted in self.terms.values():
            if hasattr(weighted.term, method):
                total = total + weighted.weight * getattr(weighted.term, method)(*arguments)
        return total

    def breakdown(self, state: FitState) -> dict[str, Float[Tensor, "b"]]:
        """Each term's weighted value, (B,), by name."""
        return {name: weighted.weight * weighted.term(state) for name, weighted in self.terms.items()}
