"""Order of a fixed set of things in the epochs of a training."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor


class EpochOrder:
    """A random order for each epoch, decided by the seed and the number of the epoch alone.

    Args:
        count: Number of things.
        seed: Seed of all orders.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def of(self, epoch: int) -> Int64[Tensor, "n"]:
        """(N,) numbers of the things in the order of an epoch; that of the last epoch asked for is kept."""
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, torch.randperm(self.count, generator=generator)
        return self._order
