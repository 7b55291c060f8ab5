"""Base class of batches of people: tensors with one row per person, indexed, joined and moved together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

B = TypeVar("B", bound="Batch")


class Batch:
    """Base of dataclasses whose fields are all tensors with one row per person, or None if absent."""

    def __getitem__(self: B, index: slice | Tensor) -> B:
        return type(self)(**{name: value[index] for name, value in self.tensors().items()})

    def to(self: B, device: torch.device | str) -> B:
        """The batch on another device."""
        return type(self)(**{name: value.to(device) for name, value in self.tensors().items()})

    @classmethod
    def joined(cls: type[B], parts: Sequence[B]) -> B:
        """Concatenates several batches.

        Raises:
            ValueError: if a field is None in some batches only.
        """
        rows = [part.tensors() for part in parts]
        for row in rows[1:]:
            if row.keys() != rows[0].keys():
                raise ValueError(f"joined: only some of the batches carry {', '.join(row.keys() ^ rows[0].keys())}")
        return cls(**{name: torch.cat([row[name] for row in rows]) for name in rows[0]})

    def tensors(self) -> dict[str, Tensor]:
        """The fields that are not None, by name."""
        this: Any = self  # only its subclasses are dataclasses
        values = {f.name: getattr(this, f.name) for f in fields(this)}
        return {name: value for name, value in values.items() if value is not None}
