"""Kinds of files that a saved fit is written as for other programs; without torch, to be checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from render_fit.core.errors import InputError

ANIMATION_KINDS = {
    ".glb": "skinned body and clothes with the motion",
    ".bvh": "skeleton and motion",
    ".npz": "poses and translations as in AMASS",
    ".obj": "mesh of one frame",
    ".ply": "mesh of one frame",
}
"""Endings, and what is written."""


def check_animation_files(files: Sequence[Path], fit: Path | None = None) -> None:
    """Checks the names of files to write.

    Args:
        files: The files.
        fit: The ``params.npz`` that is read, which must not be overwritten.

    Raises:
        InputError: for an ending that is not known, a folder, a file that is named twice, or the fit itself.
    """
    seen = set()
    for file in files:
        if file.suffix.lower() not in ANIMATION_KINDS:
            ending = repr(file.suffix) if file.suffix else "without an ending"
            raise InputError(f"{file}: {ending} is not written; known are {', '.join(ANIMATION_KINDS)}")
        if file.is_dir():
            raise InputError(f"{file}: is a folder where a file has to go; choose another name")
        place = file.resolve()
        if place in seen:
            raise InputError(f"{file}: named twice; choose another name")
        if fit is not None and place == fit.resolve():
            raise InputError(f"{file}: is the fit that is exported; choose another name")
        seen.add(place)
