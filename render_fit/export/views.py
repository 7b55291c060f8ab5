"""Views of a mesh alone, from a distance: from any side, all around, and front and side of the person."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.core.cameras import camera_from_focal
from render_fit.export.overlays import PAPER, Pixels, panel, to_pixels
from render_fit.export.shading import shaded
from render_fit.export.surface_colours import SurfaceColours
from render_fit.renderers.base import Renderer

DISTANCE = 40.0
"""Distance of the camera, in radii of the mesh: near and far limbs differ by at most 5 % in size."""

MARGIN = 0.06
"""Share of the view's longer side that stays empty."""

NARROWEST = 0.28
"""Smallest width of a front or side view, in heights; the caption needs it."""

LYING = 0.5
"""Cosine of the angle between the person's up axis and the vertical (60°) under which the person lies."""

VERTICAL = 0.3
"""Horizontal length of the person's forward axis under which its left axis says which way the person faces."""


def front_yaw(rotation: Float[Tensor, "3 3"]) -> float:
    """Rotation about the image's vertical axis that turns a person's front to the viewer.

    The person faces where the forward axis of the pelvis points, projected to the horizontal plane. Of people who
    lie or bend so far that this axis is nearly vertical, the left axis decides.

    Args:
        rotation: Global orientation of a body in camera coordinates, `BodyParameters.rotations[0, 0]`.

    Returns:
        Radians; 0 for a person who faces the camera. π/2 more shows the person facing to the left of the image.
    """
    left, forward = (rotation[:, axis].detach().double().cpu() for axis in (0, 2))
    x, z = float(forward[0]), float(forward[2])
    if math.hypot(x, z) < VERTICAL:
        x, z = float(left[2]), -float(left[0])
    return math.atan2(x, -z)


def person_turns(rotation: Float[Tensor, "3 3"]) -> dict[str, Float[Tensor, "3 3"]]:
    """Rotations that show the front and the side of a person, of whatever posture.

    People who stand or sit are turned about the image's vertical axis, by `front_yaw`. People who lie are laid along
    the image, their heads to the left, and turned about their own axis: a turn about the vertical would show them from
    the feet.

    Args:
        rotation: Global orientation of a body in camera coordinates, `BodyParameters.rotations[0, 0]`.

    Returns:
        ``front`` and ``side``, (3, 3) each, about any point.
    """
    axes = rotation.detach().double().cpu()
    up, forward = axes[:, 1], axes[:, 2]
    if abs(float(up[1])) >= LYING:
        yaw = front_yaw(rotation)
        return {"front": about_y(yaw), "side": about_y(yaw + math.pi / 2)}
    # the frame of the person with its head to the left: columns are the axes that become x, y and z
    along = -up
    towards = forward - (forward @ up) * up
    towards = -towards / towards.norm().clamp(min=1e-9)
    down = torch.linalg.cross(towards, along)
    front = torch.stack([along, down, towards]).float()
    quarter = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    return {"front": front, "side": quarter @ front}


def side_view(
    vertices_camera: Float[Tensor, "v 3"],
    faces: Int64[Tensor, "f 3"],
    renderer: Renderer,
    *,
    size_px: int = 512,
    yaw_rad: float = math.pi / 2,
    turn: Float[Tensor, "3 3"] | None = None,
    colours: Float[np.ndarray, "v 3"] | SurfaceColours | None = None,
    face_parts: Int64[Tensor, "f"] | None = None,
) -> Pixels:
    """Renders the body alone, with a distant camera, after a rotation about the image's vertical axis.

    Args:
        vertices_camera: (V, 3) metres.
        faces: (F, 3) vertex indices.
        renderer: Renderer, any backend.
        size_px: Side of the square image.
        yaw_rad: Rotation of the body: 0 is the view of the photo; at π/2 the left of the image was nearer the camera.
            The person's own side is π/2 more than `front_yaw`.
        turn: Rotation in place of that by ``yaw_rad``, e.g. ``person_turns(...)["side"]``.
        colours: (V, 3) RGB 0–1 per vertex, or those of photos; light blue if not given.
        face_parts: (F,) SMPL part of each face, to shade a body as a mannequin.

    Returns:
        (size, size, 3) RGB 0–255, on `PAPER`.
    """
    turned = _turned(vertices_camera, about_y(yaw_rad) if turn is None else turn)
    centre, pixels_per_m = framing(turned, size_px)
    return _seen(turned - centre, faces, renderer, size_px, size_px, pixels_per_m, colours, face_parts)


