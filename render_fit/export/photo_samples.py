"""What one photo shows of a body's surface: the colour of each texel, and how well it is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.ndimage import distance_transform_edt, map_coordinates, maximum_filter, median_filter, minimum_filter
from torch import Tensor
from torch.nn.functional import interpolate

from render_fit.bodies import Body
from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.core.cameras import Camera
from render_fit.export.atlas import Atlas
from render_fit.renderers.base import Renderer, RenderSettings

LEAST_COSINE = 0.25
"""A point whose normal is further than 75° from the direction to the camera is not sampled: it is seen too flatly."""

DEPTH_TOLERANCE_M = 0.02
"""How far behind the rendered surface a point may lie to count as seen; within a pixel the surface slopes."""

DEPTH_STEP_M = 0.05
"""Step of the depth between neighbouring pixels from which on there is an outline between them: that of the person, or
of an arm before the trunk."""

MARGIN = 0.004
"""Distance from outlines and from the border of the mask under which nothing is sampled, in heights of the person in
the photo: there a small misfit would sample what is beside."""

RAMP = 0.02
"""Distance beyond the margin over which a photo gains weight, in heights of the person."""

MOST_SIDE_PX = 1200
"""Longest side of a person in a photo, pixels; larger ones are reduced. A texel is about as large as such a pixel."""


@dataclass(frozen=True)
class ColourFrame:
    """A photo of a posed body.

    Attributes:
        vertices_camera: (V, 3) camera coordinates, metres.
        camera: One camera, of any size.
        image: (3, H, W) RGB 0–1.
        mask: (H, W) person mask, 0–1; None if it is not known.
    """

    vertices_camera: Float[Tensor, "v 3"]
    camera: Camera
    image: Float[Tensor, "3 h w"]
    mask: Float[Tensor, "h w"] | None = None


def sampled(
    frame: ColourFrame, body: Body, atlas: Atlas, renderer: Renderer
) -> tuple[UInt8[np.ndarray, "p 3"], Float[np.ndarray, "p"]]:
    """Samples the texels of an atlas in a photo.

    Args:
        frame: The photo.
        body: The body.
        atlas: Its atlas.
        renderer: Renderer, any backend; only ``depth`` is used.

    Returns:
        (P, 3) sRGB 0–255, and (P,) how well the photo shows them, see `view_weights`; colours where it does not show
        them are 0.
    """
    around = _around_person(frame)
    if around is None:
        return np.zeros((len(atlas.corners), 3), dtype=np.uint8), np.zeros(len(atlas.corners))
    weights = view_weights(around, body, atlas, renderer)
    seen = np.flatnonzero(weights)
    # texels are small, so that perspective within a face does not matter
    points = atlas.interpolated(around.camera.project(frame.vertices_camera[None])[0].numpy())
    places = points[seen, ::-1].T - 0.5
    colours = np.zeros((len(weights), 3), dtype=np.uint8)
    channels = [map_coordinates(channel, places, order=1, mode="nearest") for channel in around.image.numpy()]
    colours[seen] = np.round(255 * np.stack(channels, axis=1).clip(0, 1))
    return colours, weights


@torch.no_grad()
def view_weights(frame: ColourFrame, body: Body, atlas: Atlas, renderer: Renderer) -> Float[np.ndarray, "p"]:
    """How well a photo shows each texel of an atlas.

    Args:
        frame: The photo; the camera has its size.
        body: The body.
        atlas: Its atlas.
        renderer: Renderer, any backend.

    Returns:
        (P,) 0–1: squared cosine between normal and direction to the camera, less near to outlines and to the border of
        the mask; 0 where the texel is hidden, outside of the photo or seen too flatly.
    """
    vertices_camera, camera = frame.vertices_camera, frame.camera
    depth = renderer(vertices_camera[None], body.faces, camera, RenderSettings(), outputs=("depth",)).depth
    assert depth is not None
    surface = depth[0].cpu().numpy()
    surface = np.where(surface > 0, surface, np.inf)
    points_camera = atlas.interpolated(vertices_camera.numpy())
    points = camera.project(torch.from_numpy(points_camera).float()[None])[0].numpy()
    columns, rows = np.floor(points).astype(int).T
    within = (rows >= 0) & (rows < camera.height) & (columns >= 0) & (columns < camera.width)
    rows, columns = rows.clip(0, camera.height - 1), columns.clip(0, camera.width - 1)
    normals = atlas.interpolated(vertex_normals(vertices_camera, body.faces).numpy())
    cosine = -_unit(normals, points_camera)
    # a pixel beside an arm that hides the trunk may show the arm: the nearest surface of the neighbourhood counts
    nearest = minimum_filter(surface, size=3)
    seen = within & (points_camera[:, 2] > 0) & (cosine > LEAST_COSINE)
    seen &= points_camera[:, 2] <= nearest[rows, columns] + DEPTH_TOLERANCE_M
    far = maximum_filter(np.where(np.isfinite(surface), surface, 1e6), size=3)
    known = (far - nearest < DEPTH_STEP_M) & np.isfinite(surface)
    person_px = float(np.ptp(camera.project(vertices_camera[None])[0].numpy(), axis=0).max())
    if frame.mask is not None:  # without lines of a pixel, as between the parts of some label maps
        known &= median_filter(frame.mask.numpy(), size=3) > 0.5
    # the photo's border is no outline
    known = np.pad(known, 1, mode="edge")
    inside = np.full(known.shape, np.inf) if known.all() else np.asarray(distance_transform_edt(known))
    inside = inside[1:-1, 1:-1]
    ramp = ((inside[rows, columns] / person_px - MARGIN) / RAMP).clip(0, 1)
    return np.where(seen, ramp * cosine**2, 0.0)


def _around_person(frame: ColourFrame) -> ColourFrame | None:
    """The part of a photo that shows the person, reduced to `MOST_SIDE_PX`; None if the person is outside of it."""
    height, width = frame.image.shape[1:]
    camera = frame.camera.resize(height, width)
    points = camera.project(frame.vertices_camera[None])[0]
    first, last = points.amin(0), points.amax(0)
    room = 0.05 * float((last - first).max()) + 2
    left, top = (int(one) for one in (first - room).clamp(min=0))
    right, bottom = (min(int(one), side) for one, side in zip(last + room, (width, height), strict=True))
    if right - left < 8 or bottom - top < 8:
        return None
    scale = min(1.0, MOST_SIDE_PX / max(right - left, bottom - top))
    size = (max(1, round(scale * (bottom - top))), max(1, round(scale * (right - left))))
    box = torch.tensor([[left, top, right - left, bottom - top]], dtype=torch.float32)

    def cut(pixels: Float[Tensor, "c h w"]) -> Float[Tensor, "c _ _"]:
        return interpolate(pixels[None, :, top:bottom, left:right].float(), size, mode="area")[0]

    mask = None if frame.mask is None else cut(frame.mask[None])[0]
    return ColourFrame(frame.vertices_camera, camera.crop(box, *size), cut(frame.image), mask)


def _unit(normals: Float[np.ndarray, "p 3"], towards: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "p"]:
    """Cosine between vectors."""
    lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(towards, axis=1)
    return (normals * towards).sum(axis=1) / lengths.clip(1e-12)
