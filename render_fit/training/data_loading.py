"""Drawn people in the order in which a training sees them, drawn ahead by other processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch.utils.data import DataLoader, Dataset

from render_fit.core.parallel import limit_threads_of_new_processes
from render_fit.regressors.inputs import RegressorInputs
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.label_availability import LabelAvailability
from render_fit.training.samples import GroundTruth, training_batch


class Shards(Dataset[tuple[RegressorInputs, GroundTruth]]):
    """People, some at a time. A shard's number decides who is in it: nothing needs to remember where it was, and any
    number of processes draws the same."""

    def __init__(self, synthesis: PeopleSampler, people: int, seed: int, labels: LabelAvailability) -> None:
        self.synthesis, self.people, self.seed, self.labels = synthesis, people, seed, labels

    def __getitem__(self, index: int) -> tuple[RegressorInputs, GroundTruth]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        inputs, truth = training_batch(self.synthesis, self.people, generator)
        numbers = index * self.people + torch.arange(self.people)
        return inputs, replace(truth, labels=self.labels.carried(numbers))

    def __len__(self) -> int:
        return 2**31


@contextmanager
def prefetch(data: Shards, numbers: range, workers: int) -> Iterator[Iterator[tuple[RegressorInputs, GroundTruth]]]:
    """Some shards, one after the other.

    Args:
        data: The shards.
        numbers: Which.
        workers: Processes that draw them; 0: this one does.
    """
    with limit_threads_of_new_processes(1):
        loader = DataLoader(
            data,
            batch_size=None,
            sampler=numbers,
            num_workers=workers,
            # A process that has drawn must not fork.
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=4 if workers else None,
        )
        yield iter(loader)
