"""The figures of a training in a file of its folder, one line of JSON for a step, from which its plots are drawn."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from render_fit.core.errors import InputError, OutputError
from render_fit.core.files import write_bytes

Line = dict[str, int | float]
"""Figures of a step by name."""

LOG = "log.jsonl"
"""File of the figures, in the folder of a training."""

LINES = 1000
"""About the largest number of lines of a training, validations not counted."""

HELD_OUT = "held out: "
"""Beginning of the names of figures of a validation on held-out people."""

ON_PHOTOS = "photos: "
"""Beginning of the names of figures of a validation on unlabelled photos."""


class FigureLog:
    """Writes the figures of a training's steps.

    What an earlier process wrote about steps after the one that the training resumes from is removed, so no step is
    there twice.

    Args:
        folder: Folder of the training.
        step: Steps done before; 0 begins a new file.
        steps: Steps of the training in all.

    Raises:
        InputError: if the file cannot be read or written.
    """

    def __init__(self, folder: Path, step: int, steps: int) -> None:
        self.path, self._every, self._last = folder / LOG, max(1, steps // LINES), steps
        kept = [line for line in _lines(self.path) if line["step"] <= step] if step else []
        write_bytes(self.path, b"".join(map(_encoded, kept)))
        self._began_s = time.monotonic() - max((line["seconds"] for line in kept), default=0.0)

    def add(self, step: int, figures: Mapping[str, float], *, validated: bool = False) -> None:
        """Adds a line: of every step of a short training, of about `LINES` of a long one, and of all validations.

        Args:
            step: Steps done.
            figures: Values by name. Those that are not finite are left out.
            validated: Whether the step is written in any case.

        Raises:
            OutputError: if it cannot be written: no space left.
        """
        if not (validated or step % self._every == 0 or step == self._last):
            return
        seconds = round(time.monotonic() - self._began_s, 3)
        values = {name: float(f"{value:.6g}") for name, value in figures.items() if math.isfinite(value)}
        try:
            with self.path.open("ab") as file:
                file.write(_encoded({"step": step, "seconds": seconds} | values))
        except OSError as error:
            raise OutputError(f"{self.path}: cannot write there ({error.strerror}); choose another --out") from error


def read_log(folder: Path | str) -> list[Line]:
    """Figures of a training, also of one that still runs.

    Args:
        folder: Folder of the training.

    Returns:
        For each step that was logged, in order: ``step``, ``seconds`` of training until then, and its figures by name:
        the loss terms and ``total``, ``learning_rate``, and of validations also those that begin with `HELD_OUT` or
        `ON_PHOTOS`.

    Raises:
        InputError: if there is no such file, or it is none of these.
    """
    path = Path(folder) / LOG
    if not path.is_file():
        raise InputError(f"{folder}: no {LOG}; expected the folder of a training (--out of render-fit train)")
    return _lines(path)


def _lines(path: Path) -> list[Line]:
    """Lines of a log by step, none if there is no file. A last line that was not written to its end is left out."""
    if not path.is_file():
        return []
    *whole, _ = path.read_bytes().split(b"\n")
    found: dict[int, Line] = {}
    for number, text in enumerate(whole, start=1):
        line = _decoded(text)
        if line is None:
            raise InputError(f"{path}: line {number}: expected the figures of a step; remove the file")
        found[int(line["step"])] = line
    return [found[step] for step in sorted(found)]


def _decoded(text: bytes) -> Line | None:
    """The figures of a line; None if they are none."""
    try:
        line: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not {"step", "seconds"} <= line.keys():
        return None
    return line if all(isinstance(value, int | float) for value in line.values()) else None


def _encoded(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"
