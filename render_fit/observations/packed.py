"""Observations of many images in little memory: their maps are compressed while they are not in use."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import torch
from torch import Tensor

from render_fit.observations.observation import Observation


@dataclass(frozen=True)
class PackedObservation:
    """An observation whose maps are compressed; masks are rounded to 1/255. The image is not kept.

    Attributes:
        rest: The observation without its maps.
        valid: Compressed map of `Observation.valid`.
        mask: That of the mask in 8 bits, if there is one.
        labels: That of the labels, if there are some.
    """

    rest: Observation
    valid: bytes
    mask: bytes | None
    labels: bytes | None

    @staticmethod
    def of(observation: Observation) -> PackedObservation:
        """Packs an observation."""
        mask, labels = observation.mask, observation.labels
        return PackedObservation(
            without_maps(observation),
            _packed(observation.valid.numpy()),
            None if mask is None else _packed((255 * mask).round().to(torch.uint8).numpy()),
            None if labels is None else _packed(labels.numpy()),
        )

    def unpacked(self) -> Observation:
        """The observation."""
        labels = None if self.labels is None else self._map(self.labels, np.int64)
        mask = None if self.mask is None else self._map(self.mask, np.uint8).float() / 255
        return replace(self.rest, valid=self._map(self.valid, np.bool_), mask=mask, labels=labels)

    def _map(self, packed: bytes, kind: type) -> Tensor:
        values = np.frombuffer(bytearray(zlib.decompress(packed)), dtype=kind)
        return torch.from_numpy(values.reshape(self.rest.image_size))


class PackedObservations(Sequence[Observation]):
    """A sequence of observations, each unpacked when it is asked for."""

    def __init__(self, packed: Iterable[PackedObservation]) -> None:
        self._packed = list(packed)

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> PackedObservations: ...
    def __getitem__(self, index: int | slice) -> Observation | PackedObservations:
        if isinstance(index, slice):
            return PackedObservations(self._packed[index])
        return self._packed[index].unpacked()


def without_maps(observation: Observation) -> Observation:
    """The observation without image, mask and labels; all pixels count as valid."""
    valid = torch.ones((), dtype=torch.bool).expand(observation.image_size)
    return replace(observation, valid=valid, image=None, mask=None, labels=None)


def _packed(values: np.ndarray) -> bytes:
    return zlib.compress(np.ascontiguousarray(values).tobytes(), 1)
