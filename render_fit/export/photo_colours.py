"""Colours of the surface from photos: of each point those of the photos that show it best; the rest is filled in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float, UInt8
from scipy.ndimage import distance_transform_edt, map_coordinates, maximum_filter, median_filter, minimum_filter
from torch import Tensor
from torch.nn.functional import interpolate

from render_fit.bodies import Body
from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.core.cameras import Camera
from render_fit.core.skeletons import SMPL_24
from render_fit.export.atlas import Atlas, body_atlas
from render_fit.export.colour_fill import filled
from render_fit.export.surface_colours import SurfaceColours
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

BEST_VIEW = 4.0
"""Power of the weights when photos are mixed. So one photo decides nearly everywhere, and a feature that two photos
show at places a little apart is not seen twice; where two are equally good, they blend."""

OUTLIER = 0.15
"""Distance from the median of the photos, in RGB 0–1, at which a colour has lost 40 % of its weight (a Gaussian)."""

SURE = 0.02
"""Weight of the best photo of a point under which its colour is mixed with the filled-in one."""


LEAST_SEEN = 0.25
"""Share of the texels around a vertex that a photo must show; else the vertex is filled in."""

HANDS = [SMPL_24.index(joint) for joint in ("left_hand", "right_hand")]
"""Parts of one colour: no fit moves fingers, so what photos show there is often something else."""

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


def photo_colours(body: Body, frames: Iterable[ColourFrame], renderer: Renderer) -> SurfaceColours | None:
    """Gathers colours of the surface from photos.

    A photo has more weight where it shows the surface squarely and far from outlines, of the person as of limbs before
    each other. Colours far from the median of the photos lose weight, as where a misfit shows the background; on hands
    those far from the median of both hands. What no photo shows is filled in from the mirror side and the surroundings
    (`filled`). The light of the photos remains.

    Args:
        body: The body, for its surface and its left-right pairs.
        frames: The photos, taken one after the other.
        renderer: Renderer, any backend; only ``depth`` is used.

    Returns:
        The colours; None if no photo shows any of the surface.
    """
    atlas = body_atlas(body)
    seen_by = [_sampled(frame, body, atlas, renderer) for frame in frames]
    if not any(weight.any() for _, weight in seen_by):
        return None
    weights = np.stack([weight for _, weight in seen_by]).astype(np.float32)
    samples = np.stack([colours for colours, _ in seen_by])
    hands = np.isin(body.vertex_parts.numpy()[atlas.corners], HANDS).any(axis=1)
    weights[:, hands] *= _of_one_colour(samples[:, hands], weights[:, hands])
    around = atlas.around_vertices()
    reference = atlas.interpolated(_median_at_vertices(samples, weights, around))
    best = weights.max(axis=0)
    total, colours = np.zeros_like(best), np.zeros_like(reference)
    for sample, weight in zip(samples, weights, strict=True):
        share = (weight / best.clip(1e-6)) ** BEST_VIEW * _inlier(sample, reference).clip(1e-6)
        total += share
        colours += share[:, None] * (sample / 255)
    colours /= total.clip(1e-12)[:, None]
    sure = (best / SURE).clip(0, 1)
    mass = around @ sure
    seen = mass > LEAST_SEEN * np.asarray(around.sum(axis=1)).ravel()
    means = (around @ (sure[:, None] * colours)) / mass.clip(1e-6)[:, None]
    complete = filled(means, seen, body)
    colours = sure[:, None] * colours + (1 - sure[:, None]) * atlas.interpolated(complete)
    return SurfaceColours.of_texels(atlas, _bytes(colours))


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


def _sampled(
    frame: ColourFrame, body: Body, atlas: Atlas, renderer: Renderer
) -> tuple[UInt8[np.ndarray, "p 3"], Float[np.ndarray, "p"]]:
    """Colours (P, 3) of the texels in one photo, and how well it shows them."""
    around = _around_person(frame)
    if around is None:
        return np.zeros((len(atlas.corners), 3), dtype=np.uint8), np.zeros(len(atlas.corners))
    weights = view_weights(around, body, atlas, renderer)
    seen = np.flatnonzero(weights)
    # texels are small, so that perspective within a face does not matter
    points = atlas.interpolated(around.camera.project(frame.vertices_camera[None])[0].numpy())
    places = points[seen, ::-1].T - 0.5
    colours = np.zeros((len(weights), 3), dtype=np.uint8)
    colours[seen] = _bytes(
        np.stack([map_coordinates(channel, places, order=1, mode="nearest") for channel in around.image.numpy()], 1)
    )
    return colours, weights


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


def _of_one_colour(samples: UInt8[np.ndarray, "n p 3"], weights: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
    """How near samples of several texels are to the median of them all."""
    chosen = samples[weights > 0.25 * weights.max(initial=0)]
    return _inlier(samples, np.median(chosen, axis=0) / 255) if len(chosen) else np.ones_like(weights)


def _inlier(samples: UInt8[np.ndarray, "*n 3"], reference: Float[np.ndarray, "*p 3"]) -> Float[np.ndarray, "*n"]:
    """1 where a colour is the reference, falling to 0 far from it."""
    return np.exp(-((samples / 255 - reference) ** 2).sum(axis=-1) / (2 * OUTLIER**2))


def _median_at_vertices(
    samples: UInt8[np.ndarray, "n p 3"], weights: Float[np.ndarray, "n p"], around: scipy.sparse.csr_matrix
) -> Float[np.ndarray, "v 3"]:
    """Weighted median over the photos of the mean colour around each vertex, per channel; RGB 0–1."""
    mass = np.stack([around @ weight for weight in weights])
    means = np.stack([around @ (weight[:, None] * sample) for sample, weight in zip(samples, weights, strict=True)]) / (
        255 * mass.clip(1e-6)[..., None]
    )
    order = means.argsort(axis=0)
    reached = np.take_along_axis(np.broadcast_to(mass[..., None], means.shape), order, axis=0).cumsum(axis=0)
    middle = (reached >= reached[-1:] / 2).argmax(axis=0)
    return np.take_along_axis(np.take_along_axis(means, order, axis=0), middle[None], axis=0)[0]


def _unit(normals: Float[np.ndarray, "p 3"], towards: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "p"]:
    """Cosine between vectors."""
    lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(towards, axis=1)
    return (normals * towards).sum(axis=1) / lengths.clip(1e-12)


def _bytes(colours: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """RGB 0–1 as bytes."""
    return np.round(255 * colours.clip(0, 1)).astype(np.uint8)
