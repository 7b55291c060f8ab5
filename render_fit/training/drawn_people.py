"""Synthetic people that are drawn once and observed anew in every epoch: for trainings that are compared.

Drawing a person (body, rendering) takes twice as long as observing it (errors of masks, part maps and keypoints). The
people of one draw serve several trainings, whose networks may see other inputs of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.utils.data import Dataset

from render_fit.core.errors import InputError
from render_fit.regressors.inputs import RegressorInputs
from render_fit.synthesis.people_sampler import PeopleSampler, RenderedPeople
from render_fit.training.epoch_order import EpochOrder
from render_fit.training.samples import GroundTruth, LabelAvailability, observed_people


def draw_people(sampler: PeopleSampler, shards: int, people: int, seed: int) -> list[RenderedPeople]:
    """Draws shards of people.

    Args:
        sampler: Sampler of the people; its noise and images are not used.
        shards: Number of shards.
        people: People in a shard.
        seed: Seed of the people.
    """
    generator = torch.Generator().manual_seed(seed)
    return [sampler.sample(people, generator) for _ in range(shards)]


class DrawnPeople(Dataset[tuple[RegressorInputs, GroundTruth]]):
    """A fixed set of synthetic people, in shards, with new errors of observation and another order in every epoch.

    The number of a shard alone decides who is in it and how they are observed, as in `data_loading.Shards`.

    Args:
        drawn: Shards of equal size.
        sampler: Its noise, and its images if it has any, are those of the observations. Images have the size in which
            the people were drawn.
        seed: Seed of order and observations.
        labels: Shares of people with each kind of label. The same people have a label in every epoch.

    Raises:
        InputError: if there is no shard, or the sampler makes images of another size.
    """

    def __init__(
        self, drawn: Sequence[RenderedPeople], sampler: PeopleSampler, seed: int, labels: LabelAvailability
    ) -> None:
        if not drawn:
            raise InputError("drawn: expected at least one shard of people, got none")
        side = drawn[0].labels.shape[-1]
        if side != sampler.size:
            raise InputError(f"sampler: expected images of {side} pixels, as the people were drawn, got {sampler.size}")
        self.drawn, self.sampler, self.seed, self.labels = drawn, sampler, seed, labels
        self.people = len(drawn[0].labels)
        self._order = EpochOrder(len(drawn), seed)

    def __getitem__(self, index: int) -> tuple[RegressorInputs, GroundTruth]:
        epoch, place = divmod(index, len(self.drawn))
        number = int(self._order.of(epoch)[place])
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        numbers = number * self.people + torch.arange(self.people)
        return observed_people(self.sampler, self.drawn[number], generator, self.labels.carried(numbers))

    def __len__(self) -> int:
        return 2**31
