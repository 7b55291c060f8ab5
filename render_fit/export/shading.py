"""Shaded image of a mesh, computed from the renderer's index of the visible face per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Integer
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.core.cameras import Camera
from render_fit.core.parts import SMPL_24_PARTS
from render_fit.core.skeletons import SMPL_24
from render_fit.export.barycentric import barycentric
from render_fit.export.shading_normals import mannequin_normals
from render_fit.export.surface_colours import SurfaceColours
from render_fit.renderers.base import Renderer, RenderSettings

BODY_COLOUR = (0.66, 0.77, 0.92)
"""Light blue (RGB 0–1), unlike skin, so that body and photo are easy to distinguish."""

LIGHT = np.array([-0.45, -0.75, -0.7]) / np.linalg.norm([-0.45, -0.75, -0.7])
"""Direction to the light in camera axes: above (y is down), left, and in front of the subject."""


@dataclass(frozen=True)
class Picture:
    """Rendered mesh with its coverage.

    Attributes:
        rgb: (H, W, 3) colours 0–1; black where alpha is 0.
        alpha: (H, W) share of the pixel that the mesh covers.
    """

    rgb: Float[np.ndarray, "h w 3"]
    alpha: Float[np.ndarray, "h w"]

    def over(self, background: Float[np.ndarray, "h w 3"], opacity: float = 1.0) -> Float[np.ndarray, "h w 3"]:
        """Composites this picture over a background of the same size."""
        alpha = self.alpha[..., None] * opacity
        return self.rgb * alpha + background * (1 - alpha)

    def outline(self, width_px: float) -> Float[np.ndarray, "h w"]:
        """(H, W) 0–1: a line of the given width inside the edge of the covered region; none at the image border."""
        if self.alpha.min() > 0.5:
            return np.zeros_like(self.alpha)
        inside = np.asarray(distance_transform_edt(self.alpha > 0.5))
        return np.where(self.alpha > 0.5, np.clip(width_px + 0.5 - inside, 0, 1), self.alpha)


def shaded(
    vertices_camera: Float[Tensor, "v 3"],
    faces: Int64[Tensor, "f 3"],
    camera: Camera,
    renderer: Renderer,
    *,
    colours: Float[np.ndarray, "v 3"] | SurfaceColours | None = None,
    face_parts: Int64[Tensor, "f"] | None = None,
    supersampling: int = 2,
) -> Picture:
    """Renders one mesh with smooth shading and antialiasing.

    Args:
        vertices_camera: (V, 3) metres.
        faces: (F, 3) vertex indices.
        camera: One camera; it has the size of the picture.
        renderer: Renderer, any backend; only ``face_index`` is used.
        colours: (V, 3) RGB 0–1 per vertex; light blue if not given. Colours of photos, with their texture, contain the
            light already and are not lit.
        face_parts: (F,) SMPL part of each face, to shade a body as a mannequin (`mannequin_normals`); without them
            every detail of the mesh is shaded.
        supersampling: Samples per pixel and axis.

    Returns:
        Rendered picture.

    Differentiability:
        None; for visualisation.
    """
    vertices_camera = vertices_camera.detach().float().cpu()
    faces = faces.cpu()
    height, width = camera.height, camera.width
    fine = camera.to("cpu").resize(height * supersampling, width * supersampling)
    drawn = renderer(vertices_camera[None], faces, fine, RenderSettings(), outputs=("face_index",))
    assert drawn.face_index is not None
    face_index = drawn.face_index[0].cpu().numpy()
    rows, columns = np.nonzero(face_index >= 0)
    triangles = faces.numpy()[face_index[rows, columns]]
    corners_px = fine.project(vertices_camera[None])[0].numpy()[triangles]
    weights = barycentric(corners_px, np.stack([columns, rows], axis=1).astype(np.float32) + 0.5)
    if face_parts is None:
        normals = vertex_normals(vertices_camera, faces).numpy()
    else:
        normals = mannequin_normals(vertices_camera, faces, face_parts)
    if isinstance(colours, SurfaceColours):
        samples = colours.at(face_index[rows, columns], weights)
    else:
        base = np.array(BODY_COLOUR) if colours is None else colours
        lit = np.clip(base * _light(normals)[:, None], 0, 1).astype(np.float32)
        samples = np.einsum("nk,nkc->nc", weights, lit[triangles])
    pixels = rows // supersampling * width + columns // supersampling
    counts = np.bincount(pixels, minlength=height * width)
    sums = np.stack([np.bincount(pixels, channel, height * width) for channel in samples.T], axis=1)
    rgb = sums / counts.clip(1)[:, None]
    return Picture(rgb.reshape(height, width, 3), (counts / supersampling**2).reshape(height, width))


def _light(normal: np.ndarray) -> np.ndarray:
    """Brightness of a surface: sky from above, a lamp, and weak light from the camera, so that nothing is black."""
    sky = 0.5 - 0.5 * normal[:, 1]
    lamp = np.clip(normal @ LIGHT, 0, None)
    camera = np.clip(-normal[:, 2], 0, None)
    return 0.26 + 0.2 * sky + 0.56 * lamp + 0.26 * camera


def part_colours(vertex_parts: Integer[Tensor, "v"]) -> Float[np.ndarray, "v 3"]:
    """(V, 3) RGB 0–1: colour of the SMPL part (0 to 23) of each vertex."""
    palette = np.array([SMPL_24_PARTS.colours[SMPL_24_PARTS.labels.index(joint)] for joint in SMPL_24.joints])
    return palette[vertex_parts.cpu().numpy()].astype(np.float32) / 255
