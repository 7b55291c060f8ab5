"""Picture of how unsure the joints of a fit are: 90 % ellipses over the photo, and seen from the photo's side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from PIL import Image, ImageDraw
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.export.overlays import PAPER, Pixels, overlay, panel
from render_fit.export.views import about_y, framing, side_view
from render_fit.renderers.base import Renderer

RADIUS = math.sqrt(-2 * math.log(1 - 0.9))
"""Radius of the circle that contains 90 % of a standard normal distribution of the plane."""

COLOURS = {"left_": (214, 92, 20), "right_": (20, 110, 60), "": (120, 40, 140)}
"""Of the joints of the person's left and right side, and of the others."""

CORNERS = 48
"""Of the polygon that is drawn for an ellipse."""

SUPERSAMPLING = 3

ROOM_PX = 12
"""Empty pixels around the person and the ellipses in the view from the side."""


def uncertainty_picture(
    image: Float[Tensor, "3 h w"] | None,
    vertices_camera: Float[Tensor, "v 3"],
    faces: Int64[Tensor, "f 3"],
    camera: Camera,
    joints_camera: Float[Tensor, "j 3"],
    covariance: Float[Tensor, "j 3 3"],
    joint_names: Sequence[str],
    renderer: Renderer,
    *,
    size_px: int = 768,
    face_parts: Int64[Tensor, "f"] | None = None,
) -> Pixels:
    """Draws a fit with the 90 % ellipses of its joints, but the pelvis, to which they are relative.

    Args:
        image: (3, H, W) RGB 0–1 photo; None: only the view from the side is drawn.
        vertices_camera: (V, 3) metres.
        faces: (F, 3) vertex indices.
        camera: One camera, of any size.
        joints_camera: (J, 3) metres, the pelvis first.
        covariance: (J, 3, 3) squared metres, camera axes.
        joint_names: Names of the joints.
        renderer: Renderer, any backend.
        size_px: Height of the picture, about.
        face_parts: (F,) SMPL part of each face, to shade the body as a mannequin.

    Returns:
        (h, w, 3) RGB 0–255: the photo, and the person, seen from the side, with the camera at the left.
    """
    pictures, captions = [], []
    if image is not None:
        near, view = _around_person(image, camera, vertices_camera, size_px)
        over = overlay(near, vertices_camera, faces, view, renderer, opacity=0.5, face_parts=face_parts)
        pictures.append(with_ellipses(over, *projected(joints_camera, covariance, view), joint_names))
        captions.append("90 % ellipses of the joints")
    turn = about_y(math.pi / 2)
    side = side_view(vertices_camera, faces, renderer, size_px=size_px, turn=turn, face_parts=face_parts)
    turned = vertices_camera.detach().float().cpu() @ turn.T
    centre, pixels_per_m = framing(turned, size_px)
    places = size_px / 2 + pixels_per_m * (joints_camera @ turn.T - centre)[:, :2]
    spread = pixels_per_m**2 * (turn @ covariance @ turn.T)[:, :2, :2]
    body = size_px / 2 + pixels_per_m * (turned - centre)[:, :2]
    reach = RADIUS * spread[1:].diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
    shown = torch.cat([body, places[1:] - reach, places[1:] + reach])
    low, high = (shown.amin(dim=0) - ROOM_PX).tolist(), (shown.amax(dim=0) + ROOM_PX).tolist()
    paper = Image.new("RGB", (round(high[0] - low[0]), round(high[1] - low[1])), tuple(int(255 * c) for c in PAPER))
    paper.paste(Image.fromarray(side), (-round(low[0]), -round(low[1])))
    moved = places - torch.tensor([round(low[0]), round(low[1])])
    pictures.append(with_ellipses(np.asarray(paper), moved, spread, joint_names))
    captions.append("side, camera left")
    return panel(pictures, height_px=size_px, captions=captions)


