"""Single clothed people in a photograph-like image, with ground truth: the demo's input."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.cameras import camera_from_focal, default_focal_px
from render_fit.core.skeletons import COCO_17, Skeleton
from render_fit.synthesis.appearance.materials import sample_appearance
from render_fit.synthesis.garments.outfits import pose_layers, rest_body, sample_outfit
from render_fit.synthesis.images.compositing import render_image
from render_fit.synthesis.images.environments import PLACES
from render_fit.synthesis.placement import pose_in_view, view_rotation
from render_fit.synthesis.scene import SyntheticScene, annotated_scene, sample_betas

FILL = 0.8
"""Share of the image's height that the person fills: a full-length portrait."""


@torch.no_grad()
def clothed_scene(
    body: Body,
    pose: Float[Tensor, "24 3"],
    seed: int,
    *,
    betas: Float[Tensor, "s"] | None = None,
    yaw_rad: float | None = None,
    place: str | None = None,
    image_size: tuple[int, int] = (640, 480),
    skeleton: Skeleton = COCO_17,
    jitter: float = 0.005,
) -> SyntheticScene:
    """Renders a clothed person. The mask includes the clothes; body, joints and part map are those underneath.

    Args:
        body: Body model whose landmarks include eyes, ears, nose and mouth, as those of the open body do.
        pose: (24, 3) axis-angle, radians; the pelvis in the body's own axes.
        seed: Seed of everything that is not given.
        betas: (S,) shape; sampled if None.
        yaw_rad: Yaw, 0 faces the camera; sampled within ± 50° if None.
        place: One of ``images.environments.PLACES``; sampled if None.
        image_size: (H, W) pixels.
        skeleton: Joint set of the keypoints.
        jitter: Standard deviation of the keypoints' noise, as a share of the longer side of the person's box.
    """
    rng = np.random.default_rng(seed)
    height, width = image_size
    camera = camera_from_focal(default_focal_px(height, width) * rng.uniform(0.9, 1.5), height, width)
    sampled_betas, sampled_yaw = sample_betas(body, rng), rng.uniform(-math.radians(50), math.radians(50))
    sampled_place = PLACES[rng.integers(len(PLACES))]
    pitch = rng.uniform(0.0, 0.12)
    rotation = view_rotation(sampled_yaw if yaw_rad is None else yaw_rad, pitch)
    parameters = pose_in_view(
        body, pose, sampled_betas if betas is None else betas, camera, rotation, FILL, (0.5, 0.52)
    )
    rest = rest_body(body, parameters)
    layers = pose_layers(body, parameters, rest, sample_outfit(rest, rng))
    up = view_rotation(0.0, pitch).numpy() @ np.array([0.0, 1.0, 0.0])
    image, coverage = render_image(layers, rest, sample_appearance(rng), camera, up, place or sampled_place, rng)
    scene = annotated_scene(body, parameters, camera, coverage, skeleton, jitter, rng)
    return replace(scene, image=torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32)))
