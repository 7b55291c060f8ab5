"""Prediction of a regressor: hypotheses of the body in a crop, mirrored, averaged and turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.batch import Batch
from render_fit.regressors.person_crop import PersonCrop
from render_fit.regressors.turned_view import MIRROR, TurnedView

REFERENCE_M = 2.0
"""Side of the crop at the reference depth of `Prediction.pelvis_offset`, metres; people of 1.7 m fill it there."""

FARTHEST_LOG = 5.0
"""Limit of the logarithm of the relative depth."""


@dataclass(frozen=True)
class Prediction(Batch):
    """H hypotheses for each of N people, in the axes of the crop camera.

    Attributes:
        rotations: (N, H, J, 3, 3) local rotations; the global one is from the body to the crop camera.
        betas: (N, H, S) shape coefficients.
        pelvis_offset: (N, H, 3) pelvis in the crop camera: (x/z, y/z) times the focal length over half the side, and
            log z relative to the depth at which the side measures `REFERENCE_M`.
        clothing: (N, H, M) coefficients of the clothing basis.
        log_likelihood: (N, H) log probabilities of the hypotheses.
        joint_error: (N, H, J) expected errors of the joints, metres (mean of an exponential distribution).
    """

    rotations: Float[Tensor, "n h j 3 3"]
    betas: Float[Tensor, "n h s"]
    pelvis_offset: Float[Tensor, "n h 3"]
    clothing: Float[Tensor, "n h m"]
    log_likelihood: Float[Tensor, "n h"]
    joint_error: Float[Tensor, "n h j"]

    def __len__(self) -> int:
        return len(self.betas)

    def ranked(self) -> Prediction:
        """Sorts the hypotheses of every person, most likely first."""
        order = self.log_likelihood.argsort(dim=1, descending=True)
        rows = torch.arange(len(self), device=order.device)[:, None]
        return Prediction(**{f.name: getattr(self, f.name)[rows, order] for f in fields(self)})

    def parameters(self, body: Body, focal: Float[Tensor, "n"]) -> BodyParameters:
        """Converts to body parameters in the axes of the crop camera.

        Args:
            body: Body model M.
            focal: (N,) focal length over the side of the crop.

        Returns:
            Parameters of N·H bodies: all hypotheses of the first person, then of the second, ...

        Differentiability: smooth.
        """
        rotations, betas = self.rotations.flatten(0, 1), self.betas.flatten(0, 1)
        pelvis = pelvis_in_view(self.pelvis_offset, focal[:, None].expand_as(self.log_likelihood)).flatten(0, 1)
        return BodyParameters(rotations, betas, pelvis - body.rest_joints(betas)[:, 0])

    def in_photo_camera(self, view: PersonCrop) -> tuple[Float[Tensor, "nh j 3 3"], Float[Tensor, "nh 3"]]:
        """Rotations and pelvis (metres) in the axes of the photo's camera, ordered as in `parameters`."""
        pelvis = pelvis_in_view(self.pelvis_offset, view.focal[:, None].expand_as(self.log_likelihood)).flatten(0, 1)
        back = view.rotation.mT.repeat_interleave(self.betas.shape[1], 0)
        rotations = self.rotations.flatten(0, 1)
        rotations = torch.cat([back[:, None] @ rotations[:, :1], rotations[:, 1:]], 1)
        return rotations, (back @ pelvis[..., None])[..., 0]


