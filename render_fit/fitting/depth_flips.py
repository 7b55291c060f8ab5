"""Kinematic flips: other poses with nearly the same image.

From far away, a bone that points towards the camera and its mirror image that points away have the same projection.
Gradient descent stays on the side where it started, so the search proposes the other side. After a flip, the upper
joint is rotated so that elbow and knee bend about their own axis.

A standing person and one who crouches a little, seen from the front, differ as little: both legs and the leaning trunk
are foreshortened alike, and distance makes up for it. Descent stays in the crouch, so straight legs are proposed too.

Source: Sminchisescu & Triggs, Kinematic Jump Processes for Monocular 3D Human Tracking, CVPR 2003.
"""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.rotations import roma
from render_fit.fitting.variables import Variables

LIMBS: tuple[tuple[str, str, str, tuple[float, float, float]], ...] = (
    ("left_shoulder", "left_elbow", "left_wrist", (0.0, -1.0, 0.0)),
    ("right_shoulder", "right_elbow", "right_wrist", (0.0, 1.0, 0.0)),
    ("left_hip", "left_knee", "left_ankle", (1.0, 0.0, 0.0)),
    ("right_hip", "right_knee", "right_ankle", (1.0, 0.0, 0.0)),
)
"""Upper joint, middle joint, end joint, and the axis about which the middle one bends, in SMPL's rest frame."""

STRAIGHT_RAD = 0.2
"""Bend under which a limb counts as straight: its plane, and so its twist, is not defined."""

LEGS = LIMBS[2:]

BENT_RAD = (0.2, 1.1)
"""Least and largest flexion of a knee that is also tried straight. At the largest the distance from hip to ankle grows
by a sixth, more than distance and shape make up for."""


def straight_legs(body: Body, variables: Variables) -> Variables | None:
    """The hypothesis with straight legs in place of slightly bent ones, in the directions from hip to ankle.

    Args:
        body: Body model M.
        variables: One hypothesis (B = 1).

    Returns:
        One hypothesis, or None if the flexion of neither knee is within `BENT_RAD`.
    """
    with torch.no_grad():
        output, rest = body(variables.parameters(body)), body.rest_joints(variables.betas)[0]
        world, joints, pose = output.joint_rotations[0], output.joints[0], variables.pose[0].clone()
        names = list(body.joint_names)
        straightened = False
        for upper, middle, end, axis in LEGS:
            hip, knee, ankle = names.index(upper), names.index(middle), names.index(end)
            thigh, shin = joints[knee] - joints[hip], joints[ankle] - joints[knee]
            flexion = torch.acos(torch.cosine_similarity(thigh, shin, dim=0).clamp(-1, 1))
            if not BENT_RAD[0] < flexion < BENT_RAD[1]:
                continue
            rest_bones = (rest[knee] - rest[hip], rest[ankle] - rest[knee])
            parent, bones = world[body.parents[hip]], [joints[ankle] - joints[hip]] * 2
            limb = _pose_limb(parent, world[hip], rest_bones, bones, torch.tensor(axis), thigh)
            pose[[hip - 1, knee - 1]] = limb
            straightened = True
    return variables.with_values({"pose": pose[None]}) if straightened else None


def limb_flips(body: Body, variables: Variables) -> Variables:
    """All 4 depth flips of each of the four limbs, in all combinations.

    Args:
        body: Body model M.
        variables: One hypothesis (B = 1).

    Returns:
        256 hypotheses; the first is the given one, unchanged.
    """
    with torch.no_grad():
        output = body(variables.parameters(body))
        world, joints = output.joint_rotations[0], output.joints[0]
        names = list(body.joint_names)
        choices = []
        for upper, middle, end, axis in LIMBS:
            ids = (names.index(upper), names.index(middle), names.index(end))
            local = variables.pose[0, [ids[0] - 1, ids[1] - 1]]
            parent = world[body.parents[ids[0]]]
            rest = body.rest_joints(variables.betas)[0]
            options = [local]
            for flip_upper, flip_lower in ((True, False), (False, True), (True, True)):
                bones = [_flip(joints[ids[1]] - joints[ids[0]], joints[ids[0]], flip_upper)]
                bones.append(_flip(joints[ids[2]] - joints[ids[1]], joints[ids[1]], flip_lower))
                rest_bones = (rest[ids[1]] - rest[ids[0]], rest[ids[2]] - rest[ids[1]])
                options.append(
                    _pose_limb(
                        parent,
                        world[ids[0]],
                        rest_bones,
                        bones,
                        torch.tensor(axis),
                        joints[ids[1]] - joints[ids[0]],
                    )
                )
            choices.append((ids, options))
        poses = []
        for combination in itertools.product(range(4), repeat=len(choices)):
            pose = variables.pose[0].clone()
            for (ids, options), choice in zip(choices, combination, strict=True):
                pose[[ids[0] - 1, ids[1] - 1]] = options[choice]
            poses.append(pose)
    many = variables[torch.zeros(len(poses), dtype=torch.long)]
    return many.with_values({"pose": torch.stack(poses)})


def _flip(bone: Float[Tensor, "3"], start: Float[Tensor, "3"], flipped: bool) -> Float[Tensor, "3"]:
    """The bone mirrored along the viewing ray through its start."""
    if not flipped:
        return bone
    ray = torch.nn.functional.normalize(start, dim=0)
    return bone - 2 * (bone @ ray) * ray


def _pose_limb(parent, upper_world, rest_bones, bones, axis, upper_before) -> Float[Tensor, "2 3"]:
    """Local rotations of a limb's upper and middle joint that bring its rest bones along ``bones``."""
    upper, lower = (torch.nn.functional.normalize(bone, dim=0) for bone in bones)
    bend = torch.acos((upper @ lower).clamp(-1, 1))
    if bend < STRAIGHT_RAD:
        turn = _shortest_rotation(torch.nn.functional.normalize(upper_before, dim=0), upper)
        new_upper = turn @ upper_world
    else:
        hinge = torch.nn.functional.normalize(torch.linalg.cross(upper, lower), dim=0)
        rest_upper = torch.nn.functional.normalize(rest_bones[0], dim=0)
        new_upper = _frame(upper, hinge) @ _frame(rest_upper, axis).mT
    rest_lower = torch.nn.functional.normalize(rest_bones[1], dim=0)
    new_lower = _shortest_rotation(torch.nn.functional.normalize(new_upper @ rest_lower, dim=0), lower) @ new_upper
    local = torch.stack([parent.mT @ new_upper, new_upper.mT @ new_lower])
    return roma.rotmat_to_rotvec(local)


def _frame(along: Float[Tensor, "3"], hinge: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """Right-handed frame with its first axis along a bone and its second as near to the hinge as may be."""
    second = torch.nn.functional.normalize(hinge - (hinge @ along) * along, dim=0)
    return torch.stack([along, second, torch.linalg.cross(along, second)], dim=1)


def _shortest_rotation(start: Float[Tensor, "3"], end: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """The rotation by the smallest angle between two unit vectors."""
    axis = torch.linalg.cross(start, end)
    sine, cosine = axis.norm(), start @ end
    if sine < 1e-6:
        return torch.eye(3) if cosine > 0 else roma.rotvec_to_rotmat(torch.pi * _any_orthogonal(start))
    return roma.rotvec_to_rotmat(axis / sine * torch.atan2(sine, cosine))


def _any_orthogonal(vector: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    helper = torch.eye(3)[vector.abs().argmin()]
    return torch.nn.functional.normalize(torch.linalg.cross(vector, helper), dim=0)
