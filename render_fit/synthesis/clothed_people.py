"""Clothed people with the ground truth of the body underneath: masks and label maps with a segmenter's errors.

Rendered by the independent rasteriser. `photograph` makes an RGB image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera, camera_from_focal, default_focal_px
from render_fit.core.parts import PartSpace
from render_fit.core.skeletons import COCO_17
from render_fit.observations.observation import Observation, box_of_keypoints, box_of_mask, box_union
from render_fit.synthesis.annotations import annotate_keypoints
from render_fit.synthesis.garments.dressing import DressedPerson, dress, pose_with_heels
from render_fit.synthesis.garments.wardrobe import Clothes, sample_clothes
from render_fit.synthesis.images.compositing import render_image
from render_fit.synthesis.images.materials import sample_appearance, sample_other_colours
from render_fit.synthesis.independent_rasterizer import Raster, rasterize
from render_fit.synthesis.placement import pose_in_view, view_rotation
from render_fit.synthesis.scene import sample_betas

IMAGE_SIZE = (480, 360)
"""(H, W) pixels."""

BOUNDARY_ERROR = 0.01
"""Standard deviation of a segmenter's outline, share of the person's height."""

KEYPOINT_ERROR = 0.01
"""Standard deviation of keypoints per axis, share of the longer side of the body's box."""

SAMPLES = 2
"""Samples per pixel and axis."""


@dataclass(frozen=True)
class ClothedPerson:
    """One person, with and without clothes.

    Attributes:
        parameters: True body (a batch of one) in camera coordinates, without clothing.
        camera: True camera.
        body_vertices: (V, 3) true body surface, camera coordinates, metres.
        joints_camera: (24, 3) true joints, metres.
        dressed: Outer surface with the kinds of its layers.
        mask: (H, W) coverage in [0, 1] of the person and clothes where no bag is in front.
        mask_with_bags: (H, W) coverage of the person, clothes and bags.
        mask_unclothed: (H, W) coverage of the body alone.
        up_camera: (3,) direction against gravity, camera axes.
        seed: Seed of the errors of observations.
        rasters: Renderings of the body alone and of the dressed person, `SAMPLES` per pixel and axis.
    """

    parameters: BodyParameters
    camera: Camera
    body_vertices: Float[Tensor, "v 3"]
    joints_camera: Float[Tensor, "24 3"]
    dressed: DressedPerson
    mask: Float[np.ndarray, "h w"]
    mask_with_bags: Float[np.ndarray, "h w"]
    mask_unclothed: Float[np.ndarray, "h w"]
    up_camera: Float[np.ndarray, "3"]
    seed: int
    rasters: tuple[Raster, Raster]

    def label_map(self, space: PartSpace) -> Int[np.ndarray, "h w"]:
        """(H, W) exact labels in a label space with clothing, at the centres of pixels."""
        face = self.rasters[1].face_index[::SAMPLES, ::SAMPLES]
        return np.where(face >= 0, self.dressed.face_labels(space)[face], 0)

    def observation(self, body: Body, *, clothed: bool = True, space: PartSpace | None = None) -> Observation:
        """What a keypoint detector and a segmenter say about this person, with their errors; the camera is exact.

        Args:
            body: The body model.
            clothed: Whether the clothes are seen; bags are not in the mask.
            space: Label space of a label map; None for none.
        """
        rng = np.random.default_rng(self.seed)
        depth = self.rasters[int(clothed)].depth[::SAMPLES, ::SAMPLES]
        points = self.camera.project(self.body_vertices[None])[0]
        side_px = float((points.amax(dim=0) - points.amin(dim=0)).amax())
        keypoints_px, confidence = annotate_keypoints(
            body, self.parameters, self.camera, COCO_17, depth, rng, KEYPOINT_ERROR * side_px
        )
        height_px = float(points[:, 1].max() - points[:, 1].min())
        mask = displaced(self.mask if clothed else self.mask_unclothed, BOUNDARY_ERROR * height_px, rng)
        labels = None
        if space is not None:
            labels = displaced(self.label_map(space), BOUNDARY_ERROR * height_px, rng)
        seen = torch.from_numpy(mask.astype(np.float32))
        box = box_union(box_of_mask(seen), box_of_keypoints(keypoints_px, confidence))
        height, width = mask.shape
        return Observation(
            image_size=(height, width),
            valid=torch.ones(height, width, dtype=torch.bool),
            box=box or (0.0, 0.0, float(width), float(height)),
            mask=seen,
            keypoints_px=keypoints_px,
            confidence=confidence,
            skeleton=COCO_17,
            labels=None if labels is None else torch.from_numpy(labels.astype(np.int64)),
            part_space=space,
            camera=self.camera,
            source=dict.fromkeys(("mask", "labels", "keypoints", "camera"), "synthetic"),
        )


