"""Training data that never ends: people drawn on the spot, with the truth, and seen as detectors see them."""

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
from render_fit.synthesis.images.training_images import ImageAugmentation
from render_fit.synthesis.observation_noise import ObservationNoise
from render_fit.synthesis.people import People, PeopleDistribution, sample_people
from render_fit.synthesis.poses.bank import PoseAugmentation, PoseBank

HIDDEN_DEPTH_M = 0.12
"""A keypoint with the visible surface this much nearer is hidden; a torso is about 0.24 m deep."""

KEYPOINT_FORMATS = (COCO_17, MEDIAPIPE_33, BODY_25, H36M_17, MPI_INF_3DHP_17)
"""Who tells keypoints: formats that mean other points by the same names."""


@dataclass(frozen=True)
class RenderedPeople:
    """N people as a perfect observer would see them.

    Attributes:
        people: Who.
        face_index: (N, S, S) the body's face that a pixel sees; −1 is background.
        labels: (N, S, S) SMPL part + 1; 0 is background.
        photographed: (N, S, S) pixels inside of the photo.
        keypoints: (N, K, 2) `CANONICAL_KEYPOINTS`, units of half the view from its middle.
        points: (N, K, 3) the same in space, metres.
        visible: (N, K) not hidden by the body, and inside the photo.
        known: (N, K) told by the annotator's skeleton and inside the photo.
    """

    people: People
    face_index: Int[Tensor, "n s s"]
    labels: Int[Tensor, "n s s"]
    photographed: Bool[Tensor, "n s s"]
    keypoints: Float[Tensor, "n k 2"]
    points: Float[Tensor, "n k 3"]
    visible: Bool[Tensor, "n k"]
    known: Bool[Tensor, "n k"]


@dataclass(frozen=True)
class PeopleSampler:
    """People drawn on the spot.

    Attributes:
        body: M.
        bank: Their poses.
        basis: Their clothes.
        size: Side of the views, pixels.
        poses: How poses are varied.
        people: How people look and are seen.
        noise: What observers get wrong.
        keypoint_formats: Skeletons by whose meaning of the joints keypoints are told, each for as many people.
        photos: How pictures in colour look; None: none are drawn.
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

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator) -> RenderedPeople:
        """Draws people without errors.

        Args:
            count: How many.
            generator: Source of randomness; the same state gives the same people.
        """
        pose = self.bank.draw(count, self.poses, generator)
        who = sample_people(self.body, pose, self.size, self.people, generator, self.basis)
        seen = CpuRenderer()(
            who.vertices, self.body.faces, who.camera, RenderSettings(), outputs=("face_index", "depth")
        )
        assert seen.face_index is not None and seen.depth is not None
        labels = torch.where(seen.face_index >= 0, self.body.face_parts[seen.face_index.clamp(min=0)] + 1, 0)
        photographed = self._photographed(who.inside)
        keypoints, points, visible, known = self._annotated(who, seen.depth, generator)
        return RenderedPeople(
            who, seen.face_index, labels * photographed, photographed, keypoints, points, visible, known
        )

    def _photographed(self, inside: Float[Tensor, "n 4"]) -> Bool[Tensor, "n s s"]:
        centres = torch.arange(self.size) + 0.5
        left, top, right, bottom = inside.T[..., None]
        columns, rows = (centres > left) & (centres < right), (centres > top) & (centres < bottom)
        return rows[:, :, None] & columns[:, None, :]

    def _annotated(
        self, who: People, depth: Float[Tensor, "n s s"], generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Keypoints by one annotator's meaning of the joints for each person."""
        count = len(who.vertices)
        pixels, places = torch.zeros(count, len(CANONICAL_KEYPOINTS), 2), torch.ones(count, len(CANONICAL_KEYPOINTS), 3)
        told = torch.zeros(count, len(CANONICAL_KEYPOINTS), dtype=torch.bool)
        annotator = torch.randint(len(self.keypoint_formats), (count,), generator=generator)
        for number, skeleton in enumerate(self.keypoint_formats):
            rows = (annotator == number).nonzero()[:, 0]
            if not len(rows):
                continue
            theirs, ours = _supported(self.body, skeleton)
            points = self.body.keypoints(_without_offsets(who.parameters, rows), skeleton)[:, theirs]
            index = rows[:, None], torch.tensor(ours)[None]
            pixels[index] = who.camera[rows].project(points)
            places[index], told[index] = points, True
        cell = pixels.floor().long()
        column, row = cell[..., 0].clamp(0, self.size - 1), cell[..., 1].clamp(0, self.size - 1)
        surface = depth[torch.arange(count)[:, None], row, column]
        hidden = (surface > 0) & (surface < places[..., 2] - HIDDEN_DEPTH_M)
        inside = (pixels >= who.inside[:, None, :2]).all(-1) & (pixels <= who.inside[:, None, 2:]).all(-1)
        known = told & inside
        return 2 * pixels / self.size - 1, places, known & ~hidden, known


def _supported(body: Body, skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """`canonical_columns` of the joints that the body has."""
    has = body.supports(skeleton).tolist()
    pairs = [(i, j) for i, j in zip(*canonical_columns(skeleton), strict=True) if has[i]]
    return [i for i, _ in pairs], [j for _, j in pairs]


def _without_offsets(parameters: BodyParameters, rows: Tensor) -> BodyParameters:
    """Some bodies without their clothes: keypoints are points of the body."""
    return BodyParameters(parameters.rotations[rows], parameters.betas[rows], parameters.transl[rows])
