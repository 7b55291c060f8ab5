"""Person crops with clothing labels to train a segmentation: dressed people, each drawn several times.

To dress a person takes longer than to draw one, so every dressed person is seen from several sides, in other colours,
light and surroundings each time. Drawn by the project's renderer, without cast shadows; `clothed_people` has slower
images that are nearer to photographs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera, camera_from_focal
from render_fit.core.parts import ATR
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.renderers import make_renderer
from render_fit.renderers.base import Renderer, RenderSettings
from render_fit.synthesis.garments.dressing import DressedPerson, dress, pose_with_heels
from render_fit.synthesis.garments.wardrobe import WardrobeFrequencies, sample_clothes
from render_fit.synthesis.images.background_photos import BackgroundPhotos
from render_fit.synthesis.images.environments import PLACES, render_environment
from render_fit.synthesis.images.garment_colours import sample_colours, surface_colours
from render_fit.synthesis.images.training_images import (
    GAMMA,
    ImageAugmentation,
    add_camera_effects,
    add_occluders,
    sample_backgrounds,
)
from render_fit.synthesis.noise_fields import random_regions
from render_fit.synthesis.placement import view_rotation
from render_fit.synthesis.poses.everyday import EverydayPoses
from render_fit.synthesis.scene import sample_betas

SIDE_PX = 256
"""Side of the crops, pixels: that of BlazePose's landmark network."""

MARGIN = 1.25
"""Side of a crop over the diameter of the circle around the person, as in the observer's regions."""

VIEWS = 10
"""Crops of one dressed person."""

POSES = 100
"""Fewest poses that are sampled at once, so that each activity is among them."""

OCCLUDED, ENVIRONMENTS, SHAPES = 0.15, 0.5, 5
"""Shares of crops with an occluder, and with a rendered environment; shapes in front of the other backgrounds."""

FREQUENCIES = WardrobeFrequencies(
    trousers=0.47, shorts=0.13, skirts=0.2, dresses=0.2, loose_hair=0.3, bobs=0.15,
    shoulder_bags=0.16, cross_bags=0.12, hand_bags=0.16, backpacks=0.08,
)  # fmt: skip
"""What people wear; rare classes are more frequent than in photos."""

AUGMENTATION = ImageAugmentation(occluded=0.0, contrast=0.15, noise=0.04)


@dataclass(frozen=True)
class LabelledCrops:
    """N crops of people with exact labels.

    Attributes:
        images: (N, 3, 256, 256) sRGB, 0 to 255.
        labels: (N, 256, 256) labels of `core.parts.ATR`.
    """

    images: UInt8[Tensor, "n 3 s s"]
    labels: UInt8[Tensor, "n s s"]

    def __len__(self) -> int:
        return len(self.images)


