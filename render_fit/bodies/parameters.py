"""Inputs and outputs of a body model, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from render_fit.core.rotations import roma


@dataclass(frozen=True)
class BodyParameters:
    """Pose, shape and translation of a batch of bodies.

    Attributes:
        rotations: Local joint rotations as matrices, the global orientation first.
        betas: Shape coefficients, in standard deviations.
        transl: Translation in metres, added after posing (SMPL's ``trans``).
        offsets: Displacements of the zero-pose vertices in metres (SMPL+D), added before posing; None for none.
    """

    rotations: Float[Tensor, "b j 3 3"]
    betas: Float[Tensor, "b s"]
    transl: Float[Tensor, "b 3"]
    offsets: Float[Tensor, "b v 3"] | None = None

    @staticmethod
    def from_rotvec(
        pose: Float[Tensor, "b j 3"],
        betas: Float[Tensor, "b s"],
        transl: Float[Tensor, "b 3"],
        offsets: Float[Tensor, "b v 3"] | None = None,
    ) -> BodyParameters:
        """Makes parameters from axis-angle vectors.

        Args:
            pose: Local rotations as axis-angle, radians, global orientation first.
            betas: Shape coefficients.
            transl: Translation, metres.
            offsets: Zero-pose displacements, metres.

        Returns:
            The parameters with rotation matrices.

        Differentiability: smooth everywhere, the zero rotation included (`roma.rotvec_to_rotmat`).
        """
        return BodyParameters(roma.rotvec_to_rotmat(pose), betas, transl, offsets)

    @property
    def pose(self) -> Float[Tensor, "b j 3"]:
        """The local rotations as axis-angle, radians; not differentiable at rotations by pi."""
        return roma.rotmat_to_rotvec(self.rotations)

    def __len__(self) -> int:
        return len(self.rotations)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> BodyParameters:
        chosen: Any = slice(index, index + 1 or None) if isinstance(index, int) else index
        offsets = None if self.offsets is None else self.offsets[chosen]
        return BodyParameters(self.rotations[chosen], self.betas[chosen], self.transl[chosen], offsets)

    def detach(self) -> BodyParameters:
        """The same values, detached from the autograd graph."""
        offsets = None if self.offsets is None else self.offsets.detach()
        return BodyParameters(self.rotations.detach(), self.betas.detach(), self.transl.detach(), offsets)


@dataclass(frozen=True)
class BodyOutput:
    """A batch of posed bodies.

    Attributes:
        vertices: Posed vertices, metres.
        joints: Posed joints, metres.
        joint_rotations: World rotation of every joint's frame.
    """

    vertices: Float[Tensor, "b v 3"]
    joints: Float[Tensor, "b j 3"]
    joint_rotations: Float[Tensor, "b j 3 3"]


class Kinematics(NamedTuple):
    """Joints of posed bodies.

    Attributes:
        joints: Posed joints, metres.
        rotations: World rotations of the joints.
        transforms: Skinning transforms of the zero pose: a rotation's rows, then the shift in metres.
    """

    joints: Float[Tensor, "b j 3"]
    rotations: Float[Tensor, "b j 3 3"]
    transforms: Float[Tensor, "b j 12"]
