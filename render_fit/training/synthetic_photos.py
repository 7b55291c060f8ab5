"""Synthetic people as unlabelled photos: supervision without labels, evaluated with the ground truth held back."""

from __future__ import annotations

import torch

from render_fit.core.cameras import PERSON_MARGIN
from render_fit.core.skeletons import Skeleton, canonical_columns
from render_fit.losses.targets import FitTargets
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.person_crop import PersonCrop
from render_fit.synthesis.people import People
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.samples import GroundTruth, ground_truth, observed_inputs
from render_fit.training.unlabelled_photos import UnlabelledPhotos


def sample_unlabelled(
    sampler: PeopleSampler, count: int, generator: torch.Generator, chunk: int = 64
) -> tuple[UnlabelledPhotos, GroundTruth]:
    """Samples people and observations of them: silhouette and keypoints.

    Args:
        sampler: Sampler with one keypoint format.
        count: Number of people.
        generator: Source of randomness.
        chunk: People in a batch.

    Returns:
        Observations, and their ground truth in the same order.

    Raises:
        ValueError: if the sampler has several keypoint formats, which cannot be compared in one batch.
    """
    if len(sampler.keypoint_formats) != 1:
        raise ValueError(f"sampler: expected one keypoint format, got {len(sampler.keypoint_formats)}")
    observed, truths = [], []
    for first in range(0, count, chunk):
        drawn = sampler.sample(min(chunk, count - first), generator)
        inputs = observed_inputs(sampler, drawn, generator)
        observed.append(_unlabelled(inputs, drawn.people, sampler.keypoint_formats[0]))
        truths.append(ground_truth(sampler, drawn.people))
    return UnlabelledPhotos.joined(observed), GroundTruth.joined(truths)


def _unlabelled(inputs: RegressorInputs, people: People, skeleton: Skeleton) -> UnlabelledPhotos:
    """Inputs, and the same observations as targets: the crop is the photo."""
    n, size, _ = inputs.silhouette.shape
    columns, canonical = canonical_columns(skeleton)
    keypoints, confidence = torch.zeros(n, len(skeleton), 2), torch.zeros(n, len(skeleton))
    keypoints[:, columns] = (inputs.keypoints[:, canonical] + 1) * size / 2
    confidence[:, columns] = inputs.confidence[:, canonical]
    rotation = torch.eye(3).repeat(n, 1, 1)
    targets = FitTargets(
        camera=people.camera,
        person_size_px=torch.full((n,), size / PERSON_MARGIN),
        valid=inputs.silhouette != 0,
        mask=(inputs.silhouette > 0).float(),
        keypoints_px=keypoints,
        confidence=confidence,
        skeleton=skeleton,
    )
    return UnlabelledPhotos(inputs, PersonCrop(people.camera, rotation), targets)
