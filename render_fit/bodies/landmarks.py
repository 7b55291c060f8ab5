"""Landmarks of a posed body without posing its mesh, and the joints of marker-based skeletons between them.

A landmark is a weighted mean of posed vertices, and a posed vertex is a weighted mean over joints of rotated rest
vertices. Exchanging the two sums leaves, per landmark and joint that moves it, one rotation of one point: the first
moment Σ_v r_v w_vj x_v, which like every vertex is linear in betas, pose correctives and offsets. Some hundred such
points replace the thousands of vertices that joint-like landmarks are regressed from, with the same result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from render_fit.bodies.parameters import BodyParameters
from render_fit.core.skeletons import mirrored_name


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


def _both_sides(name: str, weights: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    return {name: weights, mirrored_name(name): {mirrored_name(point): weight for point, weight in weights.items()}}


MARKER_JOINTS: Mapping[str, Mapping[str, float]] = {
    "marker_pelvis": {"pelvis": 0.58, "left_hip": 0.21, "right_hip": 0.21},
    **_both_sides("marker_left_hip", {"pelvis": 0.58, "left_hip": 1.16, "right_hip": -0.74}),
    **_both_sides("marker_left_shoulder", {"left_shoulder": 0.7075, "right_shoulder": -0.0275, "neck": 0.32}),
    "marker_spine": {"spine1": 0.3, "spine2": 0.7},
    "marker_thorax": {"spine3": 0.18, "neck": 0.82},
    "marker_nose": {"head": 0.45, "chin": 0.55},
    "marker_head": {"head": 0.55, "head_top": 0.45},
    **_both_sides("mediapipe_left_knee", {"coco_left_knee": 0.95, "coco_left_ankle": 0.05}),
}
"""The joints of marker-based skeletons and MediaPipe's knees, as weights of the joints and landmarks they lie between.

The weights sum to 1, so each point moves with the body like any point of it. Human3.6M's joints are not SMPL's: its
hips lie 27 cm apart on the pelvis's height, its shoulders 26 cm, its head ends below the crown; a torso from mid-hip to
mid-shoulder measures 41 cm where SMPL's clicked points are 51 cm apart. Used as SMPL's joints, they bend and shrink the
fitted body.

Source: mean positions of the joints of two Human3.6M frames (subjects 1 and 7) in the frames of the pelvis and the
chest, after the open body was put in the ground truth's SMPL pose and its knees, ankles, elbows and wrists aligned by a
similarity; both sides averaged. The residual of those joints after the alignment is 1 to 5 cm. Only the head's end is
set 1 cm above its measured position, towards its distance from the thorax in the two frames (16 and 19 cm).

MediaPipe's knees: in 27 frontal street photos (CCP) its thighs are 1.12 times as long as its shins (median), in
projections of the standing body with COCO's points 1.02 to 1.03 times. 5 % of the shin bring them together.
"""
