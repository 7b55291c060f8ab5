"""The likeliest sequence of hypotheses."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from render_fit.fitting.sequence import FIT_ERROR_M, SPEED_M_S, likeliest_sequence

SECONDS = [0.0, 0.1, 0.2, 0.4, 0.5]


def body(elbow_m: float) -> torch.Tensor:
    """A root and two joints; the elbow is in front of the body or behind it."""
    return torch.tensor([[0.0, 0.0, 3.0], [0.2, 0.3, 3.0], [0.4, 0.3, 3.0 + elbow_m]])


def test_a_frame_that_likes_the_flipped_arm_a_little_better_follows_its_neighbours():
    joints = [torch.stack([body(-0.3), body(0.3)])] * 5
    losses = [torch.tensor([0.0, 3.0])] * 2 + [torch.tensor([2.0, 0.0])] + [torch.tensor([0.0, 3.0])] * 2
    assert likeliest_sequence(losses, joints, SECONDS) == [0] * 5


def test_a_frame_that_is_sure_jumps():
    joints = [torch.stack([body(-0.3), body(0.3)])] * 5
    losses = [torch.tensor([0.0, 3.0])] * 2 + [torch.tensor([90.0, 0.0])] + [torch.tensor([0.0, 3.0])] * 2
    assert likeliest_sequence(losses, joints, SECONDS) == [0, 0, 1, 0, 0]


def test_the_place_of_the_person_does_not_count_and_impossible_bodies_are_not_chosen():
    joints = [torch.stack([body(-0.3) + torch.tensor([shift, 0.0, 0.5]), body(0.3)]) for shift in range(5)]
    losses = [torch.tensor([0.0, torch.nan]), *[torch.zeros(2)] * 3, torch.tensor([0.0, torch.inf])]
    assert likeliest_sequence(losses, joints, SECONDS) == [0] * 5


@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_costs_less(seed: int):
    generator = torch.Generator().manual_seed(seed)
    counts = [2, 3, 1, 3, 2]
    losses = [5 * torch.rand(count, generator=generator) for count in counts]
    joints = [0.2 * torch.randn(count, 4, 3, generator=generator) for count in counts]

    def cost(sequence: tuple[int, ...]) -> float:
        total = sum(float(loss[i]) for loss, i in zip(losses, sequence, strict=True))
        for t in range(1, 5):
            now, before = (joints[k][sequence[k]] for k in (t, t - 1))
            moved = (now - now[0]) - (before - before[0])
            total += float(moved.norm(dim=-1).sum()) / (FIT_ERROR_M + SPEED_M_S * (SECONDS[t] - SECONDS[t - 1]))
        return total

    best = min(product(*(range(count) for count in counts)), key=cost)
    assert tuple(likeliest_sequence(losses, joints, SECONDS)) == best
