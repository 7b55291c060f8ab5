"""Training loop of priors. It takes minutes on one core, so a training that was stopped starts again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

N = TypeVar("N", bound=nn.Module)

OnStep = Callable[[int, float], None]


def build_seeded(make: Callable[[], N], seed: int) -> N:
    """A network with initial weights from a seed; the global random state does not change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def train_prior_network(
    network: N,
    loss_of_step: Callable[[], Tensor],
    steps: int,
    learning_rate: float,
    weight_decay: float,
    on_step: OnStep | None = None,
) -> N:
    """Trains a network with AdamW; the learning rate rises for a fiftieth of the steps and falls afterwards.

    Args:
        network: Network to train.
        loss_of_step: Samples the data of a step and returns the loss, a scalar.
        steps: Number of steps.
        learning_rate: Largest learning rate.
        weight_decay: Weight decay of AdamW.
        on_step: Called with the step and its loss.

    Returns:
        The network, without gradients.
    """
    optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=weight_decay)
    schedule = OneCycleLR(optimiser, learning_rate, total_steps=steps, pct_start=0.02)
    for step in range(1, steps + 1):
        loss = loss_of_step()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if on_step is not None:
            on_step(step, float(loss.detach()))
    return network.requires_grad_(False).eval()
