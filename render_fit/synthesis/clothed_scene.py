"""Single clothed people in a photograph-like image, with ground truth: the demo's input."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.cameras import camera_from_focal, default_focal_px
from render_fit.core.skeletons import COCO_17, Skeleton
from render_fit.synthesis.annotations import annotate_keypoints, resampled_part_labels
from render_fit.synthesis.appearance.materials import sample_appearance
from render_fit.synthesis.garments.outfits import pose_layers, rest_body, sample_outfit
from render_fit.synthesis.images.compositing import render_image
from render_fit.synthesis.images.environments import PLACES
from render_fit.synthesis.independent_rasterizer import rasterize
from render_fit.synthesis.placement import pose_in_view, view_rotation
from render_fit.synthesis.scene import SyntheticScene, sample_betas

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
    output = body(parameters)
    rest = rest_body(body, parameters)
    layers = pose_layers(body, parameters, rest, sample_outfit(rest, rng))
    up = view_rotation(0.0, pitch).numpy() @ np.array([0.0, 1.0, 0.0])
    image, coverage = render_image(layers, rest, sample_appearance(rng), camera, up, place or sampled_place, rng)
    vertices, faces = output.vertices[0].numpy(), body.faces.numpy()
    depth = rasterize(vertices, faces, camera.K[0].numpy(), height, width).depth
    points = camera.project(output.vertices)[0]
    box_side = float((points.amax(dim=0) - points.amin(dim=0)).amax())
    keypoints_px, confidence = annotate_keypoints(body, parameters, camera, skeleton, depth, rng, jitter * box_side)
    return SyntheticScene(
        parameters=parameters,
        camera=camera,
        vertices_camera=output.vertices[0],
        joints_camera=output.joints[0],
        mask=torch.from_numpy(coverage.astype(np.float32)),
        labels=resampled_part_labels(vertices, faces, body.face_parts.numpy(), camera, 0.7),
        skeleton=skeleton,
        keypoints_px=keypoints_px,
        confidence=confidence,
        image=torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32)),
    )
