"""Curvature of a sum over images that share some variables: an arrow, with a block for each image and a border.

With Aᵢ the curvature in the variables of image i, Cᵢ across these and the shared ones, and Bᵢ in the shared ones, what
image i tells about the shared variables, whatever its own ones are, is the Schur complement Bᵢ − CᵢᵀAᵢ⁻¹Cᵢ.

Source: Triggs et al., Bundle Adjustment: A Modern Synthesis, 1999, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.fitting.curvature import positive, whitening


@dataclass(frozen=True)
class ArrowCurvature:
    """Curvature of N images' objectives, in units of the variables' scales.

    Attributes:
        own: (N, D, D) in the variables of each image.
        across: (N, D, S) across these and the shared ones.
        shared: (N, S, S) in the shared ones.
    """

    own: Float[Tensor, "n d d"]
    across: Float[Tensor, "n d s"]
    shared: Float[Tensor, "n s s"]

    @staticmethod
    def of(curvature: Float[Tensor, "n m m"], own: int) -> ArrowCurvature:
        """The blocks of N matrices whose first ``own`` columns are those of the image."""
        return ArrowCurvature(curvature[:, :own, :own], curvature[:, :own, own:], curvature[:, own:, own:])

    def response(self, floor: float) -> Float[Tensor, "n d s"]:
        """Change of each image's variables that follows a change of the shared ones: −Aᵢ⁻¹Cᵢ.

        Args:
            floor: Curvature added to Aᵢ, whose negative eigenvalues count by their size.
        """
        size = self.own.shape[-1]
        return -torch.linalg.solve(positive(self.own) + floor * torch.eye(size).to(self.own), self.across)

    def reduced(self, floor: float) -> Float[Tensor, "n s s"]:
        """What each image tells about the shared variables: its Schur complement, positive semidefinite."""
        own = self.own + floor * torch.eye(self.own.shape[-1]).to(self.own)
        response = self.response(floor)
        # as a quadratic form, not as a difference: it stays positive where Aᵢ was made positive
        form = self.shared + self.across.mT @ response + response.mT @ self.across + response.mT @ own @ response
        return _nonnegative(0.5 * (form + form.mT))

    def whitened(self, floor: float) -> Whitening:
        """The change of variables in which this curvature is about the identity.

        Args:
            floor: Curvature added in every direction, for what was not measured.
        """
        shared = whitening(self.reduced(floor).sum(dim=0, keepdim=True), floor)[0]
        return Whitening(whitening(self.own, floor), self.response(floor) @ shared, shared)


@dataclass(frozen=True)
class Whitening:
    """x = own · y + along · z and s = shared · z, for variables x of an image and shared ones s.

    Attributes:
        own: (N, D, D).
        along: (N, D, S).
        shared: (S, S).
    """

    own: Float[Tensor, "n d d"]
    along: Float[Tensor, "n d s"]
    shared: Float[Tensor, "s s"]

    def unpack(
        self, moved: Float[Tensor, "k d"], common: Float[Tensor, "s"], rows: slice
    ) -> tuple[Float[Tensor, "k d"], Float[Tensor, "s"]]:
        """Variables of some of the images and the shared ones; shared ones without curvature stay as they are.

        Differentiability: linear.
        """
        curved = self.shared.shape[0]
        z = common[:curved]
        x = (self.own[rows] @ moved[..., None])[..., 0] + self.along[rows] @ z
        return x, torch.cat([self.shared @ z, common[curved:]])


def _nonnegative(matrices: Float[Tensor, "n s s"]) -> Float[Tensor, "n s s"]:
    """The nearest positive semidefinite matrices."""
    values, vectors = torch.linalg.eigh(matrices)
    return (vectors * values.clamp(min=0)[:, None, :]) @ vectors.mT
