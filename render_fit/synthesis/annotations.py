"""Keypoints and part labels with the errors of annotators, for single scenes."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.skeletons import Skeleton
from render_fit.synthesis.independent_rasterizer import rasterize_parts

HIDDEN_DEPTH_M = 0.12
"""A joint is hidden by another part if the visible surface is this much nearer; a torso is about 0.24 m deep, so the
surface around a joint is nearer than that."""


def annotate_keypoints(
    body: Body,
    parameters: BodyParameters,
    camera: Camera,
    skeleton: Skeleton,
    depth: Float[np.ndarray, "h w"],
    rng: np.random.Generator,
    jitter_px: float,
) -> tuple[Float[Tensor, "k 2"], Float[Tensor, "k"]]:
    """Keypoints with the errors of an annotator.

    Visible points have Gaussian noise of ``jitter_px`` per axis, hidden ones twice as much. Half of the hidden points
    and all points outside the image are not annotated.

    Args:
        body: Body model.
        parameters: One body in camera coordinates.
        camera: One camera.
        skeleton: Joint set of the keypoints.
        depth: (H, W) nearest depth per pixel, metres; infinite for the background.
        rng: Source of randomness.
        jitter_px: Standard deviation of the noise, pixels.

    Returns:
        (K, 2) pixels and (K,) confidence: 1 visible, 0.5 hidden, 0 not annotated.
    """
    points = body.keypoints(parameters, skeleton)
    exact = camera.project(points)[0].numpy()
    z = points[0, :, 2].numpy()
    pixel = np.floor(exact).astype(int)
    inside = ((pixel >= 0) & (pixel < (camera.width, camera.height))).all(axis=1)
    column, row = pixel.clip(0, (camera.width - 1, camera.height - 1)).T
    hidden = depth[row, column] < z - HIDDEN_DEPTH_M
    spread = jitter_px * np.where(hidden, 2.0, 1.0)[:, None]
    clicked = exact + rng.standard_normal(exact.shape) * spread
    given = inside & body.supports(skeleton).numpy() & ~(hidden & (rng.random(len(z)) < 0.5))
    confidence = np.where(given, np.where(hidden, 0.5, 1.0), 0.0)
    return torch.tensor(clicked, dtype=torch.float32), torch.tensor(confidence, dtype=torch.float32)


def resampled_part_labels(
    vertices_camera: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    face_parts: Int[np.ndarray, "f"],
    camera: Camera,
    scale: float,
) -> Int[Tensor, "h w"]:
    """Part map rendered at ``scale`` times the size of the image and resized to it by nearest neighbour.

    Args:
        vertices_camera: (V, 3) camera coordinates, metres.
        faces: (F, 3) vertex indices.
        face_parts: (F,) SMPL part of each face.
        camera: One camera.
        scale: Size of the rendering over the size of the image.

    Returns:
        (H, W) part + 1; 0 is background.
    """
    small = camera.resize(round(camera.height * scale), round(camera.width * scale))
    rendered = rasterize_parts(vertices_camera, faces, face_parts, small.K[0].numpy(), small.height, small.width)
    rows = (np.arange(camera.height) + 0.5) * small.height // camera.height
    columns = (np.arange(camera.width) + 0.5) * small.width // camera.width
    return torch.from_numpy(rendered[rows.astype(int)][:, columns.astype(int)].astype(np.int64))