class ClothedCrops:
    """Sampler of dressed people in everyday poses.

    Args:
        body: Body model whose landmarks include eyes and ears.
        poses: Source of poses.
        backgrounds: Photos without people that become backgrounds; None: none.
    """

    def __init__(self, body: Body, poses: EverydayPoses, backgrounds: BackgroundPhotos | None = None) -> None:
        self.body, self.poses, self.backgrounds = body, poses, backgrounds
        self._renderer = make_renderer("cpu")

    def sample(self, people: int, seed: int) -> Iterator[LabelledCrops]:
        """Crops of some people, `VIEWS` of each person at a time; the seed decides everything."""
        generator = torch.Generator().manual_seed(seed)
        poses, _ = self.poses.sample(max(people, POSES), generator)
        for number in torch.randperm(len(poses), generator=generator)[:people].tolist():
            rng = np.random.default_rng([seed, number])
            yield self._person(poses[number], rng, torch.Generator().manual_seed(seed * 1_000_003 + number))

    @torch.no_grad()
    def _person(
        self, pose: Float[Tensor, "24 3"], rng: np.random.Generator, generator: torch.Generator
    ) -> LabelledCrops:
        clothes = sample_clothes(rng, FREQUENCIES)
        to_camera = view_rotation(0.0)
        rotations = roma.rotvec_to_rotmat(pose_with_heels(pose, clothes.heel_m))
        rotations[0] = to_camera @ rotations[0]
        parameters = BodyParameters(rotations[None], sample_betas(self.body, rng)[None], torch.zeros(1, 3))
        dressed = dress(self.body, parameters, clothes, to_camera.double().numpy())
        hips = self.body(parameters).joints[0, [SMPL_24.index(f"{side}_hip") for side in ("left", "right")]].mean(0)
        surface = torch.from_numpy(dressed.layers.vertices_camera - hips.numpy()).float() @ to_camera
        normals = torch.from_numpy(dressed.layers.normals).float() @ to_camera
        drawn = [self._view(dressed, surface, normals, rng, generator) for _ in range(VIEWS)]
        images = add_camera_effects(torch.stack([image for image, _ in drawn]), AUGMENTATION, generator)
        labels = torch.stack([labels for _, labels in drawn])
        return LabelledCrops((images * 255).round().byte(), labels.byte())

    def _view(
        self,
        dressed: DressedPerson,
        surface: Float[Tensor, "v 3"],
        normals: Float[Tensor, "v 3"],
        rng: np.random.Generator,
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, "3 s s"], Int64[Tensor, "s s"]]:
        """One crop: image before the camera's effects, and labels. Surface and normals in upright axes."""
        rotation = view_rotation(rng.normal(0, math.radians(70)), rng.normal(0.04, 0.08), rng.normal(0, 0.07))
        vertices = surface @ rotation.mT
        radius = float(vertices[:, :2].norm(dim=1).max())
        focal = SIDE_PX * rng.uniform(1.0, 3.0)
        scale_px = SIDE_PX / 2 / MARGIN * rng.uniform(0.9, 1.3) / radius
        vertices = vertices + torch.tensor([0.0, 0.0, focal / scale_px])
        centre = tuple((SIDE_PX * (0.5 + rng.normal(0, 0.03, 2))).tolist())
        camera = camera_from_focal(focal, SIDE_PX, SIDE_PX, centre)
        up = rotation[:, 1]
        layers = dressed.layers
        faces = torch.from_numpy(layers.faces)
        seen, weights = _visible_surface(self._renderer, vertices, faces, camera)
        covered = seen >= 0
        of = seen[covered].numpy()
        normal = _interpolated(weights, normals @ rotation.mT, faces[of])
        normal = normalize(normal, dim=1)
        resting = _interpolated(weights, torch.from_numpy(layers.vertices_rest).float(), faces[of]).double().numpy()
        colours = surface_colours(dressed, of, resting, sample_colours(rng), rng)
        image = self._background(camera, up, vertices, rng, generator)
        shade = _shade(normal, up, rng)
        image[:, covered] = ((torch.from_numpy(colours).float().clamp(0, 1) ** GAMMA) * shade).clamp(1e-6, 1).T ** (
            1 / GAMMA
        )
        labels = torch.zeros_like(seen)
        labels[covered] = torch.from_numpy(dressed.face_labels(ATR)[of])
        if rng.random() < OCCLUDED:
            region = random_regions(1, SIDE_PX, 0.04, 0.22, generator)[0]
            thing = sample_backgrounds(1, SIDE_PX, 0, generator)[0]
            image, labels = torch.where(region, thing, image), torch.where(region, 0, labels)
        return image, labels

    def _background(
        self,
        camera: Camera,
        up: Float[Tensor, "3"],
        vertices: Float[Tensor, "v 3"],
        rng: np.random.Generator,
        generator: torch.Generator,
    ) -> Float[Tensor, "3 s s"]:
        if rng.random() < ENVIRONMENTS:
            place = PLACES[rng.integers(len(PLACES))]
            foot = vertices[(vertices @ up).argmin()].double().numpy()
            side = SIDE_PX // 2  # half of the resolution: everything behind people is a little out of focus
            K = camera.resize(side, side).K[0].double().numpy()
            seen = render_environment(place, K, side, side, up.double().numpy(), foot, rng)
            image = torch.from_numpy(seen.albedo).float().movedim(-1, 0)[None]
            image = interpolate(image, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)
            return add_occluders(image, 0.03, 0.3, 0.5, generator)[0].clone()
        image = sample_backgrounds(1, SIDE_PX, SHAPES, generator)
        return (image if self.backgrounds is None else self.backgrounds.replace(image, generator))[0].clone()


def _visible_surface(
    renderer: Renderer, vertices: Float[Tensor, "v 3"], faces: Int64[Tensor, "f 3"], camera: Camera
) -> tuple[Int64[Tensor, "h w"], Float[Tensor, "p 3"]]:
    """(H, W) visible face of each pixel, −1 for none, and weights of its corners at the P covered pixels."""
    drawn = renderer(vertices[None], faces, camera, RenderSettings(), outputs=("face_index",)).face_index
    assert drawn is not None
    row, column = (drawn[0] >= 0).nonzero(as_tuple=True)
    ray = torch.stack([column + 0.5, row + 0.5, torch.ones(len(row))], 1).double() @ camera.K[0].double().inverse().mT
    a, b, c = vertices[faces[drawn[0, row, column]]].double().unbind(1)
    # Volumes of the tetrahedra between the eye, the ray and two corners are in proportion to the weights.
    volumes = [(ray * torch.linalg.cross(p, q)).sum(1) for p, q in ((b, c), (c, a), (a, b))]
    weights = torch.stack(volumes, 1)
    return drawn[0], (weights / weights.sum(1, keepdim=True)).float()


def _interpolated(
    weights: Float[Tensor, "p 3"], values: Float[Tensor, "v k"], corners: Int64[Tensor, "p 3"]
) -> Float[Tensor, "p k"]:
    return (weights[..., None] * values[corners]).sum(1)


def _shade(normal: Float[Tensor, "p 3"], up: Float[Tensor, "3"], rng: np.random.Generator) -> Float[Tensor, "p 3"]:
    """Linear light on matt surfaces: sky from above, and a tinted lamp from any side in front."""
    direction = torch.tensor(rng.normal(0, 1, 3) + [0.0, 0.0, -1.2]).float() + 0.7 * up
    lamp = (normal @ (direction / direction.norm())).clamp(min=0)[:, None]
    warmth = rng.normal(0, 0.1) * torch.tensor([1.0, 0.0, -1.0])
    sky = 0.5 + 0.5 * (normal @ up)[:, None]
    return rng.uniform(0.08, 0.3) + rng.uniform(0.1, 0.5) * sky + rng.uniform(0.2, 1.0) * lamp * warmth.exp()
