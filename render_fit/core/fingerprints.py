"""Whether a file is still the same: by its content, or within a process by what the system says of it.

A time of change alone decides nothing: clocks are set back, and copies keep the time of what they were made from.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

CHUNK_BYTES = 1 << 20

Identity = tuple[int, ...]
"""What the system says of a file: number, size, and times of the content's and of the entry's last change."""


def file_identity(path: Path | str) -> Identity:
    """Identity of a file, for caches of one process; empty if there is no such file."""
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return ()
    # the time of the entry's change cannot be set by who copies the file
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content; empty if it cannot be read."""
    try:
        return _hash(path, file_identity(path))
    except OSError:
        return ""


@lru_cache(maxsize=64)
def _hash(path: Path, _: Identity) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()
