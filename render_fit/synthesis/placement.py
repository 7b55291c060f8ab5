"""Placement of one person in front of a camera."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.rotations import roma

FILL = 0.72
"""Share of the image's height or width (whichever binds) that a sampled person fills."""


def view_rotation(yaw_rad: float, pitch_rad: float = 0.0, roll_rad: float = 0.0) -> Float[Tensor, "3 3"]:
    """Rotation from the body's axes (y up, z forward) to the camera's (y down, z away) for an upright person.

    Args:
        yaw_rad: Yaw of the person: 0 faces the camera, positive faces the right of the image.
        pitch_rad: Pitch of the camera; positive pitch has the camera above the person.
        roll_rad: Roll of the camera.
    """
    upright = roma.rotvec_to_rotmat(torch.tensor([math.pi, 0.0, 0.0]))
    yaw = roma.rotvec_to_rotmat(torch.tensor([0.0, yaw_rad, 0.0]))
    pitch = roma.rotvec_to_rotmat(torch.tensor([pitch_rad, 0.0, 0.0]))
    roll = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, roll_rad]))
    return roll @ pitch @ upright @ yaw


def translation_in_view(
    vertices: Float[Tensor, "v 3"], camera: Camera, fill: float, centre: tuple[float, float] = (0.5, 0.5)
) -> Float[Tensor, "3"]:
    """Translation that makes a surface's box fill a share of the image.

    Args:
        vertices: (V, 3) surface in camera axes, metres; its translation does not matter.
        camera: One camera.
        fill: Share of the image's height or width, whichever binds first.
        centre: Position of the box's centre in the image, as shares of width and height.

    Returns:
        (3,) metres.
    """
    size_px = torch.tensor([camera.width, camera.height], dtype=vertices.dtype)
    extent = vertices.amax(dim=0) - vertices.amin(dim=0)
    target_px = size_px * torch.tensor(centre)
    depth = (camera.K[0, [0, 1], [0, 1]] * extent[:2] / (fill * size_px)).amax() + extent[2] / 2
    middle = (vertices.amax(dim=0) + vertices.amin(dim=0)) / 2
    transl = torch.cat([-middle[:2], (depth - middle[2])[None]])
    # Perspective moves the box a little; a few corrections of depth and position converge.
    for _ in range(8):
        points = camera.project((vertices + transl)[None])[0]
        low, high = points.amin(dim=0), points.amax(dim=0)
        ratio = ((high - low) / (fill * size_px)).amax()
        z = (middle[2] + transl[2]).clamp(min=0.1)
        shift = (target_px - (low + high) / 2) / camera.K[0, [0, 1], [0, 1]] * z
        transl = transl + torch.cat([shift, (z * (ratio - 1))[None]])
    return transl


def pose_in_view(
    body: Body,
    pose: Float[Tensor, "24 3"],
    betas: Float[Tensor, "s"],
    camera: Camera,
    rotation: Float[Tensor, "3 3"],
    fill: float = FILL,
    centre: tuple[float, float] = (0.5, 0.5),
) -> BodyParameters:
    """Body parameters of a person in a given pose and rotation, placed in the camera's view.

    Args:
        body: Body model.
        pose: (24, 3) axis-angle, radians; the pelvis in the body's own axes.
        betas: (S,) shape.
        camera: One camera.
        rotation: (3, 3) from body axes to camera axes.
        fill: Share of the image that the person fills.
        centre: Position of the centre of the person's box in the image, as shares of width and height.
    """
    rotations = roma.rotvec_to_rotmat(pose)
    rotations = torch.cat([(rotation @ rotations[0])[None], rotations[1:]])[None]
    unplaced = BodyParameters(rotations=rotations, betas=betas[None], transl=torch.zeros(1, 3))
    transl = translation_in_view(body(unplaced).vertices[0], camera, fill, centre)
    return BodyParameters(rotations=rotations, betas=betas[None], transl=transl[None])
