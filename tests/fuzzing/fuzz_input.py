"""One input of the fuzzing program: files and a command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.fuzzing import examples
from tests.fuzzing.damage import Draw


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


def fit_input(
    draw: Draw, kind: str, files: dict[str, bytes], *more: str, readers: Any = (), given: Any = GIVEN
) -> FuzzInput:
    """An input of ``render-fit fit``; one in sixteen goes the whole way."""
    whole_way = draw(st.integers(0, 15)) == 15
    return FuzzInput(kind, {**examples.sound_files(), **files}, (*FIT, *given, *more), readers, whole_way)
