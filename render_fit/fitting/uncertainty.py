"""How sure a fit is: covariances of the shape, of the pelvis, and of the other joints relative to it.

The posterior of pose and shape is taken as a sum of Gaussians, one about each pose of nearly equal objective. Their
common width is the inverse of the curvature at the end of the fit; their weights follow from the objective of the stage
that compared them. Both are tempered: clothes and errors of segmenters and detectors are alike in neighbouring pixels
and joints, which the terms do not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.fitting.context import FitContext
from render_fit.fitting.curvature import PICTURE_STEP, Whitened, positive
from render_fit.fitting.recipe import Stage
from render_fit.fitting.shared_shape import FLOOR, shared_covariance, told_apart
from render_fit.fitting.variables import SCALES, SKELETAL, Variables

TEMPERATURE = 3.5
"""Nats of the objective that count as one. Chosen on 176 clothed synthetic people with mask and keypoints, so that the
90 % ellipsoids of the joints contain 90 % of the true ones."""


@dataclass(frozen=True)
class Rivals:
    """Hypotheses that one objective compared.

    Attributes:
        variables: H hypotheses.
        losses: (H,) values of the objective, nats; not finite ones do not count.
    """

    variables: Variables
    losses: Float[Tensor, "h"]


@dataclass(frozen=True)
class Uncertainty:
    """Covariances of a person in N images.

    Attributes:
        betas: (S, S) of the shape, squared standard deviations.
        joints: (N, J, 3, 3) of the pelvis in camera coordinates, and of each other joint's position relative to the
            pelvis, in the axes of the camera; squared metres.
    """

    betas: Float[Tensor, "s s"]
    joints: Float[Tensor, "n j 3 3"]


@torch.no_grad()
def uncertainty(
    contexts: Sequence[FitContext], stage: Stage, variables: Variables, rivals: Sequence[Rivals]
) -> Uncertainty:
    """Covariances of shape and joints, from the curvature at the end of a fit and the hypotheses that it compared.

    Args:
        contexts: Images.
        stage: Stage that moves pose and shape; its terms are the evidence.
        variables: State of each image, of equal shape. Clothes are left out: the stage sees the body alone.
        rivals: Hypotheses of each image.
    """
    bare = replace(variables.detached(), clothing=None, offsets=None)
    free = tuple(name for name in stage.free if name in SKELETAL)
    images, known = told_apart(contexts, stage.model_copy(update={"free": free}), bare)
    betas = shared_covariance(images, known)
    own = positive(images.own) + FLOOR * torch.eye(images.own.shape[-1])
    follows = images.response(FLOOR)
    joints = []
    for index, (context, compared) in enumerate(zip(contexts, rivals, strict=True)):
        one, size = bare[index : index + 1], own.shape[-1]
        jacobian = joint_jacobian(context.body, one, free).flatten(0, 1)  # (3 J, D + S)
        of_pose, of_shape = jacobian[:, :size], jacobian[:, size:]
        of_shape = of_shape + of_pose @ follows[index]  # the pose follows the shape
        spread = TEMPERATURE * of_pose @ torch.linalg.solve(own[index], of_pose.mT) + of_shape @ betas @ of_shape.mT
        blocks = spread.unflatten(0, (-1, 3)).unflatten(2, (-1, 3)).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        joints.append(blocks + spread_of_rivals(context.body, one, compared))
    return Uncertainty(betas, torch.stack(joints))


def joint_jacobian(body: Body, variables: Variables, free: Sequence[str]) -> Float[Tensor, "j 3 d"]:
    """Change of the pelvis, and of the other joints relative to it, by differences.

    Args:
        body: Body model M.
        variables: One state (B = 1).
        free: Names of the D variables: those of an image in the order of `SCALES`, then the shape.

    Returns:
        (J, 3, D) metres per scale of each variable.
    """
    names = sorted(free, key=lambda name: (name == "betas", list(SCALES).index(name)))
    moving = variables.free(names)
    size = sum(value[0].numel() for value in moving.values())
    rows = torch.zeros(size + 1, dtype=torch.long)
    offsets = PICTURE_STEP * torch.eye(size + 1, size)  # the last row is the state itself
    unpack = Whitened({name: value[rows] for name, value in moving.items()}, SCALES, None).unpack
    joints = _positions(body, variables[rows].with_values(unpack(offsets)))
    return ((joints[:-1] - joints[-1:]) / PICTURE_STEP).permute(1, 2, 0)


def spread_of_rivals(body: Body, variables: Variables, rivals: Rivals) -> Float[Tensor, "j 3 3"]:
    """Second moment of the hypotheses' joints about those of the fit, weighted by exp(−loss / `TEMPERATURE`).

    Args:
        body: Body model M.
        variables: The fit (B = 1).
        rivals: Hypotheses.
    """
    weights = torch.softmax(-rivals.losses.nan_to_num(torch.inf) / TEMPERATURE, dim=0)
    away = _positions(body, rivals.variables.detached()) - _positions(body, variables)
    return torch.einsum("h,hja,hjb->jab", weights, away, away)


def from_pelvis(joints: Float[Tensor, "*b j 3"]) -> Float[Tensor, "*b j 3"]:
    """The pelvis, which is the first joint, as it is, and the others relative to it."""
    return torch.cat([joints[..., :1, :], joints[..., 1:, :] - joints[..., :1, :]], dim=-2)


def _positions(body: Body, variables: Variables) -> Float[Tensor, "b j 3"]:
    """`from_pelvis` of the joints of some states, metres."""
    return from_pelvis(body.kinematics(variables.parameters(body)).joints)


def joint_sigma_mm(joints: Float[Tensor, "1 j 3"], uncertainty: Uncertainty) -> dict[str, float]:
    """Root mean squares over the joints but the pelvis, along the viewing ray and per axis across it, millimetres.

    Args:
        joints: (1, J, 3) camera coordinates, metres.
        uncertainty: Covariances of the same image.
    """
    ray = torch.nn.functional.normalize(joints[:, 1:], dim=-1)
    covariance = uncertainty.joints[:, 1:]
    along = (ray[..., None, :] @ covariance @ ray[..., None])[..., 0, 0]
    across = (covariance.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - along) / 2
    return {"depth": _root_mean_mm(along), "across": _root_mean_mm(across)}


def _root_mean_mm(variance: Tensor) -> float:
    return round(1000 * float(variance.mean().clamp(min=0).sqrt()), 1)
