"""Finds the result of another system for a photo; imports no torch, so that a wrong path fails at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from render_fit.core.errors import InputError

ENDINGS = (".npz", ".pkl", ".pickle", ".obj", ".ply", ".stl", ".glb")
"""Endings of results, in the order in which one of several about a photo is chosen."""


def file_for(start: Path | None, photo: Path) -> Path | None:
    """The result for a photo: the file, or ``<stem>.npz``, ``<name>.npz``, … in a folder.

    Args:
        start: A file or a folder; None: no result. A folder of one of our fits counts as its params.npz.
        photo: Path of the photo.

    Returns:
        The file; None if the folder has none for this photo.
    """
    if start is None or not start.is_dir():
        return start
    if (start / "params.npz").is_file():
        return start / "params.npz"
    names = [f"{stem}{ending}" for ending in ENDINGS for stem in (photo.stem, photo.name)]
    names.append(str(Path(photo.stem) / "params.npz"))
    return next((start / name for name in names if (start / name).is_file()), None)


def check_start(start: Path | None, photos: Sequence[Path]) -> None:
    """Checks that there is a result for at least one photo.

    Raises:
        InputError: if the file or folder does not exist, or the folder has no result for any photo.
    """
    if start is None:
        return
    if not start.exists():
        raise InputError(f"{start}: no such file or folder; expected the result of another system (--start)")
    if not any(file_for(start, photo) for photo in photos):
        there = sorted(path.name for path in start.iterdir())
        shown = ", ".join(there[:8]) + (", …" if len(there) > 8 else "") or "nothing"
        raise InputError(f"{start}: no result for {photos[0].name}: expected {photos[0].stem}.npz or .pkl; has {shown}")
    if start.is_file() and len(photos) > 1 and start.suffix.lower() not in (".npz", ".pkl", ".pickle"):
        raise InputError(f"{start}: belongs to one photo; for many give a folder with <stem>{start.suffix} for each")
