"""A step of the optimiser: precision, learning rate, clipped gradients, averaged weights."""

from __future__ import annotations

import math
from typing import Any

import llvmlite.binding
import torch
from accelerate import Accelerator
from torch import nn

from render_fit.training.losses import Losses
from render_fit.training.recipe import Optimiser


def mixed_precision(precision: str) -> str:
    """Precision for accelerate. ``auto`` is bf16 on GPUs and processors that compute in it, else float32.

    Others emulate bf16: a step then takes twice as long as in float32.
    """
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    has = llvmlite.binding.get_host_cpu_features()
    return "bf16" if has.get("amx-bf16") or has.get("avx512bf16") else "no"


def learning_rate(config: Optimiser, step: int, steps: int) -> float:
    """Learning rate of a step: a linear warm-up, then a cosine down to zero."""
    if step < config.warm_up:
        return config.learning_rate * (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(1, steps - config.warm_up)
    return 0.5 * config.learning_rate * (1 + math.cos(math.pi * min(1.0, done)))


def update_weights(
    accelerator: Accelerator, model: nn.Module, optimiser: Any, loss: Losses, rate: float, clip: float
) -> None:
    """One step of the optimiser at learning rate ``rate``, with the norm of the gradient limited to ``clip``."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    accelerator.backward(loss.total)
    accelerator.clip_grad_norm_(model.parameters(), clip)
    optimiser.step()


@torch.no_grad()
def average_weights(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Moves the averaged weights towards the model's: exponential average, with a shorter memory in the first steps."""
    share = 1 - min(decay, step / (step + 10))
    for mean, value in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value.to(mean), share)
        else:
            mean.copy_(value)