def framing(turned: Float[Tensor, "v 3"], size_px: int) -> tuple[Float[Tensor, "3"], float]:
    """The point in the middle of `side_view`, and its pixels per metre.

    Args:
        turned: (V, 3) the mesh after the rotation, metres.
        size_px: Side of the square image.
    """
    centre = (turned.amin(dim=0) + turned.amax(dim=0)) / 2
    farthest = float((turned - centre).norm(dim=1).max().clamp(min=1e-3))
    return centre, (1 - MARGIN) * size_px / (2 * farthest)


def turntable(
    vertices_camera: Float[Tensor, "v 3"],
    faces: Int64[Tensor, "f 3"],
    renderer: Renderer,
    *,
    n_frames: int = 24,
    size_px: int = 384,
    colours: Float[np.ndarray, "v 3"] | SurfaceColours | None = None,
    face_parts: Int64[Tensor, "f"] | None = None,
) -> list[Pixels]:
    """Renders ``n_frames`` side views around the body, starting with the view of the photo."""
    yaws = (2 * math.pi * frame / n_frames for frame in range(n_frames))
    options = {"size_px": size_px, "colours": colours, "face_parts": face_parts}
    return [side_view(vertices_camera, faces, renderer, yaw_rad=yaw, **options) for yaw in yaws]


def person_views(
    meshes: Mapping[str, Float[Tensor, "v 3"]],
    faces: Int64[Tensor, "f 3"],
    renderer: Renderer,
    turns: Mapping[str, Float[Tensor, "3 3"]],
    *,
    height_px: int = 512,
    colours: Float[np.ndarray, "v 3"] | SurfaceColours | None = None,
    face_parts: Int64[Tensor, "f"] | None = None,
) -> Pixels:
    """Renders the front and the side of one person, as one or several meshes, in a row.

    People are as upright as in the photo, and people who lie are laid along the image. All views have the same scale
    and the same level of the floor.

    Args:
        meshes: (V, 3) vertices in camera coordinates, metres, by name: ``{"body": …, "clothed": …}``.
        faces: (F, 3) vertex indices of every mesh.
        renderer: Renderer, any backend.
        turns: Rotations that show the front and the side, `person_turns`.
        height_px: Height of the highest possible view; people who lie get lower ones.
        colours: (V, 3) RGB 0–1 per vertex, or those of photos; light blue if not given.
        face_parts: (F,) SMPL part of each face, to shade the bodies as mannequins.

    Returns:
        (h, w, 3) RGB 0–255: for each mesh its front and its side, with captions such as "body, front".
    """
    turned = {(mesh, name): _turned(meshes[mesh], turns[name]) for mesh in meshes for name in turns}
    low = {name: torch.stack([turned[mesh, name].amin(dim=0) for mesh in meshes]).amin(dim=0) for name in turns}
    high = {name: torch.stack([turned[mesh, name].amax(dim=0) for mesh in meshes]).amax(dim=0) for name in turns}
    longest = max(float((high[name] - low[name])[:2].max()) for name in turns)
    pixels_per_m = (1 - MARGIN) * height_px / max(longest, 1e-3)
    room = MARGIN * height_px
    height = max(round(pixels_per_m * max(float(high[name][1] - low[name][1]) for name in turns) + room), 8)
    pictures = []
    for (_, name), vertices in turned.items():
        across = round(pixels_per_m * float(high[name][0] - low[name][0]) + room)
        width, centred = max(across, round(NARROWEST * height_px)), vertices - (low[name] + high[name]) / 2
        pictures.append(_seen(centred, faces, renderer, height, width, pixels_per_m, colours, face_parts))
    return panel(pictures, height_px=height, captions=[f"{mesh}, {name}" for mesh, name in turned])


def about_y(yaw_rad: float) -> Float[Tensor, "3 3"]:
    """Rotation about the image's vertical axis; a quarter turn brings the depth to the right."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    return torch.tensor([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])


def _turned(vertices: Float[Tensor, "v 3"], turn: Float[Tensor, "3 3"]) -> Float[Tensor, "v 3"]:
    return vertices.detach().float().cpu() @ turn.T


def _seen(
    centred: Float[Tensor, "v 3"],
    faces: Int64[Tensor, "f 3"],
    renderer: Renderer,
    height: int,
    width: int,
    pixels_per_m: float,
    colours: Float[np.ndarray, "v 3"] | SurfaceColours | None,
    face_parts: Int64[Tensor, "f"] | None,
) -> Pixels:
    """The mesh, with its centre in the middle of the image, by a distant camera."""
    distance = DISTANCE * float(centred.norm(dim=1).max().clamp(min=1e-3))
    camera = camera_from_focal(pixels_per_m * distance, height, width)
    ahead = centred + torch.tensor([0.0, 0.0, distance])
    picture = shaded(ahead, faces, camera, renderer, colours=colours, face_parts=face_parts)
    return to_pixels(picture.over(np.broadcast_to(PAPER, (height, width, 3)).copy()))
