"""Landmarks of a posed body without posing its mesh.

A landmark is a weighted mean of posed vertices, and a posed vertex is a weighted mean over joints of rotated rest
vertices. Exchanging the two sums leaves, per landmark and joint that moves it, one rotation of one point: the first
moment Σ_v r_v w_vj x_v, which like every vertex is linear in betas, pose correctives and offsets. Some hundred such
points replace the thousands of vertices that joint-like landmarks are regressed from, with the same result.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from render_fit.bodies.parameters import BodyParameters


class LandmarkMoments(NamedTuple):
    """First moments of some landmarks, one per landmark and joint that moves it.

    Attributes:
        joint: (p,) index of each moment's joint.
        mass: (p,) zeroth moments Σ_v r_v w_vj.
        template: (3p,) moments of the template, metres.
        shapedirs: (s, 3p) moments per shape coefficient, metres.
        posedirs: (9(j−1), 3p) moments per pose feature, metres, or None.
        spread: (p, u) products r_v w_vj of the used vertices, which map offsets to moments.
        sums: (l, p) 1 where a moment belongs to a landmark.
        regressor: (l, u) landmarks from the used vertices.
        vertices: (u,) indices of the used vertices.
    """

    joint: Tensor
    mass: Tensor
    template: Tensor
    shapedirs: Tensor
    posedirs: Tensor | None
    spread: Tensor
    sums: Tensor
    regressor: Tensor
    vertices: Tensor


def landmark_moments(
    regressor: Tensor, weights: Tensor, v_template: Tensor, shapedirs: Tensor, posedirs: Tensor | None
) -> LandmarkMoments:
    """Computes the moments of a body's landmarks.

    Args:
        regressor: (l, v) landmarks from posed vertices.
        weights: (v, j) skinning weights.
        v_template: (v, 3) mean shape, metres.
        shapedirs: (v, 3, s) shape directions, metres.
        posedirs: (v, 3, 9(j−1)) pose correctives, metres, or None.
    """
    vertices = (regressor != 0).any(0).nonzero()[:, 0]
    regressor, weights = regressor[:, vertices], weights[vertices]
    both = regressor[:, None, :] * weights.T[None]  # (l, j, u)
    landmark, joint = (both != 0).any(-1).nonzero().unbind(1)
    spread = both[landmark, joint]

    def moments(directions: Tensor) -> Tensor:
        """(v, 3, n) directions as (n, 3p) moments."""
        touched = directions[vertices]
        return (spread @ touched.flatten(1)).reshape(-1, directions.shape[2]).T.contiguous()

    return LandmarkMoments(
        joint=joint,
        mass=spread.sum(1),
        template=(spread @ v_template[vertices]).flatten(),
        shapedirs=moments(shapedirs),
        posedirs=None if posedirs is None else moments(posedirs),
        spread=spread,
        sums=(landmark == torch.arange(len(regressor), device=landmark.device)[:, None]).to(spread),
        regressor=regressor,
        vertices=vertices,
    )


def posed_landmarks(of: LandmarkMoments, parameters: BodyParameters, transforms: Tensor) -> Tensor:
    """Poses landmarks.

    Args:
        of: Moments of the landmarks.
        parameters: Pose, shape and offsets.
        transforms: (b, j, 12) skinning transforms: a rotation's rows, then the shift.

    Returns:
        (b, l, 3) posed landmarks, metres.

    Differentiability: smooth in all parameters.
    """
    betas = parameters.betas
    moments = torch.addmm(of.template, betas, of.shapedirs[: betas.shape[1]])
    if of.posedirs is not None:
        eye = torch.eye(3, dtype=betas.dtype, device=betas.device)
        moments = torch.addmm(moments, (parameters.rotations[:, 1:] - eye).flatten(1), of.posedirs)
    moments = moments.view(len(betas), -1, 3)
    if parameters.offsets is not None:
        moments = moments + of.spread @ parameters.offsets[:, of.vertices]
    turns, shifts = transforms.index_select(1, of.joint).split([9, 3], -1)
    points = (turns.unflatten(-1, (3, 3)) @ moments[..., None])[..., 0] + of.mass[:, None] * shifts
    return of.sums @ points
