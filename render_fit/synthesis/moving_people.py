"""Clothed people in motion in front of a camera that stands still: captured motion whose feet stand on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation, RotationSpline
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera, camera_from_focal, default_focal_px
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import MocapMotion
from render_fit.synthesis.clothed_people import ClothedPerson, clothed_body
from render_fit.synthesis.garments.dressing import pose_with_heels
from render_fit.synthesis.garments.wardrobe import Clothes, sample_clothes
from render_fit.synthesis.placement import translation_in_view, view_rotation
from render_fit.synthesis.scene import sample_betas

IMAGE_SIZE = (360, 640)
"""(H, W) pixels."""

FPS = 30.0

CONTACT_M = 0.02
"""Height above the lowest point of the feet over which a point's share in carrying the person falls by e."""

STANDING_M_S = 0.05
"""Speed at which a point's share in carrying the person falls to a half."""

REWEIGHTINGS = 10

INERTIA = 0.2
"""Weight of the pelvis' acceleration beside the velocity of the points that carry the person, both per frame."""

HEEL_BEHIND_M = 0.05
"""How far behind the ankle the heel touches the ground."""


@dataclass(frozen=True)
class MovingPerson:
    """A person in N frames.

    Attributes:
        parameters: True bodies in camera coordinates, without clothing.
        joints: (N, 24, 3) their joints, metres.
        camera: The camera, which stands still.
        upright_to_camera: (3, 3) rotation from upright axes (y up) to the camera's.
        clothes: What is worn.
        seconds: (N,) time of each frame.
        seed: Seed of the errors of observations.
    """

    parameters: BodyParameters
    joints: Float[Tensor, "n 24 3"]
    camera: Camera
    upright_to_camera: Float[Tensor, "3 3"]
    clothes: Clothes
    seconds: Float[np.ndarray, "n"]
    seed: int

    def __len__(self) -> int:
        return len(self.seconds)

    def frame(self, body: Body, index: int) -> ClothedPerson:
        """One frame, dressed and rendered; the errors of its observations are independent of those of others."""
        seed = int(np.random.SeedSequence([self.seed, index]).generate_state(1)[0])
        one = self.parameters[index : index + 1]
        return clothed_body(body, one, self.clothes, self.camera, self.upright_to_camera, seed)


@torch.no_grad()
def moving_person(
    body: Body, motion: MocapMotion, seed: int, *, start_s: float, frames: int, yaw_rad: float, fill: float = 0.9
) -> MovingPerson:
    """A person of random shape and clothes who moves as captured, at `FPS` frames a second.

    Rotations are interpolated by splines. The files have no positions: the pelvis moves so that those points of the
    feet that are lowest stand still on the ground.

    Args:
        body: Body model.
        motion: Captured motion.
        seed: Seed of shape, clothes, camera height and the errors of observations.
        start_s: Begin in the motion, seconds.
        frames: Number of frames.
        yaw_rad: Mean yaw of the pelvis, 0 faces the camera, positive the right of the image.
        fill: Share of the image that the whole motion fills.
    """
    rng = np.random.default_rng(seed)
    betas, clothes = sample_betas(body, rng), sample_clothes(rng)
    seconds = np.arange(frames) / FPS
    pose = torch.stack([pose_with_heels(one, clothes.heel_m) for one in _resampled(motion, start_s + seconds)])
    pose[:, 0] = _turned(pose[:, 0])
    shape = betas[None].expand(frames, -1)
    upright = BodyParameters.from_rotvec(pose, shape, torch.zeros(frames, 3))
    moved = _standing(body, upright)
    height, width = IMAGE_SIZE
    camera = camera_from_focal(default_focal_px(height, width) * rng.uniform(0.9, 1.3), height, width)
    rotation = view_rotation(float(yaw_rad), rng.normal(0.06, 0.05))
    rotations = upright.rotations.clone()
    rotations[:, 0] = rotation @ rotations[:, 0]
    rest = body.rest_joints(shape)[:, 0]
    placed = BodyParameters(rotations, shape, (moved + rest) @ rotation.mT - rest)
    vertices = body(placed).vertices.flatten(0, 1)
    placed = BodyParameters(rotations, shape, placed.transl + translation_in_view(vertices, camera, fill))
    return MovingPerson(placed, body(placed).joints, camera, rotation, clothes, seconds, seed)