def photograph(person: ClothedPerson, place: str, seed: int) -> Float[Tensor, "3 h w"]:
    """A photograph-like image of a clothed person, sRGB in [0, 1].

    Args:
        person: The person.
        place: One of ``images.environments.PLACES``.
        seed: Seed of colours, light and background.
    """
    rng = np.random.default_rng(seed)
    appearance = replace(sample_appearance(rng), others=sample_other_colours(rng))
    layers, rest = person.dressed.layers, person.dressed.rest
    image, _ = render_image(layers, rest, appearance, person.camera, person.up_camera, place, rng)
    return torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))


def displaced(values: np.ndarray, deviation_px: float, rng: np.random.Generator) -> np.ndarray:
    """A mask or label map with the smooth boundary errors of a segmenter: every boundary is moved by a smooth field.

    Args:
        values: (H, W) coverage (floating) or labels (integer).
        deviation_px: Standard deviation of the displacement per axis, pixels; its features are five times as large.
        rng: Source of the field.
    """
    height, width = values.shape
    noise = gaussian_filter(rng.standard_normal((2, height, width)), (0, 5 * deviation_px, 5 * deviation_px))
    noise *= deviation_px / noise.std(axis=(1, 2), keepdims=True)
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")) + noise
    order = 1 if np.issubdtype(values.dtype, np.floating) else 0
    return map_coordinates(values, grid, order=order, mode="nearest")


@torch.no_grad()
def clothed_person(
    body: Body,
    pose: Float[Tensor, "24 3"],
    seed: int,
    *,
    clothes: Clothes | None = None,
    betas: Float[Tensor, "s"] | None = None,
    yaw_rad: float | None = None,
    image_size: tuple[int, int] = IMAGE_SIZE,
    focal: float | None = None,
) -> ClothedPerson:
    """Makes a clothed person.

    Args:
        body: Body model whose landmarks include eyes and ears.
        pose: (24, 3) axis-angle, radians; the pelvis in the body's own axes.
        seed: Seed of everything that is not given.
        clothes: What is worn; sampled with the frequencies of photos if None.
        betas: (S,) shape; sampled if None.
        yaw_rad: Yaw, 0 faces the camera; sampled if None, mostly from the front.
        image_size: (H, W) pixels.
        focal: Focal length over the image's diagonal; sampled if None, from 0.9 to 1.8.
    """
    rng = np.random.default_rng(seed)
    height, width = image_size
    sampled_clothes, sampled_betas = sample_clothes(rng), sample_betas(body, rng)
    sampled_focal = rng.uniform(0.9, 1.8)
    relative_focal = sampled_focal if focal is None else focal
    camera = camera_from_focal(default_focal_px(height, width) * relative_focal, height, width)
    sampled_yaw = rng.normal(0, math.radians(60))
    rotation = view_rotation(sampled_yaw if yaw_rad is None else yaw_rad, rng.normal(0.04, 0.08), rng.normal(0, 0.02))
    clothes = clothes or sampled_clothes
    betas = sampled_betas if betas is None else betas
    pose = pose_with_heels(pose, clothes.heel_m)
    parameters = pose_in_view(body, pose, betas, camera, rotation)
    return clothed_body(body, parameters, clothes, camera, rotation, seed)


@torch.no_grad()
def clothed_body(
    body: Body,
    parameters: BodyParameters,
    clothes: Clothes,
    camera: Camera,
    upright_to_camera: Float[Tensor, "3 3"],
    seed: int,
) -> ClothedPerson:
    """Dresses a body that is placed already.

    Args:
        body: Body model whose landmarks include eyes and ears.
        parameters: One body in camera coordinates, without clothing; with heels, of `pose_with_heels`.
        clothes: What is worn.
        camera: One camera.
        upright_to_camera: Rotation from upright axes (y up) to the camera's.
        seed: Seed of the errors of observations.
    """
    height, width = camera.height, camera.width
    dressed = dress(body, parameters, clothes, upright_to_camera.double().numpy())
    output, K = body(parameters), camera.K[0].numpy()
    bare = rasterize(output.vertices[0].numpy(), body.faces.numpy(), K, height, width, SAMPLES)
    full = rasterize(dressed.layers.vertices_camera, dressed.layers.faces, K, height, width, SAMPLES)

    def mean(covered: Bool[np.ndarray, "hs ws"]) -> np.ndarray:
        return covered.reshape(height, SAMPLES, width, SAMPLES).mean(axis=(1, 3))

    covered = full.face_index >= 0
    in_front = covered & dressed.is_bag[full.face_index]
    return ClothedPerson(
        parameters=parameters,
        camera=camera,
        body_vertices=output.vertices[0],
        joints_camera=output.joints[0],
        dressed=dressed,
        mask=mean(covered & ~in_front),
        mask_with_bags=mean(covered),
        mask_unclothed=mean(bare.face_index >= 0),
        up_camera=upright_to_camera.double().numpy()[:, 1],
        seed=seed,
        rasters=(bare, full),
    )
