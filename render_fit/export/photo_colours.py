"""Colours of the vertices from the photos: the mean over the frames that see a vertex; others are filled in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from scipy.ndimage import distance_transform_edt, map_coordinates, minimum_filter
from torch import Tensor

from render_fit.bodies import Body
from render_fit.bodies.mesh_operators import mirror_vertices, uniform_laplacian, vertex_normals
from render_fit.core.cameras import Camera
from render_fit.renderers.base import Renderer, RenderSettings

LEAST_COSINE = 0.25
"""A vertex whose normal is further than 75° from the direction to the camera is not sampled: it is seen too flatly."""

DEPTH_TOLERANCE_M = 0.02
"""How far behind the rendered surface a vertex may lie to count as seen; within a pixel the surface slopes."""

EDGE_SHARE = 0.006
"""Margin inside the rendered outline and inside the mask, as a share of the photo's longer side: there a small misfit
would sample the background."""

LEAST_MASK = 0.5
"""Share of the person in a pixel from which on it is sampled."""


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


def photo_colours(body: Body, frames: Iterable[ColourFrame], renderer: Renderer) -> UInt8[np.ndarray, "v 3"] | None:
    """Gathers colours from photos.

    The light of the photo remains in the colours.

    Args:
        body: The body, for its faces and its left-right pairs.
        frames: The photos, taken one after the other.
        renderer: Renderer, any backend; only ``depth`` is used.

    Returns:
        (V, 3) sRGB 0–255; None if no photo shows any vertex. Vertices that no photo shows have the colour of their
        mirror vertex, or else of their surroundings.
    """
    total, weight = np.zeros((body.n_vertices, 3)), np.zeros(body.n_vertices)
    for frame in frames:
        height, width = frame.image.shape[1:]
        camera = frame.camera.resize(height, width)
        seen = view_weights(frame.vertices_camera, body.faces, camera, renderer)
        points = camera.project(frame.vertices_camera[None])[0].numpy()
        if frame.mask is not None:
            person = minimum_filter(frame.mask.numpy(), size=2 * round(EDGE_SHARE * max(height, width)) + 1)
            seen = np.where(_sampled(person[None], points)[:, 0] > LEAST_MASK, seen, 0.0)
        total += seen[:, None] * _sampled(frame.image.numpy(), points)
        weight += seen
    if not weight.any():
        return None
    colours = total / np.where(weight > 0, weight, 1)[:, None]
    filled = _filled(colours, weight > 0, body.faces, mirror_vertices(body.v_template))
    return np.round(255 * filled.clip(0, 1)).astype(np.uint8)


@torch.no_grad()
def view_weights(
    vertices_camera: Float[Tensor, "v 3"], faces: Int64[Tensor, "f 3"], camera: Camera, renderer: Renderer
) -> Float[np.ndarray, "v"]:
    """How well a photo shows each vertex.

    Args:
        vertices_camera: (V, 3) metres.
        faces: (F, 3) vertex indices.
        camera: One camera, of the photo's size.
        renderer: Renderer, any backend.

    Returns:
        (V,) squared cosine between normal and direction to the camera; 0 where the vertex is hidden, outside of the
        photo, seen too flatly, or within `EDGE_SHARE` of the outline.
    """
    depth = renderer(vertices_camera[None], faces, camera, RenderSettings(), outputs=("depth",)).depth
    assert depth is not None
    surface = depth[0].cpu().numpy()
    # the photo's border is no outline
    inside = np.asarray(distance_transform_edt(np.pad(surface > 0, 1, mode="edge")))[1:-1, 1:-1]
    # a pixel beside an arm that hides the trunk may show the arm: the nearest surface of the neighbourhood counts
    nearest = minimum_filter(np.where(surface > 0, surface, np.inf), size=3)
    points = camera.project(vertices_camera[None])[0].numpy()
    columns, rows = np.floor(points).astype(int).T
    within = (rows >= 0) & (rows < camera.height) & (columns >= 0) & (columns < camera.width)
    rows, columns = rows.clip(0, camera.height - 1), columns.clip(0, camera.width - 1)
    normals = vertex_normals(vertices_camera, faces)
    cosine = -(normals * torch.nn.functional.normalize(vertices_camera, dim=-1)).sum(-1).numpy()
    margin = EDGE_SHARE * max(camera.height, camera.width)
    seen = within & (vertices_camera[:, 2].numpy() > 0) & (cosine > LEAST_COSINE)
    seen &= vertices_camera[:, 2].numpy() <= nearest[rows, columns] + DEPTH_TOLERANCE_M
    seen &= inside[rows, columns] > margin
    return np.where(seen, cosine**2, 0.0)


def _sampled(image: Float[np.ndarray, "c h w"], points_px: Float[np.ndarray, "v 2"]) -> Float[np.ndarray, "v c"]:
    """Values at points, linear between pixel centres."""
    places = points_px[:, ::-1].T - 0.5
    return np.stack([map_coordinates(channel, places, order=1, mode="nearest") for channel in image], axis=1)


def _filled(
    colours: Float[np.ndarray, "v 3"],
    seen: Bool[np.ndarray, "v"],
    faces: Int64[Tensor, "f 3"],
    mirror: Int64[Tensor, "v"],
) -> Float[np.ndarray, "v 3"]:
    """Colours of all vertices: of the mirror vertex if that is seen, else smooth between those that are known."""
    other = mirror.numpy()
    mirrored = ~seen & seen[other]
    colours = np.where(mirrored[:, None], colours[other], colours)
    known = seen | mirrored
    if known.all():
        return colours
    sparse = uniform_laplacian(faces, len(colours))
    laplacian = scipy.sparse.csr_matrix((sparse.values().numpy(), sparse.indices().numpy()), sparse.shape)
    free = laplacian[~known]
    # pieces of the surface without a known vertex, such as eyes, get the mean
    pull = 1e-6
    system = (free[:, ~known] + pull * scipy.sparse.identity((~known).sum())).tocsc()
    right = pull * colours[known].mean(axis=0) - free[:, known] @ colours[known]
    colours = colours.copy()
    colours[~known] = scipy.sparse.linalg.spsolve(system, right).reshape(-1, 3)
    return colours
