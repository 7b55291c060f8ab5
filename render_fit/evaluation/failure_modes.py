"""Rules that detect failed fits: wrong depth order of limbs, back to front, upside down, inside out, spiky.

A mean error hides these failures. Each rule has a margin within which a case stays undecided and is not counted.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LIMBS = tuple(
    (f"{side}_{near}", f"{side}_{far}")
    for limb in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    for side in ("left", "right")
    for near, far in pairwise(limb)
)
"""Bones whose sign of depth is ambiguous in a 2D view (Taylor 2000; Lee & Chen 1985), as joint names."""

LIMB_JOINTS = tuple(
    f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
"""The 12 joints that all data sets and bodies define alike."""

DEPTH_MARGIN_RAD = math.radians(15.0)
"""Angle to the image plane below which the depth order of a bone is undecided; 15° is 7 cm over a 27 cm forearm."""

SPIKE_M = 0.035
"""Distance of a vertex from the mean of its neighbours, beyond that at rest, from which it is a spike. Linear blend
skinning of the open body causes 1.0 cm in the median of 60 motion-capture poses and 2.3 cm at most."""


def limb_depth_flips(
    joints: Float[Tensor, "b k 3"],
    joints_true: Float[Tensor, "b k 3"],
    limbs: tuple[tuple[int, int], ...],
    margin_rad: float = DEPTH_MARGIN_RAD,
) -> Bool[Tensor, "b l"]:
    """Limbs that point towards the camera where the true one points away from it, or the reverse.

    Args:
        joints: (B, K, 3) camera coordinates (z forward).
        joints_true: (B, K, 3) camera coordinates of the truth.
        limbs: L pairs (proximal, distal) of indices into K.
        margin_rad: Angle to the image plane that both bones must exceed to be counted.

    Returns:
        (B, L) True where the depth order is wrong.
    """
    proximal, distal = torch.tensor(limbs).T
    slopes = []
    for points in (joints, joints_true):
        bones = points[:, distal] - points[:, proximal]
        slopes.append(bones[..., 2] / bones.norm(dim=-1).clamp(min=1e-9))
    margin = math.sin(margin_rad)
    wrong_sign = slopes[0] * slopes[1] < 0
    return wrong_sign & (slopes[0].abs() > margin) & (slopes[1].abs() > margin)


def torso_frame(
    left_shoulder: Float[Tensor, "b 3"],
    right_shoulder: Float[Tensor, "b 3"],
    left_hip: Float[Tensor, "b 3"],
    right_hip: Float[Tensor, "b 3"],
) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b 3"]]:
    """Unit vectors of a torso's upward and facing directions (out of the chest), in the frame of the joints."""
    up = (left_shoulder + right_shoulder) - (left_hip + right_hip)
    to_left = (left_shoulder - right_shoulder) + (left_hip - right_hip)
    up = torch.nn.functional.normalize(up, dim=-1)
    facing = torch.nn.functional.normalize(torch.linalg.cross(to_left, up), dim=-1)
    return up, facing


def facing_flipped(torso: Float[Tensor, "b 4 3"], torso_true: Float[Tensor, "b 4 3"]) -> Bool[Tensor, "b"]:
    """Whether a body faces more than 90° away from the true facing direction.

    Args:
        torso: (B, 4, 3) left shoulder, right shoulder, left hip, right hip; camera coordinates.
        torso_true: (B, 4, 3) the same of the truth.
    """
    _, facing = torso_frame(*torso.unbind(1))
    _, facing_true = torso_frame(*torso_true.unbind(1))
    return (facing * facing_true).sum(dim=-1) < 0


def facing_contradicts_keypoints(
    torso: Float[Tensor, "b 4 3"], torso_px: Float[Tensor, "b 4 2"], margin: float = 0.25
) -> Bool[Tensor, "b"]:
    """Whether a fit faces the camera although its 2D keypoints face away from it, or the reverse.

    For photos without 3D ground truth. An upright person faces the camera if left shoulder and hip are right of the
    right ones in the image. Relative to the upward direction of the torso in the image, this holds at any tilt.

    Args:
        torso: (B, 4, 3) fitted left shoulder, right shoulder, left hip, right hip; camera coordinates.
        torso_px: (B, 4, 2) the same keypoints in the image, pixels.
        margin: Width over height of the torso in the image, below which the view is a profile and undecided.

    Returns:
        (B,) True where the directions contradict; False where they agree or the view is a profile.
    """
    left_shoulder, right_shoulder, left_hip, right_hip = torso_px.unbind(1)
    up = (left_shoulder + right_shoulder) - (left_hip + right_hip)
    to_left = (left_shoulder - right_shoulder) + (left_hip - right_hip)
    # z of (to_left × up): negative (towards the camera) for a person who faces it, in y-down pixels.
    facing_z_px = (to_left[:, 0] * up[:, 1] - to_left[:, 1] * up[:, 0]) / up.square().sum(-1).clamp(min=1e-9)
    _, facing = torso_frame(*torso.unbind(1))
    return (facing_z_px.abs() > margin) & (facing_z_px * facing[:, 2] < 0)


def upside_down(
    torso: Float[Tensor, "b 4 3"], torso_px: Float[Tensor, "b 4 2"], camera_up: bool = False
) -> Bool[Tensor, "b"]:
    """Whether the torso is upside down with respect to its 2D keypoints, or to the image.

    Args:
        torso: (B, 4, 3) fitted left shoulder, right shoulder, left hip, right hip; camera coordinates.
        torso_px: (B, 4, 2) the same keypoints in the image, pixels.
        camera_up: Whether to compare with the upward direction of the image instead of the keypoints.
    """
    up, _ = torso_frame(*torso.unbind(1))
    if camera_up:
        return up[:, 1] > 0
    true_up = (torso_px[:, 0] + torso_px[:, 1]) - (torso_px[:, 2] + torso_px[:, 3])
    return (up[:, :2] * true_up).sum(dim=-1) < 0


def spike_height(
    vertices: Float[Tensor, "b v 3"], vertices_rest: Float[Tensor, "b v 3"], faces: Int[Tensor, "f 3"]
) -> Float[Tensor, "b"]:
    """Largest distance of a vertex from the mean of its neighbours, minus that at rest, metres.

    Low for smooth clothing of any width, which moves neighbours together; high for a vertex that moves alone.
    """
    ends = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1)
    starts = faces[:, [1, 0, 2, 1, 0, 2]].reshape(-1)
    n_neighbours = torch.bincount(ends, minlength=vertices.shape[1]).clamp(min=1)[:, None]

    def height(points: Tensor) -> Tensor:
        total = torch.zeros_like(points).index_add_(1, ends, points[:, starts])
        return (points - total / n_neighbours).norm(dim=-1)

    return (height(vertices) - height(vertices_rest)).amax(dim=1)


def signed_volume(vertices: Float[Tensor, "b v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "b"]:
    """Volume enclosed by a closed mesh, cubic metres; negative if the mesh is inside out."""
    a, b, c = (vertices[:, faces[:, i]] for i in range(3))
    return (a * torch.linalg.cross(b, c)).sum(dim=(1, 2)) / 6
