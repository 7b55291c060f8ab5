"""Synthetic people as a regressor's inputs and targets, and which labels are available for whom."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from pydantic import Field
from torch import Tensor

from render_fit.core.batch import Batch
from render_fit.core.config import StrictModel
from render_fit.core.parts import COARSE_PARTS, N_PARTS, SMPL_24_PARTS, part_evidence
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.prediction import place_in_view
from render_fit.synthesis.images.training_images import ImageAugmentation, render_rgb
from render_fit.synthesis.observation_noise import add_depth_noise, add_keypoint_noise, add_mask_noise
from render_fit.synthesis.people import People
from render_fit.synthesis.people_sampler import PeopleSampler, RenderedPeople

LABELS = ("rotations", "betas", "clothing", "joints", "pelvis_offset", "projection")
"""Labels of a person, by the names of the losses that use them (`losses.LossWeights`)."""

_GOLDEN = 0.6180339887498949
"""Golden section: any number of its multiples, modulo one, is spread evenly."""


class LabelAvailability(StrictModel):
    """Shares of people with each kind of label. People with a rarer label have the more common ones too.

    Real data sets are mixed in the same way: most images have 2D joints alone, and few people have 3D pose. The 2D
    label is the projection of the body model's own joints, without the errors of the input keypoints.

    Source: the study of the amount of 3D supervision in Omran et al., 3DV 2018.
    """

    latent: float = Field(default=1.0, ge=0, le=1, description="share with L_lat: rotations, betas, clothing")
    joints: float = Field(default=1.0, ge=0, le=1, description="share with L_3D: joints and pelvis offset")
    projection: float = Field(default=1.0, ge=0, le=1, description="share with L_2D: projected joints")

    def carried(self, numbers: Int64[Tensor, "n"]) -> Bool[Tensor, "n l"]:
        """Labels of people. They depend on the person's number alone, so any number of processes agree.

        Args:
            numbers: (N,) numbers of the people, at least 0 and below 2⁴⁰.

        Returns:
            (N, L) a column for each of `LABELS`. In any range of numbers, the shares are right to about one person. A
            person who has a label at some share has it at every larger one.
        """
        place = (numbers.double() * _GOLDEN) % 1.0
        share = {"joints": self.joints, "pelvis_offset": self.joints, "projection": self.projection}
        return torch.stack([place < share.get(name, self.latent) for name in LABELS], 1)


@dataclass(frozen=True)
class GroundTruth(Batch):
    """Ground truth of N people, in the axes of their crop cameras.

    Attributes:
        rotations: (N, J, 3, 3) local rotations, the global orientation first.
        betas: (N, S) shape.
        clothing: (N, M) coefficients of the clothing basis.
        pelvis_offset: (N, 3) position of the pelvis in the units of `regressors.network.Prediction`.
        pelvis: (N, 3) position of the pelvis, metres.
        joints: (N, J, 3) joints relative to the pelvis, metres.
        focal: (N,) focal length divided by the side of the crop.
        labels: (N, L) which of `LABELS` are available. Losses ignore the others; their values are finite.
        parts: (N, H, W) SMPL part + 1 of the body's pixels, 0 for background; None for fits to photos.
    """

    rotations: Float[Tensor, "n j 3 3"]
    betas: Float[Tensor, "n s"]
    clothing: Float[Tensor, "n m"]
    pelvis_offset: Float[Tensor, "n 3"]
    pelvis: Float[Tensor, "n 3"]
    joints: Float[Tensor, "n j 3"]
    focal: Float[Tensor, "n"]
    labels: Bool[Tensor, "n l"]
    parts: UInt8[Tensor, "n h w"] | None = None

    def __len__(self) -> int:
        return len(self.focal)


@torch.no_grad()
def training_batch(
    sampler: PeopleSampler, count: int, generator: torch.Generator
) -> tuple[RegressorInputs, GroundTruth]:
    """Samples synthetic people: noisy observations of them, and their ground truth.

    Args:
        sampler: Samples and renders the people.
        count: Number of people.
        generator: Source of randomness.
    """
    return observed_people(sampler, sampler.sample(count, generator), generator)


@torch.no_grad()
def observed_people(
    sampler: PeopleSampler,
    drawn: RenderedPeople,
    generator: torch.Generator,
    labels: Bool[Tensor, "n l"] | None = None,
) -> tuple[RegressorInputs, GroundTruth]:
    """Noisy observations of rendered people, and their ground truth.

    Args:
        sampler: The sampler that rendered the people, or one that differs in noise and images.
        drawn: The people.
        generator: Source of randomness.
        labels: (N, L) which of `LABELS` are available; None: all.
    """
    truth = replace(ground_truth(sampler, drawn.people), parts=drawn.labels.to(torch.uint8))
    inputs = observed_inputs(sampler, drawn, generator)
    return inputs, truth if labels is None else replace(truth, labels=labels)


def observed_inputs(sampler: PeopleSampler, drawn: RenderedPeople, generator: torch.Generator) -> RegressorInputs:
    """Inputs of a regressor: silhouettes, part maps, keypoints and their rough depths, with observation noise.

    RGB images are added where the sampler renders them. Their occluders are independent of those of the masks.

    Args:
        sampler: The sampler that rendered the people.
        drawn: The people.
        generator: Source of randomness.
    """
    silhouette, parts_seen = add_mask_noise(drawn.labels, drawn.in_image, sampler.noise, generator)
    keypoints, confidence = add_keypoint_noise(drawn.keypoints, drawn.visible, drawn.known, sampler.noise, generator)
    count, size = len(silhouette), sampler.size
    parts = torch.zeros(count, 24, size, size)
    coarse = torch.rand(count, generator=generator) < sampler.noise.coarse_parts
    for space, chosen in ((SMPL_24_PARTS, ~coarse), (COARSE_PARTS[sampler.noise.coarse_space], coarse)):
        evidence = part_evidence(space)
        relabel = space.emission.argmax(1).roll(1)  # background first, as in `RenderedPeople.labels`
        rows = (chosen & parts_seen.flatten(1).any(1)).nonzero()[:, 0]
        if len(rows):
            parts[rows] = evidence[relabel[parts_seen[rows]]].movedim(-1, 1)
    depths, sure = add_depth_noise(drawn.keypoints_camera, drawn.visible, drawn.known, sampler.noise, generator)
    photo = None if sampler.images is None else _photos(sampler, sampler.images, drawn, generator)
    focal = drawn.people.camera.K[:, 0, 0] / size
    return RegressorInputs(silhouette, parts, keypoints, confidence, depths, sure, focal, photo)


def photo_inputs(sampler: PeopleSampler, drawn: RenderedPeople, generator: torch.Generator) -> RegressorInputs:
    """Inputs of a regressor whose only images are photos; silhouettes and part maps, which take longer, are 0.

    Args:
        sampler: The sampler that rendered the people, with `PeopleSampler.images`.
        drawn: The people.
        generator: Source of randomness.

    Raises:
        ValueError: if the sampler renders no RGB images.
    """
    if sampler.images is None:
        raise ValueError("sampler: renders no RGB images; expected a sampler with `images`")
    keypoints, confidence = add_keypoint_noise(drawn.keypoints, drawn.visible, drawn.known, sampler.noise, generator)
    depths, sure = add_depth_noise(drawn.keypoints_camera, drawn.visible, drawn.known, sampler.noise, generator)
    photo = _photos(sampler, sampler.images, drawn, generator)
    count, _, size, _ = photo.shape
    unseen, no_parts = torch.zeros(1).expand(count, size, size), torch.zeros(1).expand(count, N_PARTS, size, size)
    focal = drawn.people.camera.K[:, 0, 0] / size
    return RegressorInputs(unseen, no_parts, keypoints, confidence, depths, sure, focal, photo)


def _photos(
    sampler: PeopleSampler, images: ImageAugmentation, drawn: RenderedPeople, generator: torch.Generator
) -> Float[Tensor, "n 3 s s"]:
    """RGB images from −1 to 1, 0 outside of the photo."""
    pixels = render_rgb(sampler.body, drawn.people.vertices, drawn.face_index, images, generator, sampler.backgrounds)
    return (2 * pixels - 1) * drawn.in_image[:, None]


def ground_truth(sampler: PeopleSampler, people: People) -> GroundTruth:
    """Ground truth of synthetic people; every label is available."""
    focal = people.camera.K[:, 0, 0] / sampler.size
    pelvis = people.joints[:, 0]
    return GroundTruth(
        people.parameters.rotations,
        people.parameters.betas,
        people.clothing,
        place_in_view(pelvis, focal),
        pelvis,
        people.joints - pelvis[:, None],
        focal,
        torch.ones(len(focal), len(LABELS), dtype=torch.bool),
    )