def _resampled(motion: MocapMotion, seconds: Float[np.ndarray, "n"]) -> Float[Tensor, "n 24 3"]:
    """The poses at other times."""
    splines = [RotationSpline(motion.seconds, Rotation.from_rotvec(joint)) for joint in motion.pose.swapaxes(0, 1)]
    return torch.from_numpy(np.stack([spline(seconds).as_rotvec() for spline in splines], axis=1)).float()


def _turned(pelvis: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """The pelvis' rotations, turned as a whole so that its mean front is +z."""
    turns = Rotation.from_rotvec(pelvis.double().numpy())
    front = turns.apply([0.0, 0.0, 1.0]).mean(axis=0)
    back = Rotation.from_rotvec([0.0, -math.atan2(front[0], front[2]), 0.0])
    return torch.from_numpy((back * turns).as_rotvec()).float()


def _standing(body: Body, parameters: BodyParameters) -> Float[Tensor, "n 3"]:
    """Translations, y up, with which the lowest points of the feet stand still on the ground: linear least squares."""
    output = body(parameters)
    rest = body.rest_joints(parameters.betas[:1])[0]
    points = []
    for side in ("left", "right"):
        ankle, ball = (SMPL_24.index(f"{side}_{name}") for name in ("ankle", "foot"))
        sole = rest[ball, 1] - body.rest_vertices(parameters.betas[:1])[0, :, 1].min()
        down = torch.stack([torch.zeros(()), -sole, torch.zeros(())])
        heel = torch.stack([torch.zeros(()), rest[ball, 1] - sole - rest[ankle, 1], torch.tensor(-HEEL_BEHIND_M)])
        points.append(output.joints[:, ball] + output.joint_rotations[:, ball] @ down)
        points.append(output.joints[:, ankle] + output.joint_rotations[:, ankle] @ heel)
    feet = torch.stack(points, dim=1).double().numpy()  # (N, 4, 3)
    carried = np.exp(-(feet[..., 1] - feet[..., 1].min(axis=1, keepdims=True)) / CONTACT_M)
    carried /= carried.sum(axis=1, keepdims=True)
    count = len(feet)
    step, bend = np.diff(np.eye(count), axis=0), np.sqrt(INERTIA) * np.diff(np.eye(count), n=2, axis=0)
    moved = np.zeros((count, 3))
    rows = np.concatenate([np.eye(count), bend])
    level = -(carried * feet[..., 1]).sum(axis=1)
    moved[:, 1] = np.linalg.lstsq(rows, np.concatenate([level, np.zeros(len(bend))]), rcond=None)[0]
    still = np.ones((count - 1, feet.shape[1]))
    for _ in range(REWEIGHTINGS):  # of the points that are low, those carry that can stand still
        weights = np.sqrt(carried[1:] * carried[:-1]) * still
        total = np.sqrt(weights.sum(axis=1))
        rows = np.concatenate([total[:, None] * step, bend, np.eye(1, count)])  # the last one: begins at the origin
        for axis in (0, 2):
            wanted = -(weights * np.diff(feet[..., axis], axis=0)).sum(axis=1) / total
            values = np.concatenate([wanted, np.zeros(len(bend) + 1)])
            moved[:, axis] = np.linalg.lstsq(rows, values, rcond=None)[0]
        speed = FPS * np.linalg.norm(np.diff((feet + moved[:, None])[..., [0, 2]], axis=0), axis=-1)
        still = 1 / (1 + (speed / STANDING_M_S) ** 2)
    return torch.from_numpy(moved).float()
