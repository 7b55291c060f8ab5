"""Priors on clothing offsets: small, smooth, outward and symmetric."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.mesh_operators import mirror_vertices, uniform_laplacian, vertex_normals
from render_fit.core.parts import PART_LOOSENESS_M
from render_fit.losses.fit_state import FitState

BOUND = 2.0
"""Outward bound of clothing offsets in units of the usual looseness of a part."""

BOUND_OF_LEARNED = 3.0
"""The same where the clothes that are seen tell how far they usually are from the body."""


@dataclass(frozen=True)
class ClothingCoefficients:
    """Negative log-density of the smooth clothing coefficients, which are bounded inwards and outwards.

    The outward bound of a vertex is `BOUND` times how far clothes usually are from its part
    (`core.parts.PART_LOOSENESS_M`). What lies farther away, such as a bag, or a skirt that hangs between two legs,
    cannot be a displacement of one limb's skin and stays unexplained.

    Args:
        sigma: Size of a usual coefficient, centimetres of root-mean-square displacement.
        inward: Extra weight of displacements into the body.
        beyond: Extra weight of displacements beyond the outward bound.
        widening: Factor of the learned covariance: people in photos are not dressed by the learned rules.

    Returns:
        (B,) ½ Σ (c / sigma)² + inward · mean over vertices of (inward displacement / sigma)² + beyond · the same of
        the displacement beyond the bound. If a Gaussian of the coefficients was learned of what is seen of the clothes
        (`FitTargets.clothing_mean`), half the squared Mahalanobis distance from its mean takes the place of the first
        sum, and the bound is `BOUND_OF_LEARNED` times the usual distance.
    """

    of_shape: ClassVar[bool] = True

    sigma: float = 2.0
    inward: float = 10.0
    beyond: float = 0.0
    widening: float = 3.0

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        if state.clothing is None:
            raise ValueError("clothing: this state has no clothing coefficients")
        mean, precision = self._gaussian(state)
        away = state.clothing - mean
        size = 0.5 * ((precision @ away[..., None])[..., 0] * away).sum(dim=-1)
        if state.parameters.offsets is None:
            return size
        inward_cm, beyond_cm = (100 * excess / self.sigma for excess in _excess(state))
        return size + self.inward * inward_cm.square().mean(dim=-1) + self.beyond * beyond_cm.square().mean(dim=-1)

    def clothing_curvature(self, state: FitState, directions: Float[Tensor, "v 3 m"]) -> Float[Tensor, "b m m"]:
        """Second derivative in the coefficients; ``directions`` are the offsets' change per coefficient, metres."""
        own = self._gaussian(state)[1].to(directions).expand(len(state.parameters), -1, -1)
        if state.parameters.offsets is None:
            return own
        normals = _normals(state.body.v_template, state.body.faces)
        slopes = (100 / self.sigma) * (directions * normals[..., None]).sum(dim=1)
        inward, beyond = ((excess != 0).to(slopes) for excess in _excess(state))
        weights = self.inward * inward + self.beyond * beyond
        pulls = torch.stack([slopes.mT @ (row[:, None] * slopes) for row in weights])
        return own + 2 / len(slopes) * pulls

    def _gaussian(self, state: FitState) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m m"]]:
        """Mean and inverse covariance of the coefficients, for each image or for all."""
        assert state.clothing is not None
        mean, precision = state.targets.clothing_mean, state.targets.clothing_precision
        if mean is None or precision is None:
            own = torch.eye(state.clothing.shape[1]).to(state.clothing) / self.sigma**2
            return torch.zeros_like(own[:1]), own[None]
        return mean, precision / self.widening


@dataclass(frozen=True)
class OffsetSize:
    """Mean squared per-vertex offset in units of ``sigma_m`` (metres).

    Args:
        sigma_m: Size of a usual offset.
        from_clothing: Whether the offset is counted from the smooth clothing that was found, not from the skin.
    """

    of_shape: ClassVar[bool] = True

    sigma_m: float = 0.02
    from_clothing: bool = False

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        offsets = _offsets(state)
        if self.from_clothing and state.free_offsets is not None:
            offsets = state.free_offsets
        return (offsets / self.sigma_m).square().sum(dim=-1).mean(dim=-1)


@dataclass(frozen=True)
class OffsetLaplacian:
    """Mean squared difference between a vertex's offset and its neighbours' mean, in units of ``sigma_m``.

    Source: the Laplacian term of Alldieck et al., Video Based Reconstruction of 3D People Models, CVPR 2018.
    """

    of_shape: ClassVar[bool] = True

    sigma_m: float = 0.002

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        offsets = _offsets(state)
        batch, vertices, _ = offsets.shape
        flat = offsets.permute(1, 0, 2).reshape(vertices, batch * 3)
        difference = torch.sparse.mm(_laplacian(state.body.faces, vertices), flat).reshape(vertices, batch, 3)
        return (difference / self.sigma_m).square().sum(dim=-1).mean(dim=0)


@dataclass(frozen=True)
class OffsetSymmetry:
    """Mean squared difference between the two sides' offsets, in units of ``sigma_m``.

    Source: the symmetry term of Alldieck et al., CVPR 2018.
    """

    of_shape: ClassVar[bool] = True

    sigma_m: float = 0.02

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        offsets = _offsets(state)
        mirrored = offsets[:, _mirror(state.body.v_template)] * offsets.new_tensor([-1.0, 1.0, 1.0])
        return ((offsets - mirrored) / self.sigma_m).square().sum(dim=-1).mean(dim=-1)


def _excess(state: FitState) -> tuple[Float[Tensor, "b v"], Float[Tensor, "b v"]]:
    """Displacement along the normal into the body (negative), and beyond the outward bound, metres."""
    along_normal = (_offsets(state) * _normals(state.body.v_template, state.body.faces)).sum(dim=-1)
    usual_m = PART_LOOSENESS_M.to(along_normal)[state.body.vertex_parts]
    bound = (BOUND if state.targets.clothing_mean is None else BOUND_OF_LEARNED) * usual_m
    return along_normal.clamp(max=0), (along_normal - bound).clamp(min=0)


def _offsets(state: FitState) -> Float[Tensor, "b v 3"]:
    if state.parameters.offsets is None:
        raise ValueError("offsets: this state has no clothing offsets")
    return state.parameters.offsets


# The cache compares tensors by identity: a body that is moved or cast gets its own entry.
_normals = lru_cache(maxsize=4)(vertex_normals)
_laplacian = lru_cache(maxsize=4)(uniform_laplacian)
_mirror = lru_cache(maxsize=4)(mirror_vertices)
