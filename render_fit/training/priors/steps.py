"""The steps by which priors learn: minutes on one core, so a training that was stopped is simply begun anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

N = TypeVar("N", bound=nn.Module)

Watch = Callable[[int, float], None]


def build_seeded(make: Callable[[], N], seed: int) -> N:
    """A network whose first weights the seed decides; everybody else's randomness is left as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def train_prior_network(
    network: N,
    loss_of_step: Callable[[], Tensor],
    steps: int,
    learning_rate: float,
    weight_decay: float,
    watch: Watch | None = None,
) -> N:
    """Trains a network by AdamW, the rate rising for a fiftieth of the steps and falling afterwards.

    Args:
        network: What learns.
        loss_of_step: Draws a step's data and gives its loss, a scalar.
        steps: How many.
        learning_rate: The highest.
        weight_decay: AdamW's.
        watch: Called with the step and its loss.

    Returns:
        The network, which no longer learns.
    """
    optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=weight_decay)
    schedule = OneCycleLR(optimiser, learning_rate, total_steps=steps, pct_start=0.02)
    for step in range(1, steps + 1):
        loss = loss_of_step()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if watch is not None:
            watch(step, float(loss.detach()))
    return network.requires_grad_(False).eval()
