"""Single people with ground truth, unclothed or clothed, rendered independently of the project's renderers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera, camera_from_focal, default_focal_px
from render_fit.core.parts import PART_SPACES
from render_fit.core.skeletons import COCO_17, Skeleton
from render_fit.observations.observation import Observation, box_of_mask
from render_fit.synthesis.annotations import annotate_keypoints, resampled_part_labels
from render_fit.synthesis.garments.outfits import pose_layers, rest_body, sample_outfit
from render_fit.synthesis.images.compositing import render_image
from render_fit.synthesis.images.environments import PLACES
from render_fit.synthesis.images.materials import sample_appearance
from render_fit.synthesis.independent_rasterizer import rasterize, rasterize_mask
from render_fit.synthesis.placement import pose_in_view, view_rotation

BETA_LIMIT = 2.0
"""Sampled betas are standard normal, clipped here: the range of 95 % of real adults in each component."""

CLOTHED_FILL = 0.8
"""Share of the image's height that the person fills: a full-length portrait."""


@dataclass(frozen=True)
class SyntheticScene:
    """One synthetic person: ground truth and rendered annotations.

    Attributes:
        parameters: True body parameters (a batch of one) in camera coordinates; no clothing.
        camera: True camera (a batch of one).
        vertices_camera: (V, 3) true body surface, metres.
        joints_camera: (24, 3) true joints, metres.
        mask: (H, W) antialiased coverage in [0, 1] of the person, garments included.
        labels: (H, W) SMPL-24 labels, rendered at another resolution and resized by nearest neighbour.
        skeleton: Joint set of the keypoints.
        keypoints_px: (K, 2) keypoints with the noise of an annotator, pixels.
        confidence: (K,) 1 visible, 0.5 hidden but annotated, 0 not annotated.
        image: (3, H, W) photograph-like RGB in [0, 1], or None.
    """

    parameters: BodyParameters
    camera: Camera
    vertices_camera: Float[Tensor, "v 3"]
    joints_camera: Float[Tensor, "j 3"]
    mask: Float[Tensor, "h w"]
    labels: Int[Tensor, "h w"]
    skeleton: Skeleton
    keypoints_px: Float[Tensor, "k 2"]
    confidence: Float[Tensor, "k"]
    image: Float[Tensor, "3 h w"] | None = None

    def observation(
        self, *, mask: bool = True, parts: bool = True, keypoints: bool = True, camera: bool = True
    ) -> Observation:
        """Observation of the scene: mask, part map, keypoints and camera; each can be left out.

        Raises:
            ValueError: if the person is outside the image.
        """
        box = box_of_mask(self.mask)
        if box is None:
            raise ValueError("scene: the person covers no pixel of the image")
        return Observation(
            image_size=(self.camera.height, self.camera.width),
            valid=torch.ones_like(self.mask, dtype=torch.bool),
            box=box,
            image=self.image,
            mask=self.mask if mask else None,
            keypoints_px=self.keypoints_px if keypoints else None,
            confidence=self.confidence if keypoints else None,
            skeleton=self.skeleton if keypoints else None,
            labels=self.labels if parts else None,
            part_space=PART_SPACES["smpl24"] if parts else None,
            camera=self.camera if camera else None,
            source=dict.fromkeys(("mask", "labels", "keypoints", "camera"), "synthetic"),
        )


def sample_betas(body: Body, rng: np.random.Generator) -> Float[Tensor, "s"]:
    """(S,) shape of a random adult: standard normal betas within ± ``BETA_LIMIT``."""
    betas = rng.standard_normal(body.n_betas).clip(-BETA_LIMIT, BETA_LIMIT)
    return torch.tensor(betas, dtype=torch.float32)


