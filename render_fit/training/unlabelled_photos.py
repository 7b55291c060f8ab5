"""People in unlabelled photos, real or synthetic ones, and which of them a training step uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from render_fit.core.cameras import PERSON_MARGIN, Camera
from render_fit.core.errors import InputError
from render_fit.core.skeletons import Skeleton, canonical_columns
from render_fit.losses.targets import FitTargets, targets_from
from render_fit.observations.observation import Observation
from render_fit.regressors.inputs import RegressorInputs, inputs_from_observation
from render_fit.regressors.person_crop import PersonCrop
from render_fit.synthesis.people import People
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.processes import Processes
from render_fit.training.samples import GroundTruth, ground_truth, observed_inputs


@dataclass(frozen=True)
class UnlabelledPhotos:
    """Observations of N people in photos without labels.

    Attributes:
        inputs: Inputs of the regressor.
        view: Crop cameras of the people.
        targets: Observations that predictions are compared with.
    """

    inputs: RegressorInputs
    view: PersonCrop
    targets: FitTargets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Tensor) -> UnlabelledPhotos:
        return UnlabelledPhotos(self.inputs[rows], self.view[rows], self.targets[rows])

    @staticmethod
    def of(
        observations: Sequence[Observation],
        cameras: Sequence[Camera],
        size: int,
        resolution: int,
        margin: float = 0.1,
        *,
        photo: bool = False,
    ) -> UnlabelledPhotos:
        """Crops observations, once for the regressor and once for the comparison.

        Args:
            observations: z(I), in pixels of the photos.
            cameras: Cameras of the photos.
            size: Side of the regressor's crop, pixels.
            resolution: Side of the comparison's crop, pixels.
            margin: Space on each side of the comparison's crop, as a share of the person's longer side.
            photo: Include the photo's pixels in the inputs.

        Raises:
            ValueError: if some observations contain what others lack.
            InputError: if pixels are required and an observation has none.
        """
        return UnlabelledPhotos.joined(
            [
                UnlabelledPhotos(
                    *inputs_from_observation(one, camera, size, photo=photo),
                    targets_from(one, camera, resolution, margin),
                )
                for one, camera in zip(observations, cameras, strict=True)
            ]
        )

    @staticmethod
    def joined(parts: Sequence[UnlabelledPhotos]) -> UnlabelledPhotos:
        """Concatenates people.

        Raises:
            ValueError: if some parts contain what others lack.
        """
        views = [part.view for part in parts]
        size = views[0].camera.width
        camera = Camera(torch.cat([view.camera.K for view in views]), size, size)
        return UnlabelledPhotos(
            RegressorInputs.joined([part.inputs for part in parts]),
            PersonCrop(camera, torch.cat([view.rotation for view in views])),
            FitTargets.joined([part.targets for part in parts]),
        )


@dataclass(frozen=True)
class PhotoSampler:
    """Chooses the photos of every step: all photos in turn, in another order on every pass.

    Attributes:
        photos: All people in photos, on the CPU.
        batch: People in a step, of all processes together.
        seed: Seed of the order.
        processes: Processes that train together.
    """

    photos: UnlabelledPhotos
    batch: int
    seed: int
    processes: Processes

    def rows(self, step: int) -> Int64[Tensor, "p"]:
        """Indices of this process's photos of a step. They depend on the step's number and the seed alone."""
        count, rows = len(self.photos), []
        for number in range(step * self.batch + self.processes.rank, (step + 1) * self.batch, self.processes.count):
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number // count)
            rows.append(torch.randperm(count, generator=generator)[number % count])
        return torch.stack(rows)

    def state_dict(self) -> dict[str, Any]:
        """Number of people in photos."""
        return {"photos": len(self.photos)}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Checks that a training resumes with as many people in photos as it had.

        Raises:
            InputError: if the number differs.
        """
        if content["photos"] != len(self.photos):
            raise InputError(
                f"photos: the training was started with {content['photos']} people in photos, now there are "
                f"{len(self.photos)}; give the same photos, or choose another --out"
            )


def sample_unlabelled(
    sampler: PeopleSampler, count: int, generator: torch.Generator, chunk: int = 64
) -> tuple[UnlabelledPhotos, GroundTruth]:
    """Samples synthetic people as unlabelled photos: supervision without labels, judged by their ground truth.

    They are observed by silhouette and keypoints.

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