def _around_person(
    image: Float[Tensor, "3 h w"], camera: Camera, vertices_camera: Float[Tensor, "v 3"], size_px: int
) -> tuple[Float[Tensor, "3 _ _"], Camera]:
    """The part of the photo around the person, of height ``size_px``, and its camera."""
    view = camera.resize(image.shape[1], image.shape[2])
    points = view.project(vertices_camera[None])[0]
    margin = 0.18 * float((points.amax(dim=0) - points.amin(dim=0)).amax())
    left, top = (points.amin(dim=0) - margin).floor().long().tolist()
    right, bottom = (points.amax(dim=0) + margin).ceil().long().tolist()
    left, right = (min(max(side, 0), view.width) for side in (left, right))
    top, bottom = (min(max(side, 0), view.height) for side in (top, bottom))
    if right - left < 2 or bottom - top < 2:  # the body is outside of the photo
        left, top, right, bottom = 0, 0, view.width, view.height
    width = max(2, round(size_px * (right - left) / (bottom - top)))
    near = torch.nn.functional.interpolate(image[None, :, top:bottom, left:right], (size_px, width), mode="bilinear")[0]
    box = torch.tensor([[left, top, right - left, bottom - top]], dtype=torch.float32)
    return near, view.crop(box, size_px, width)


def projected(
    joints_camera: Float[Tensor, "j 3"], covariance: Float[Tensor, "j 3 3"], camera: Camera
) -> tuple[Float[Tensor, "j 2"], Float[Tensor, "j 2 2"]]:
    """Joints in the image, and the covariance of their places to first order, squared pixels."""
    places = camera.project(joints_camera[None])[0]
    x, y, z = joints_camera.unbind(dim=-1)
    zero = torch.zeros_like(z)
    rows = torch.stack([1 / z, zero, -x / z**2, zero, 1 / z, -y / z**2], dim=-1).unflatten(-1, (2, 3))
    jacobian = camera.K[0, :2, :2].to(rows) @ rows
    return places, jacobian @ covariance @ jacobian.mT


def with_ellipses(
    picture: Pixels, places: Float[Tensor, "j 2"], covariance: Float[Tensor, "j 2 2"], joint_names: Sequence[str]
) -> Pixels:
    """The picture with the 90 % ellipse of every joint but the first.

    Args:
        picture: (h, w, 3) RGB 0–255.
        places: (J, 2) pixels.
        covariance: (J, 2, 2) squared pixels.
        joint_names: Names of the joints; they choose the colours.
    """
    height, width = picture.shape[:2]
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    line = max(1, round(SUPERSAMPLING * max(height, width) / 500))
    angles = torch.arange(CORNERS) * (2 * math.pi / CORNERS)
    circle = RADIUS * torch.stack([angles.cos(), angles.sin()])
    values, vectors = torch.linalg.eigh(covariance.double())
    outlines = places.double()[..., None] + vectors @ (values.clamp(min=0).sqrt()[..., None] * circle)
    areas = values.clamp(min=0).prod(dim=-1)
    for joint in map(int, areas.argsort(descending=True)):  # small ones lie on top
        if joint == 0:
            continue
        colour = next(colour for side, colour in COLOURS.items() if joint_names[joint].startswith(side))
        corners = [(SUPERSAMPLING * x, SUPERSAMPLING * y) for x, y in outlines[joint].T.tolist()]
        drawn = Image.new("RGBA", size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(drawn)
        draw.polygon(corners, fill=(*colour, 34))
        draw.line([*corners, *corners[:2]], fill=(*colour, 235), width=line, joint="curve")
        x, y = (SUPERSAMPLING * places[joint]).tolist()
        draw.ellipse([x - 1.3 * line, y - 1.3 * line, x + 1.3 * line, y + 1.3 * line], fill=(*colour, 255))
        layer = Image.alpha_composite(layer, drawn)
    small = layer.resize((width, height), Image.Resampling.BOX)
    return np.asarray(Image.alpha_composite(Image.fromarray(picture).convert("RGBA"), small).convert("RGB"))
