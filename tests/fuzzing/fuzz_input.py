"""One input of the fuzzing program: files and a command line."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from tests.fuzzing import examples


@dataclass(frozen=True)
class FuzzInput:
    """One input.

    Attributes:
        kind: Kind of input, a key of `inputs.KINDS`.
        files: Files in the folder ``in``, by name; names may have folders in them.
        command: Command line; ``in/`` and ``out`` are folders of the input.
        readers: Readers of the library that are called first: names in `entrances.READERS`, with their arguments.
        whole_way: Whether accepted inputs are fitted, rather than stopped before the fit.
    """

    kind: str
    files: dict[str, bytes]
    command: tuple[str, ...] = ()
    readers: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    whole_way: bool = False


FIT = ("fit", "in/photo.png", "--out", "out", "--save", "", "--recipe", "in/quick.yaml")
GIVEN = ("--mask", "in/mask.png", "--keypoints", "in/keypoints.json")


def fit_input(kind: str, files: dict[str, bytes], *more: str, readers: Any = (), given: Any = GIVEN) -> FuzzInput:
    """An input of ``render-fit fit``; one in sixteen goes the whole way."""
    whole_way = zlib.crc32(b"".join(files.values())) % 16 == 0  # hypothesis draws one number more often than others
    return FuzzInput(kind, {**examples.sound_files(), **files}, (*FIT, *given, *more), readers, whole_way)