def pelvis_in_view(offset: Float[Tensor, "*n 3"], focal: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
    """Converts `Prediction.pelvis_offset` to metres in the axes of the crop camera.

    Differentiability: smooth up to `FARTHEST_LOG`; larger depths are clamped, so that a network whose loss does not
        constrain depth cannot produce infinite losses.
    """
    depth = offset[..., 2].clamp(-FARTHEST_LOG, FARTHEST_LOG).exp() * focal * REFERENCE_M
    across = offset[..., :2] / (2 * focal[..., None]) * depth[..., None]
    return torch.cat([across, depth[..., None]], -1)


def place_in_view(pelvis: Float[Tensor, "*n 3"], focal: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
    """Inverse of `pelvis_in_view`: converts metres to `Prediction.pelvis_offset`."""
    depth = pelvis[..., 2].clamp(min=1e-3)
    across = pelvis[..., :2] / depth[..., None] * 2 * focal[..., None]
    return torch.cat([across, (depth / (focal * REFERENCE_M)).log()[..., None]], -1)


def orthonormal(columns: Float[Tensor, "*n 3 2"]) -> Float[Tensor, "*n 3 3"]:
    """Rotations by Gram–Schmidt of two columns, bitwise equal to `roma.special_gramschmidt`.

    Not roma's function, because its reshaping of several batch axes fixes the batch size of an exported network.

    Differentiability: smooth where the columns are not parallel.

    Source: on the continuity of rotation representations, Zhou et al., CVPR 2019, equation 4.
    """
    first, second = columns.unbind(-1)
    first = first / first.norm(dim=-1, keepdim=True)
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = second / second.norm(dim=-1, keepdim=True)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def mirrored_rotations(rotations: Float[Tensor, "*n j 3 3"], swap: Sequence[int]) -> Float[Tensor, "*n j 3 3"]:
    """Rotations of the mirror image of a person: left and right exchanged, and reflected about x = 0.

    Args:
        rotations: (..., J, 3, 3) local rotations; the global one, in axes of a camera, is reflected like the others.
        swap: For each joint, the index of the joint of the other side.
    """
    signs = rotations.new_tensor(MIRROR)
    return signs[:, None] * rotations[..., list(swap), :, :] * signs


def mirrored_prediction(prediction: Prediction, swap: Sequence[int]) -> Prediction:
    """The prediction for the mirror image of the crop. Clothing stays: its mirror image depends on the basis."""
    return replace(
        prediction,
        rotations=mirrored_rotations(prediction.rotations, swap),
        pelvis_offset=prediction.pelvis_offset * prediction.pelvis_offset.new_tensor(MIRROR),
        joint_error=prediction.joint_error[..., list(swap)],
    )


def mean_prediction(first: Prediction, second: Prediction) -> Prediction:
    """Mean of two predictions for the same people; clothing is that of the first.

    Where the global rotations are more than 90 degrees apart (front and back confused), the one with the smaller
    expected error is taken instead of the mean.
    """
    cosine = (first.rotations[:, :, 0] * second.rotations[:, :, 0]).sum((2, 3))  # 1 + twice that of the angle
    better = (first.joint_error.mean(2) <= second.joint_error.mean(2)).to(first.betas)
    agree = (cosine > 1).to(better)
    share = better + agree * (0.5 - better)

    def mean(one: Tensor, other: Tensor) -> Tensor:
        weight = share[(...,) + (None,) * (one.ndim - 2)]
        return weight * one + (1 - weight) * other

    rotations = orthonormal(mean(first.rotations, second.rotations)[..., :2])
    names = ("betas", "pelvis_offset", "joint_error")
    values = {name: mean(getattr(first, name), getattr(second, name)) for name in names}
    return replace(first, rotations=rotations, **values)


def turned_back(prediction: Prediction, view: TurnedView, focal: Float[Tensor, "n"]) -> Prediction:
    """A prediction in the axes of turned views in those of the crop cameras.

    Args:
        prediction: Prediction for N people, in the axes and units of the turned views.
        view: The views.
        focal: (N,) focal length of the crop cameras over the side of the crop.

    Differentiability: smooth; constant across where a pelvis is turned behind the crop camera.
    """
    like = prediction.log_likelihood
    back = view.rotation.transpose(1, 2)[:, None]  # mT is not in ONNX
    pelvis = pelvis_in_view(prediction.pelvis_offset, view.focal[:, None].expand_as(like))
    rotations = torch.cat([(back @ prediction.rotations[:, :, 0])[:, :, None], prediction.rotations[:, :, 1:]], 2)
    offset = place_in_view((back @ pelvis[..., None])[..., 0], focal[:, None].expand_as(like))
    return replace(prediction, rotations=rotations, pelvis_offset=offset)
