"""Batches of a training: synthetic people, sampled in advance by other processes, and unlabelled photos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from render_fit.core.errors import InputError
from render_fit.core.parallel import limit_threads_of_new_processes
from render_fit.regressors.inputs import RegressorInputs
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.drawn_people import DrawnPeople
from render_fit.training.feature_cache import CachedPeople
from render_fit.training.processes import Processes
from render_fit.training.samples import GroundTruth, LabelAvailability, observed_people
from render_fit.training.supervision import StepBatch
from render_fit.training.unlabelled_photos import PhotoSampler


class Shards(Dataset[tuple[RegressorInputs, GroundTruth]]):
    """Synthetic people in shards of equal size.

    A shard's number alone decides who is in it. Nothing has to be saved to resume, and any number of processes samples
    the same people.
    """

    def __init__(self, sampler: PeopleSampler, people: int, seed: int, labels: LabelAvailability) -> None:
        self.sampler, self.people, self.seed, self.labels = sampler, people, seed, labels

    def __getitem__(self, index: int) -> tuple[RegressorInputs, GroundTruth]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        drawn = self.sampler.sample(self.people, generator)
        numbers = index * self.people + torch.arange(self.people)
        return observed_people(self.sampler, drawn, generator, self.labels.carried(numbers))

    def __len__(self) -> int:
        return 2**31


@dataclass(frozen=True)
class StepBatches:
    """This process's batches of a training.

    Attributes:
        shards: Synthetic people: generated anew, with features that were computed before, or drawn before.
        per_step: Shards in a step, of all processes together.
        photos: Sampler of unlabelled photos; None without photos.
        processes: Processes that train together.

    Raises:
        InputError: if the shards of a step cannot be divided evenly among the processes.
    """

    shards: Shards | CachedPeople | DrawnPeople
    per_step: int
    photos: PhotoSampler | None
    processes: Processes

    def __post_init__(self) -> None:
        if self.per_step % self.processes.count:
            raise InputError(
                f"batch: {self.per_step} shards of {self.shards.people} cannot be divided evenly among "
                f"{self.processes.count} processes"
            )

    @contextmanager
    def load(self, steps: range, workers: int) -> Iterator[Iterator[StepBatch]]:
        """Batches of some steps, in order.

        Args:
            steps: Numbers of the steps.
            workers: Processes that sample people in advance; 0: this process samples them.
        """
        numbers = self._shards_of(steps.start, steps.stop)
        with limit_threads_of_new_processes(1):
            loader = DataLoader(
                self.shards,
                batch_size=None,
                sampler=numbers,
                num_workers=workers,
                # A process in which numba's threads have run must not fork.
                multiprocessing_context="spawn" if workers else None,
                prefetch_factor=4 if workers else None,
                # else every start, so every resumed training, draws from the training's own random numbers
                generator=torch.Generator(),
            )
            loaded = iter(loader)
        yield (self._batch(step, loaded) for step in steps)

    def _batch(self, step: int, loaded: Iterator[tuple[RegressorInputs, GroundTruth]]) -> StepBatch:
        numbers = self._shards_of(step, step + 1)
        try:
            inputs, truths = zip(*(next(loaded) for _ in numbers), strict=True)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise InputError(
                "a process that samples people died, probably for lack of memory: use fewer --workers, and train again "
                "to resume"
            ) from error
        photos = rows = None
        if self.photos is not None:
            rows = self.photos.rows(step)
            photos = self.photos.photos[rows]
            inputs = (*inputs, photos.inputs)
        truth = GroundTruth.joined(truths).to(self.processes.device)
        return StepBatch(RegressorInputs.joined(inputs), truth, numbers, photos, rows)

    def _shards_of(self, first: int, end: int) -> range:
        """Numbers of this process's shards, from step ``first`` up to step ``end``."""
        return range(first * self.per_step + self.processes.rank, end * self.per_step, self.processes.count)
