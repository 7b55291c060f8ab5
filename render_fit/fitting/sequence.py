"""The likeliest hypotheses of a video: of bodies that frames hardly tell apart, those that move steadily."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

SPEED_M_S = 1.0
"""Usual speed of a joint relative to the pelvis, m/s; set by hand."""

FIT_ERROR_M = 0.05
"""Usual difference of a joint between fits of single frames that show the same body, metres; set by hand."""


def likeliest_sequence(
    losses: Sequence[Float[Tensor, "_"]], joints: Sequence[Float[Tensor, "_ k 3"]], seconds: Sequence[float]
) -> list[int]:
    """Chooses one hypothesis of each frame by dynamic programming (Viterbi).

    The cost of a sequence is the sum of its losses and, for every joint between two frames, the negative logarithm of
    a Laplace density: distance over the usual one, which grows with the time between the frames. So a single jump,
    or a joint that was fitted badly, costs in proportion to its length only.

    Args:
        losses: For each of N frames the objective of its H hypotheses, nats; infinite for impossible ones.
        joints: For each frame (H, K, 3) joints, metres; the first one is the root, whose position does not count.
        seconds: Time of each frame.

    Returns:
        N indices.
    """
    centred = [one - one[:, :1] for one in joints]
    total, sources = losses[0].nan_to_num(torch.inf), []
    for index in range(1, len(losses)):
        usual_m = FIT_ERROR_M + SPEED_M_S * abs(seconds[index] - seconds[index - 1])
        distance_m = (centred[index - 1][:, None] - centred[index][None]).norm(dim=-1)  # (before, now, joint)
        reached = total[:, None] + distance_m.sum(dim=-1) / usual_m
        best = reached.min(dim=0)
        sources.append(best.indices)
        total = best.values + losses[index].nan_to_num(torch.inf)
    chosen = [int(total.argmin())]
    for source in reversed(sources):
        chosen.append(int(source[chosen[-1]]))
    return chosen[::-1]
