"""Processes that train together, one device each: sums, means and rows over all of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import parse_flag_from_env
from torch import Tensor

from render_fit.core.errors import InputError


@dataclass(frozen=True)
class Processes:
    """Processes that train together; without an ``accelerator``, this one alone, on the CPU."""

    accelerator: Accelerator | None = None

    @property
    def count(self) -> int:
        """Number of processes."""
        return self.accelerator.num_processes if self.accelerator else 1

    @property
    def rank(self) -> int:
        """Index of this process."""
        return self.accelerator.process_index if self.accelerator else 0

    @property
    def device(self) -> torch.device:
        """Device of this process's network."""
        return self.accelerator.device if self.accelerator else torch.device("cpu")

    def global_count(self, people: Tensor) -> Tensor:
        """Numbers of people in all processes, divided by the number of processes.

        Gradients are averaged over processes. A sum over this process's people, divided by this, therefore is its share
        of the mean over all people.
        """
        total: Any = self.accelerator.reduce(people.to(self.device), "sum") if self.accelerator else people
        return total.to(people.device) / self.count

    def all_reduce_mean(self, tensor: Tensor) -> Tensor:
        """Mean of a tensor over the processes."""
        mean: Any = self.accelerator.reduce(tensor, "mean") if self.accelerator else tensor
        return mean

    def all_gather(self, tensor: Tensor) -> Tensor:
        """Rows of a tensor of all processes, concatenated."""
        rows: Any = self.accelerator.gather(tensor.to(self.device)) if self.accelerator else tensor
        return rows.to(tensor.device)


ALONE = Processes()
"""This process alone."""


def process_state() -> PartialState:
    """Processes that train together, as they were started. Only the main process writes files and prints.

    Raises:
        InputError: if several processes were started that are not connected.
    """
    processes = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if processes.num_processes < started:
        raise InputError(
            f"{started} processes were started, and accelerate found no device for each of them; "
            "to train on CPUs, set ACCELERATE_USE_CPU=true"
        )
    return processes
