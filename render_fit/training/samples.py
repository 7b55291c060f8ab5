"""Synthetic people as a regressor's inputs and targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from render_fit.core.batch import Batch
from render_fit.core.parts import PART_SPACES, part_evidence
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import place_in_view
from render_fit.synthesis.images.training_images import render_rgb
from render_fit.synthesis.observation_noise import add_depth_noise, add_keypoint_noise, add_mask_noise
from render_fit.synthesis.people import People
from render_fit.synthesis.people_sampler import PeopleSampler, RenderedPeople
from render_fit.training.label_availability import LABELS


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
    drawn = sampler.sample(count, generator)
    truth = ground_truth(sampler, drawn.people)
    return observed_inputs(sampler, drawn, generator), replace(truth, parts=drawn.labels.to(torch.uint8))


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
    for space, chosen in (("smpl24", ~coarse), ("nbf12", coarse)):
        evidence = part_evidence(PART_SPACES[space])
        relabel = PART_SPACES[space].emission.argmax(1).roll(1)  # background first, as in `RenderedPeople.labels`
        rows = (chosen & parts_seen.flatten(1).any(1)).nonzero()[:, 0]
        if len(rows):
            parts[rows] = evidence[relabel[parts_seen[rows]]].movedim(-1, 1)
    depths, sure = add_depth_noise(drawn.keypoints_camera, drawn.visible, drawn.known, sampler.noise, generator)
    photo = None
    if sampler.images is not None:
        pixels = render_rgb(sampler.body, drawn.people.vertices, drawn.face_index, sampler.images, generator)
        photo = (2 * pixels - 1) * drawn.in_image[:, None]
    focal = drawn.people.camera.K[:, 0, 0] / size
    return RegressorInputs(silhouette, parts, keypoints, confidence, depths, sure, focal, photo)


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
