"""Variables of the solvers: the parameters of M in coordinates in which equal steps have about equal effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.rotations import roma
from render_fit.losses.priors.vae import N_JOINTS, PoseVAE

SCALES: Mapping[str, float] = {
    "orient": 0.3,  # radians
    "position": 0.1,  # of the depth, and of the depth's logarithm
    "pose": 0.3,  # radians
    "latent": 1.0,  # standard deviations
    "betas": 1.0,  # standard deviations
    "focal": 0.2,  # of the focal length's logarithm
    "clothing": 1.0,  # centimetres, root mean square
    "offsets": 0.01,  # metres
}
"""Size of a usual change of each variable: the solvers' diagonal preconditioner."""


SKELETAL = ("orient", "position", "pose", "latent", "betas", "focal")
"""Variables that move the skeleton in the image; the others only move the surface."""

CURVED = (*SKELETAL, "clothing")
"""Variables few enough for a matrix of their curvature."""


@dataclass(frozen=True)
class Variables:
    """B states of one problem.

    Attributes:
        orient_start: (B, 3, 3) global rotation around which ``orient`` turns.
        orient: (B, 3) axis-angle applied on the left of it, small, so never near the singularity at 2π.
        pose: (B, J−1, 3) axis-angle of the other joints.
        betas: (B, S) shape.
        position: (B, 3) where the pelvis is: (x/z, y/z, log z), z in metres. In these coordinates the image moves
            with the first two and scales with the third. They are those seen with the given camera: with another
            focal length the person is as much further away, and the image changes by its perspective alone.
        clothing: (B, M) coefficients of the smooth clothing basis, centimetres (root mean square).
        offsets: (B, V, 3) free rest-pose offsets on top of it, metres.
        latent: (B, L) latent vector that ``pose`` was decoded from (its joints 1 to 21; hands are as they were). It
            becomes None when ``pose`` is changed by itself.
        pose_vae: Autoencoder of ``latent``.
        focal: (B, 1) logarithm of the focal length over that of the given camera; None: the given camera is right.
    """

    orient_start: Float[Tensor, "b 3 3"]
    orient: Float[Tensor, "b 3"]
    pose: Float[Tensor, "b joints 3"]
    betas: Float[Tensor, "b s"]
    position: Float[Tensor, "b 3"]
    clothing: Float[Tensor, "b m"] | None = None
    offsets: Float[Tensor, "b v 3"] | None = None
    latent: Float[Tensor, "b l"] | None = None
    pose_vae: PoseVAE | None = None
    focal: Float[Tensor, "b 1"] | None = None

    def __len__(self) -> int:
        return self.orient.shape[0]

    @staticmethod
    def from_parameters(body: Body, parameters: BodyParameters) -> Variables:
        """The state that has these parameters: the inverse of ``parameters``.

        Args:
            body: Body model M.
            parameters: In camera coordinates, in front of the camera; their offsets become free offsets.
        """
        pelvis = parameters.transl + body.rest_joints(parameters.betas)[:, 0]
        position = torch.cat([pelvis[:, :2] / pelvis[:, 2:], pelvis[:, 2:].log()], dim=-1)
        return Variables(
            orient_start=parameters.rotations[:, 0],
            orient=torch.zeros_like(parameters.transl),
            pose=parameters.pose[:, 1:],
            betas=parameters.betas,
            position=position,
            offsets=parameters.offsets,
        )

    @property
    def pose_rotvec(self) -> Float[Tensor, "b j 3"]:
        """Axis-angle of all joints, radians; zeros for the global rotation, which no prior uses."""
        return torch.cat([torch.zeros_like(self.orient)[:, None], self.pose], dim=1)

    def parameters(self, body: Body, clothing_basis: ClothingBasis | None = None) -> BodyParameters:
        """The parameters of M in camera coordinates.

        Differentiability: smooth in every variable.
        """
        turns = roma.rotvec_to_rotmat(torch.cat([self.orient[:, None], self.pose], dim=1))
        rotations = torch.cat([turns[:, :1] @ self.orient_start[:, None], turns[:, 1:]], dim=1)
        across, depth = self.position[:, :2], self.position[:, 2:].exp()
        if self.focal is not None:
            across, depth = across / self.focal.exp(), depth * self.focal.exp()
        pelvis = torch.cat([across * depth, depth], dim=-1)
        offsets = self.offsets
        if clothing_basis is not None:
            if offsets is not None:
                offsets = torch.where(clothing_basis.fixed[:, None], 0.0, offsets)
            # Coefficients that are all zero and not optimised need no product with the basis.
            if self.clothing is not None and (self.clothing.requires_grad or bool(self.clothing.any())):
                smooth = clothing_basis(self.clothing)
                offsets = smooth if offsets is None else smooth + offsets
        return BodyParameters(rotations, self.betas, pelvis - body.rest_joints(self.betas)[:, 0], offsets)

    def free(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The named tensors, to hand to a solver."""
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def with_values(self, values: Mapping[str, Tensor]) -> Variables:
        """A copy with some tensors exchanged; ``pose`` and ``latent`` follow each other.

        Differentiability: smooth.
        """
        if "latent" in values and self.pose_vae is not None:
            turns = roma.rotmat_to_rotvec(self.pose_vae.decode(values["latent"]))
            return replace(self, **values, pose=torch.cat([turns, self.pose[:, turns.shape[1] :]], dim=1))
        if "pose" in values:
            return replace(self, **values, latent=None, pose_vae=None)
        return replace(self, **values)

    def encoded(self, pose_vae: PoseVAE) -> Variables:
        """The state in an autoencoder's coordinates: its pose is what the decoder makes of the latent vector's mean.

        A state that is in them already stays as it is.
        """
        if self.latent is not None and self.pose_vae is pose_vae:
            return self
        with torch.no_grad():
            latent = pose_vae.encode(roma.rotvec_to_rotmat(self.pose[:, :N_JOINTS])).mean
        return replace(self, latent=latent, pose_vae=pose_vae).with_values({"latent": latent})

    @property
    def focal_ratio(self) -> Float[Tensor, "b"] | None:
        """Focal length over that of the given camera; None: the given camera is right."""
        return None if self.focal is None else self.focal[:, 0].exp()

    def with_focal_in_position(self) -> Variables:
        """The same state for cameras that have its focal length."""
        if self.focal is None:
            return self
        change = torch.cat([(-self.focal).exp(), (-self.focal).exp(), torch.ones_like(self.focal)], dim=-1)
        further = torch.nn.functional.pad(self.focal, (2, 0))
        return replace(self, position=self.position * change + further, focal=None)

    def recentred(self) -> Variables:
        """The same state with ``orient`` folded into ``orient_start``."""
        orient = roma.rotvec_to_rotmat(self.orient) @ self.orient_start
        return replace(self, orient_start=orient, orient=torch.zeros_like(self.orient))

    def detached(self) -> Variables:
        """The same numbers without a graph."""
        return self._mapped(lambda value, _: value.detach())

    def __getitem__(self, index: Tensor | slice) -> Variables:
        return self._mapped(lambda value, _: value[index])

    def split(self, counts: Sequence[int]) -> list[Variables]:
        """The first rows, the next, and so on: the inverse of `joined`."""
        ends = list(accumulate(counts))
        return [self[end - count : end] for count, end in zip(counts, ends, strict=True)]

    def joined(self, other: Variables) -> Variables:
        """Both batches, one after the other; in latent coordinates only if both are."""
        if self.pose_vae is not other.pose_vae:
            return self.with_values({"pose": self.pose}).joined(other.with_values({"pose": other.pose}))
        return self._mapped(lambda value, name: torch.cat([value, getattr(other, name)]))

    def _mapped(self, change: Callable[[Tensor, str], Tensor]) -> Variables:
        """A copy in which every tensor that is there is ``change(tensor, its name)``."""
        present = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {name: change(value, name) for name, value in present.items() if isinstance(value, Tensor)}
        return replace(self, **changed)
