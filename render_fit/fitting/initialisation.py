"""Initial hypotheses without a regressor: several yaws and poses, placed by keypoints or mask."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.rotations import roma
from render_fit.fitting.variables import Variables
from render_fit.losses.targets import FitTargets
from render_fit.observations.observation import box_of_mask

DEFAULT_POSES: dict[str, dict[str, tuple[float, float, float]]] = {
    "zero": {},
    "standing": {
        "left_shoulder": (0.0, 0.0, -1.1),
        "right_shoulder": (0.0, 0.0, 1.1),
        "left_elbow": (0.0, -0.3, 0.0),
        "right_elbow": (0.0, 0.3, 0.0),
        "left_knee": (0.1, 0.0, 0.0),
        "right_knee": (0.1, 0.0, 0.0),
    },
    "sitting": {
        "left_shoulder": (0.0, 0.0, -1.1),
        "right_shoulder": (0.0, 0.0, 1.1),
        "left_elbow": (0.0, -0.8, 0.0),
        "right_elbow": (0.0, 0.8, 0.0),
        "left_hip": (-1.2, 0.0, 0.1),
        "right_hip": (-1.2, 0.0, -0.1),
        "left_knee": (1.3, 0.0, 0.0),
        "right_knee": (1.3, 0.0, 0.0),
    },
    "arms_up": {
        "left_shoulder": (0.0, 0.0, 1.0),
        "right_shoulder": (0.0, 0.0, -1.0),
        "left_elbow": (0.0, -0.5, 0.0),
        "right_elbow": (0.0, 0.5, 0.0),
    },
}
"""Axis-angle (radians) of the joints that differ from SMPL's zero pose. Signs: hanging arms turn about z (left −),
elbows bend about y (left −), knees about +x, hips forward about −x."""

TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def default_hypotheses(
    body: Body,
    targets: FitTargets,
    n_betas: int,
    yaws_deg: Sequence[float],
    poses: Sequence[str],
    clothing_dim: int = 0,
) -> Variables:
    """One hypothesis for each pair of yaw and pose.

    The body's axis is aligned with the torso in the image (also for lying and upside-down people), and placed at
    the depth at which its bones, foreshortened as they are, have the length of the observed ones. Without keypoints
    the mask's box places the body.

    Args:
        body: Body model M.
        targets: z(I) of one image.
        n_betas: Shape coefficients.
        yaws_deg: Turns about the body's axis, degrees; 0 faces the camera.
        poses: Names in ``DEFAULT_POSES``.
        clothing_dim: Number of clothing coefficients, starting at zero; 0: none.

    Returns:
        len(yaws) × len(poses) hypotheses.
    """
    roll = _torso_roll(targets)
    orients, body_poses = [], []
    for name in poses:
        pose = torch.zeros(len(body.joint_names), 3)
        for joint, rotvec in DEFAULT_POSES[name].items():
            pose[body.joint_names.index(joint)] = torch.tensor(rotvec)
        for yaw in yaws_deg:
            upright = roma.rotvec_to_rotmat(torch.tensor([math.pi, 0.0, 0.0]))
            turned = upright @ roma.rotvec_to_rotmat(torch.tensor([0.0, math.radians(yaw), 0.0]))
            orients.append(roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, roll])) @ turned)
            body_poses.append(pose[1:])
    orient, pose = torch.stack(orients), torch.stack(body_poses)
    betas = torch.zeros(len(pose), n_betas)
    rotations = torch.cat([orient[:, None], roma.rotvec_to_rotmat(pose)], dim=1)
    centred = BodyParameters(rotations, betas, -body.rest_joints(betas)[:, 0])
    return Variables(
        orient_start=orient,
        orient=torch.zeros(len(pose), 3),
        pose=pose,
        betas=betas,
        position=placed(body, centred, targets),
        clothing=torch.zeros(len(pose), clothing_dim) if clothing_dim else None,
    )


def seen_joints(targets: FitTargets, names: Sequence[str]) -> dict[str, Tensor]:
    """Pixel positions of those of the named joints that were seen."""
    if targets.skeleton is None or targets.keypoints_px is None or targets.confidence is None:
        return {}
    seen = {}
    for i, joint in enumerate(targets.skeleton.joints):
        if joint in names and targets.confidence[0, i] > 0.1:
            seen[joint] = targets.keypoints_px[0, i]
    return seen


def _torso_roll(targets: FitTargets) -> float:
    """Rotation of the torso in the image plane from upright, radians; 0 where the torso was not seen well."""
    seen = seen_joints(targets, TORSO)
    shoulders = [seen[name] for name in TORSO[:2] if name in seen]
    hips = [seen[name] for name in TORSO[2:] if name in seen]
    if not shoulders or not hips:
        return 0.0
    up = torch.stack(shoulders).mean(dim=0) - torch.stack(hips).mean(dim=0)
    # A torso that points at the camera has no direction in the image.
    if up.norm() < 0.08 * targets.person_size_px[0]:
        return 0.0
    return math.atan2(float(up[0]), float(-up[1]))


@torch.no_grad()
def placed(body: Body, centred: BodyParameters, targets: FitTargets) -> Float[Tensor, "b 3"]:
    """Places bodies by the observed keypoints, or by the mask where there are none.

    Args:
        body: Body model M.
        centred: Bodies with the pelvis at the origin.
        targets: z(I) of one image.

    Returns:
        (x/z, y/z, log z) of the pelvis, as in `Variables`.
    """
    camera = targets.camera
    focal = camera.K[0, 0, 0]
    if targets.skeleton is None or targets.keypoints_px is None or targets.confidence is None:
        return _place_by_mask(body, centred, targets)
    seen_px = targets.keypoints_px[0]
    weight = targets.confidence[0] * _plausible(seen_px, targets.confidence[0], targets.person_size_px[0])
    if not weight.any():
        return _place_by_mask(body, centred, targets)
    joints = body.keypoints(centred, targets.skeleton)[..., :2]
    start, end = (torch.tensor(index) for index in zip(*targets.skeleton.edges, strict=True))
    both = weight[start] * weight[end]
    length_px = (seen_px[start] - seen_px[end]).norm(dim=-1)
    length_m = (joints[:, start] - joints[:, end]).norm(dim=-1)
    scale = (both * length_px).sum() / (both * length_m).sum(dim=-1).clamp(min=1e-6)
    depth = (focal / scale.clamp(min=1e-3)).clamp(0.5, 1e3)
    total = weight.sum().clamp(min=1e-6)
    mean_px = (weight[:, None] * seen_px).sum(dim=0) / total
    mean_m = (weight[None, :, None] * joints).sum(dim=1) / total
    ray = (mean_px - camera.K[0, :2, 2]) / focal
    return torch.cat([ray - mean_m / depth[:, None], depth.log()[:, None]], dim=-1)


def _plausible(
    seen_px: Float[Tensor, "k 2"], confidence: Float[Tensor, "k"], size_px: Float[Tensor, ""]
) -> Float[Tensor, "k"]:
    """1 for keypoints that can belong to one person with the others, 0 for strays that would drag a mean away.

    No keypoint lies further from the median one than the person is large; twice that allows for a box cut off.
    """
    seen = confidence > 0
    if not seen.any():
        return torch.zeros_like(confidence)
    middle = seen_px[seen].median(dim=0).values
    return ((seen_px - middle).norm(dim=-1) < 2 * size_px).to(confidence)


def _place_by_mask(body: Body, centred: BodyParameters, targets: FitTargets) -> Float[Tensor, "b 3"]:
    camera = targets.camera
    focal = camera.K[0, 0, 0]
    box = box_of_mask(targets.seen_mask[0])
    if box is None:
        raise ValueError("mask: empty; there is nothing to place the body by")
    vertices = body(centred).vertices
    extent_m = vertices.amax(dim=1) - vertices.amin(dim=1)
    depth = focal * extent_m[:, :2].amax(dim=-1) / max(box[2], box[3])
    centre_px = camera.K.new_tensor([box[0] + box[2] / 2, box[1] + box[3] / 2])
    centre_m = (vertices.amax(dim=1) + vertices.amin(dim=1))[:, :2] / 2
    ray = (centre_px - camera.K[0, :2, 2]) / focal
    return torch.cat([ray - centre_m / depth[:, None], depth.log()[:, None]], dim=-1)
