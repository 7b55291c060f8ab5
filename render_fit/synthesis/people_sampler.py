"""Batches of synthetic people with ground truth, rendered with the project's renderer, for training."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.skeletons import (
    BODY_25,
    CANONICAL_KEYPOINTS,
    COCO_17,
    H36M_17,
    MEDIAPIPE_33,
    MPI_INF_3DHP_17,
    Skeleton,
    canonical_columns,
)
from render_fit.renderers.base import RenderSettings
from render_fit.renderers.cpu import CpuRenderer
from render_fit.synthesis.annotations import HIDDEN_DEPTH_M
from render_fit.synthesis.images.background_photos import BackgroundPhotos
from render_fit.synthesis.images.training_images import ImageAugmentation
from render_fit.synthesis.observation_noise import ObservationNoise
from render_fit.synthesis.people import People, PeopleDistribution, sample_people
from render_fit.synthesis.poses.bank import PoseAugmentation, PoseBank

KEYPOINT_FORMATS = (COCO_17, MEDIAPIPE_33, BODY_25, H36M_17, MPI_INF_3DHP_17)
"""Keypoint formats of detectors and annotations. They place joints of the same name at different points."""


@dataclass(frozen=True)
class RenderedPeople:
    """Ground truth of N people in image space: what an observer without errors gives.

    Attributes:
        people: Parameters, meshes and cameras of the people.
        face_index: (N, S, S) visible face of the body per pixel; −1 is background.
        labels: (N, S, S) SMPL part + 1; 0 is background.
        in_image: (N, S, S) pixels of the view that lie inside the photo.
        keypoints: (N, K, 2) `CANONICAL_KEYPOINTS` in the view, units of half its side from its centre.
        keypoints_camera: (N, K, 3) the same keypoints in camera coordinates, metres.
        visible: (N, K) keypoints that are ``known`` and not hidden by the body.
        known: (N, K) keypoints that the person's keypoint format has and that lie inside the photo.
    """

    people: People
    face_index: Int[Tensor, "n s s"]
    labels: Int[Tensor, "n s s"]
    in_image: Bool[Tensor, "n s s"]
    keypoints: Float[Tensor, "n k 2"]
    keypoints_camera: Float[Tensor, "n k 3"]
    visible: Bool[Tensor, "n k"]
    known: Bool[Tensor, "n k"]


@dataclass(frozen=True)
class PeopleSampler:
    """Samples synthetic people and renders their part labels.

    Attributes:
        body: Body model.
        bank: Poses to sample from.
        basis: Clothing basis; None: all people are unclothed.
        size: Side of the square views, pixels.
        poses: Augmentation of the poses.
        people: Distribution of shape, clothing and camera.
        noise: Noise of the observations that training batches add to the ground truth.
        keypoint_formats: Keypoint formats; each person's keypoints follow one of them, chosen at random.
        images: Appearance and augmentation of RGB images; None: training batches have no RGB images.
        backgrounds: Photos behind the people of RGB images; None: all backgrounds are synthetic.
    """

    body: Body
    bank: PoseBank
    basis: ClothingBasis | None = None
    size: int = 64
    poses: PoseAugmentation = field(default_factory=PoseAugmentation)
    people: PeopleDistribution = field(default_factory=PeopleDistribution)
    noise: ObservationNoise = field(default_factory=ObservationNoise)
    keypoint_formats: tuple[Skeleton, ...] = KEYPOINT_FORMATS
    images: ImageAugmentation | None = None
    backgrounds: BackgroundPhotos | None = None

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> RenderedPeople:
        """Samples and renders people, without observation noise.

        Args:
            count: Number of people.
            generator: Source of randomness; the same state gives the same people.
        """
        pose = self.bank.sample(count, self.poses, generator)
        people = sample_people(self.body, pose, self.size, self.people, generator, self.basis)
        rendered = CpuRenderer()(
            people.vertices, self.body.faces, people.camera, RenderSettings(), outputs=("face_index", "depth")
        )
        face_index, depth = rendered.face_index, rendered.depth
        assert face_index is not None and depth is not None
        labels = torch.where(face_index >= 0, self.body.face_parts[face_index.clamp(min=0)] + 1, 0)
        in_image = self._pixels_in_image(people.image_bounds)
        keypoints = self._annotate_keypoints(people, depth, generator)
        return RenderedPeople(people, face_index, labels * in_image, in_image, *keypoints)

    def _pixels_in_image(self, bounds: Float[Tensor, "n 4"]) -> Bool[Tensor, "n s s"]:
        centres = torch.arange(self.size) + 0.5
        left, top, right, bottom = bounds.T[..., None]
        columns, rows = (centres > left) & (centres < right), (centres > top) & (centres < bottom)
        return rows[:, :, None] & columns[:, None, :]

    def _annotate_keypoints(
        self, people: People, depth: Float[Tensor, "n s s"], generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The last four attributes of `RenderedPeople`, one keypoint format per person."""
        count, n_points = len(people.vertices), len(CANONICAL_KEYPOINTS)
        pixels, points = torch.zeros(count, n_points, 2), torch.ones(count, n_points, 3)
        annotated = torch.zeros(count, n_points, dtype=torch.bool)
        chosen = torch.randint(len(self.keypoint_formats), (count,), generator=generator)
        for number, skeleton in enumerate(self.keypoint_formats):
            rows = (chosen == number).nonzero()[:, 0]
            if not len(rows):
                continue
            columns, canonical = _supported_columns(self.body, skeleton)
            found = self.body.keypoints(_remove_offsets(people.parameters, rows), skeleton)[:, columns]
            index = rows[:, None], torch.tensor(canonical)[None]
            pixels[index] = people.camera[rows].project(found)
            points[index], annotated[index] = found, True
        cell = pixels.floor().long()
        column, row = cell[..., 0].clamp(0, self.size - 1), cell[..., 1].clamp(0, self.size - 1)
        surface = depth[torch.arange(count)[:, None], row, column]
        hidden = (surface > 0) & (surface < points[..., 2] - HIDDEN_DEPTH_M)
        bounds = people.image_bounds[:, None]
        known = annotated & (pixels >= bounds[..., :2]).all(-1) & (pixels <= bounds[..., 2:]).all(-1)
        return 2 * pixels / self.size - 1, points, known & ~hidden, known


def _supported_columns(body: Body, skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """`canonical_columns` of the joints that the body has."""
    has = body.supports(skeleton).tolist()
    pairs = [(i, j) for i, j in zip(*canonical_columns(skeleton), strict=True) if has[i]]
    return [i for i, _ in pairs], [j for _, j in pairs]


def _remove_offsets(parameters: BodyParameters, rows: Tensor) -> BodyParameters:
    """Some of the bodies, unclothed: keypoints are points of the body."""
    return BodyParameters(parameters.rotations[rows], parameters.betas[rows], parameters.transl[rows])