@torch.no_grad()
def synthetic_scene(
    body: Body,
    pose: Float[Tensor, "24 3"],
    seed: int,
    *,
    betas: Float[Tensor, "s"] | None = None,
    yaw_rad: float | None = None,
    image_size: tuple[int, int] = (256, 256),
    skeleton: Skeleton = COCO_17,
    jitter: float = 0.01,
) -> SyntheticScene:
    """Renders an unclothed person in a random view: mask, part map and keypoints, without an image.

    Args:
        body: Body model.
        pose: (24, 3) axis-angle, radians; the pelvis in the body's own axes.
        seed: Seed of view, shape and noise.
        betas: (S,) shape; sampled if None.
        yaw_rad: Yaw, 0 faces the camera; sampled from all directions if None.
        image_size: (H, W) pixels.
        skeleton: Joint set of the keypoints.
        jitter: Standard deviation of the keypoints' noise, as a share of the longer side of the person's box.
    """
    rng = np.random.default_rng(seed)
    height, width = image_size
    # From a wide lens (70 % of the default focal length) to a portrait lens.
    camera = camera_from_focal(default_focal_px(height, width) * rng.uniform(0.7, 2.0), height, width)
    sampled = sample_betas(body, rng)
    sampled_yaw, pitch, roll = rng.uniform(-math.pi, math.pi), rng.normal(0, 0.12), rng.normal(0, 0.03)
    centre = (0.5 + rng.uniform(-0.06, 0.06), 0.5 + rng.uniform(-0.06, 0.06))
    rotation = view_rotation(sampled_yaw if yaw_rad is None else yaw_rad, pitch, roll)
    betas = sampled if betas is None else betas
    parameters = pose_in_view(body, pose, betas, camera, rotation, centre=centre)
    vertices = body(parameters).vertices[0].numpy()
    mask = rasterize_mask(vertices, body.faces.numpy(), camera.K[0].numpy(), height, width)
    return annotated_scene(body, parameters, camera, mask, skeleton, jitter, rng)


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
        body, pose, sampled_betas if betas is None else betas, camera, rotation, CLOTHED_FILL, (0.5, 0.52)
    )
    rest = rest_body(body, parameters)
    layers = pose_layers(body, parameters, rest, sample_outfit(rest, rng))
    up = view_rotation(0.0, pitch).numpy() @ np.array([0.0, 1.0, 0.0])
    image, coverage = render_image(layers, rest, sample_appearance(rng), camera, up, place or sampled_place, rng)
    scene = annotated_scene(body, parameters, camera, coverage, skeleton, jitter, rng)
    return replace(scene, image=torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32)))


def annotated_scene(
    body: Body,
    parameters: BodyParameters,
    camera: Camera,
    mask: Float[np.ndarray, "h w"],
    skeleton: Skeleton,
    jitter: float,
    rng: np.random.Generator,
) -> SyntheticScene:
    """Annotates a person: part map and keypoints of the body, beside a given mask.

    Args:
        body: Body model.
        parameters: One body in camera coordinates, without clothing.
        camera: One camera.
        mask: (H, W) coverage of the person in [0, 1], clothes included.
        skeleton: Joint set of the keypoints.
        jitter: Standard deviation of the keypoints' noise, as a share of the longer side of the body's box.
        rng: Source of the noise.
    """
    output, faces = body(parameters), body.faces.numpy()
    vertices = output.vertices[0].numpy()
    depth = rasterize(vertices, faces, camera.K[0].numpy(), camera.height, camera.width).depth
    points = camera.project(output.vertices)[0]
    box_side = float((points.amax(dim=0) - points.amin(dim=0)).amax())
    keypoints_px, confidence = annotate_keypoints(body, parameters, camera, skeleton, depth, rng, jitter * box_side)
    return SyntheticScene(
        parameters=parameters,
        camera=camera,
        vertices_camera=output.vertices[0],
        joints_camera=output.joints[0],
        mask=torch.from_numpy(mask.astype(np.float32)),
        labels=resampled_part_labels(vertices, faces, body.face_parts.numpy(), camera, 0.7),
        skeleton=skeleton,
        keypoints_px=keypoints_px,
        confidence=confidence,
    )
