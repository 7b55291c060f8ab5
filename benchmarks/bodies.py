"""The bodies of all rendering benchmarks: the rest pose, and 20 posed ones that are harder or nearer.

Eight occlude themselves, six are partly outside the image or behind the near plane, six are close-ups. The
poses are ``synthesis.poses.named`` and two more; shapes and small turns of every joint are drawn from a fixed seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import roma
import torch
from torch import Tensor

from benchmarks.meshes import Mesh, body_mesh
from render_fit.bodies import BodyParameters, open_body
from render_fit.core.cameras import Camera, camera_from_focal
from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.placement import pose_in_view, view_rotation
from render_fit.synthesis.poses.named import everyday_pose
from render_fit.synthesis.scene import sample_betas

Kind = Literal["rest", "hides itself", "truncated", "close-up"]

FOCAL = 1.3
"""Focal length relative to the image's side: a 42° field of view."""

JITTER_RAD = 0.05
"""Standard deviation of the random rotation added to every joint of a posed body."""

SEED = 20


@dataclass(frozen=True)
class View:
    """Pose and placement of one body relative to the camera.

    Attributes:
        kind: Difficulty of the view.
        pose: Name in ``EVERYDAY_POSES`` or ``MORE_POSES``.
        yaw_deg: Rotation about the vertical, degrees; 0 faces the camera.
        fill: Share of the image's height or width that the body's box fills, where ``joint`` is not given.
        centre: Position of the box's centre, or of the joint, as shares of width and height.
        joint: Joint placed at ``centre``, at depth ``depth_m``.
        depth_m: Depth of the joint, metres.
        pitch_deg: Pitch of the camera, degrees; positive looks down on the person.
    """

    kind: Kind
    pose: str
    yaw_deg: float = 0.0
    fill: float = 0.72
    centre: tuple[float, float] = (0.5, 0.5)
    joint: str | None = None
    depth_m: float = 0.0
    pitch_deg: float = 0.0

    @property
    def name(self) -> str:
        """Name of the pose and of the joint in view."""
        return self.pose.replace("_", " ") + (f", {self.joint.replace('_', ' ')}" if self.joint else "")


MORE_POSES: dict[str, dict[str, tuple[int, int, int]]] = {
    "legs_crossed": {
        "left_hip": (-4, 0, -16),
        "right_hip": (8, 0, 14),
        "right_knee": (14, 0, 0),
        "left_shoulder": (20, -32, -60),
        "left_elbow": (0, -88, 0),
        "right_shoulder": (5, 0, 72),
    },
    "curled_up": {
        "pelvis": (30, 0, 0),
        "spine1": (28, 0, 0),
        "spine2": (24, 0, 0),
        "neck": (24, 0, 0),
        "head": (18, 0, 0),
        "left_hip": (-112, 4, 4),
        "right_hip": (-108, -4, -4),
        "left_knee": (126, 0, 0),
        "right_knee": (130, 0, 0),
        "left_shoulder": (10, -64, -36),
        "left_elbow": (0, -70, 0),
        "right_shoulder": (12, 60, 38),
        "right_elbow": (0, 74, 0),
    },
}

# Slightly rotated, so that the mirrored halves do not coincide in the image.
REST = View("rest", "t_pose", yaw_deg=4)

POSED = (
    View("hides itself", "arms_crossed_low"),
    View("hides itself", "legs_crossed"),
    View("hides itself", "hands_on_hips", yaw_deg=75),
    View("hides itself", "squat", yaw_deg=10),
    View("hides itself", "sitting", yaw_deg=40),
    View("hides itself", "curled_up", yaw_deg=60),
    View("hides itself", "walking", yaw_deg=90),
    View("hides itself", "bowing", pitch_deg=15),
    View("truncated", "standing", fill=1.4, centre=(0.5, 0.85)),
    View("truncated", "arms_up", fill=1.2, centre=(0.55, 0.1)),
    View("truncated", "dancing", fill=1.0, centre=(0.0, 0.5)),
    View("truncated", "sitting", yaw_deg=-30, fill=1.1, centre=(1.0, 0.9)),
    View("truncated", "striding", yaw_deg=60, fill=1.6, centre=(0.6, 0.3)),
    # The hands reach beyond the camera: their faces are behind the near plane.
    View("truncated", "arms_forward", joint="spine3", depth_m=0.55, yaw_deg=6),
    View("close-up", "standing", joint="head", depth_m=0.6),
    View("close-up", "attention", joint="head", depth_m=0.45, yaw_deg=80, pitch_deg=15),
    View("close-up", "arms_crossed_low", joint="spine2", depth_m=0.8),
    View("close-up", "hands_on_hips", joint="spine3", depth_m=0.9, yaw_deg=30),
    View("close-up", "waving", joint="right_wrist", depth_m=0.5),
    View("close-up", "one_leg_up", joint="left_knee", depth_m=0.6, yaw_deg=20),
)

VIEWS = (REST, *POSED)


@dataclass(frozen=True)
class Placed:
    """A body placed in camera coordinates.

    Attributes:
        view: Requested view.
        parameters: Parameters of the open body, a batch of one, in camera coordinates.
        vertices: (1, V, 3) vertices of the mesh, camera coordinates, metres.
        mesh: Mesh of the body.
        camera: Camera of the image, a batch of one.
    """

    view: View
    parameters: BodyParameters
    vertices: Tensor
    mesh: Mesh
    camera: Camera


def placed(view: View, size: int, mesh: Mesh | None = None) -> Placed:
    """Places a body in the view of a square image.

    Args:
        view: View to place.
        size: Side of the image, pixels.
        mesh: Coarser or finer mesh; None: the open body's own.
    """
    body, mesh = open_body(), body_mesh(14_000) if mesh is None else mesh
    camera = camera_from_focal(FOCAL * size, size, size)
    pose, betas = _pose(view.pose), torch.zeros(body.n_betas)
    if view is not REST:
        rng = np.random.default_rng([SEED, VIEWS.index(view)])
        pose = pose + JITTER_RAD * torch.from_numpy(rng.standard_normal(pose.shape)).float()
        betas = sample_betas(body, rng)
    rotation = view_rotation(math.radians(view.yaw_deg), math.radians(view.pitch_deg))
    if view.joint is None:
        parameters = pose_in_view(body, pose, betas, camera, rotation, view.fill, view.centre)
    else:
        rotations = roma.rotvec_to_rotmat(pose)
        rotations = torch.cat([(rotation @ rotations[0])[None], rotations[1:]])[None]
        there = body(BodyParameters(rotations, betas[None], torch.zeros(1, 3))).joints[0, SMPL_24.index(view.joint)]
        at = camera.unproject(size * torch.tensor([[view.centre]]), torch.tensor([[view.depth_m]]))[0, 0]
        parameters = BodyParameters(rotations, betas[None], (at - there)[None])
    with torch.no_grad():
        vertices = mesh.surface(body(parameters).vertices)
    return Placed(view, parameters, vertices, mesh, camera)


def _pose(name: str) -> Tensor:
    if name not in MORE_POSES:
        return everyday_pose(name)
    pose = torch.zeros(24, 3)
    for joint, degrees in MORE_POSES[name].items():
        pose[SMPL_24.index(joint)] = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return pose
