"""Drawn people as if nobody had labelled them: what can be learnt from observations, judged by a truth kept aside."""

from __future__ import annotations

import torch

from render_fit.core.cameras import PERSON_MARGIN
from render_fit.core.skeletons import Skeleton, canonical_columns
from render_fit.losses.targets import FitTargets
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.person_crop import PersonCrop
from render_fit.synthesis.people import People
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.render_supervision import UnlabelledPhotos
from render_fit.training.samples import GroundTruth, ground_truth, observed_inputs


def sample_unlabelled(
    synthesis: PeopleSampler, count: int, generator: torch.Generator, chunk: int = 64
) -> tuple[UnlabelledPhotos, GroundTruth]:
    """Draws people and what was observed of them: silhouette and keypoints.

    Args:
        synthesis: Who draws; one annotator tells the keypoints of all.
        count: How many people.
        generator: Source of randomness.
        chunk: People drawn at a time.

    Returns:
        Observations, and the truth behind them, in the same order.

    Raises:
        ValueError: if several annotators tell keypoints, which then cannot be compared with in one batch.
    """
    if len(synthesis.keypoint_formats) != 1:
        raise ValueError(f"synthesis: expected one annotator of keypoints, got {len(synthesis.keypoint_formats)}")
    seen, truths = [], []
    for first in range(0, count, chunk):
        drawn = synthesis.draw(min(chunk, count - first), generator)
        inputs = observed_inputs(synthesis, drawn, generator)
        seen.append(_compared(inputs, drawn.people, synthesis.keypoint_formats[0]))
        truths.append(ground_truth(synthesis, drawn.people))
    return UnlabelledPhotos.joined(seen), GroundTruth.joined(truths)


def _compared(inputs: RegressorInputs, who: People, skeleton: Skeleton) -> UnlabelledPhotos:
    """Inputs beside the same things as the terms compare with them: the view is the photo."""
    n, size, _ = inputs.silhouette.shape
    theirs, ours = canonical_columns(skeleton)
    keypoints, confidence = torch.zeros(n, len(skeleton), 2), torch.zeros(n, len(skeleton))
    keypoints[:, theirs] = (inputs.keypoints[:, ours] + 1) * size / 2
    confidence[:, theirs] = inputs.confidence[:, ours]
    turn = torch.eye(3).repeat(n, 1, 1)
    targets = FitTargets(
        camera=who.camera,
        person_size_px=torch.full((n,), size / PERSON_MARGIN),
        valid=inputs.silhouette != 0,
        mask=(inputs.silhouette > 0).float(),
        keypoints_px=keypoints,
        confidence=confidence,
        skeleton=skeleton,
    )
    return UnlabelledPhotos(inputs, PersonCrop(who.camera, turn), targets)
