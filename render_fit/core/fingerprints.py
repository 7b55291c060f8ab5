"""Whether a file or a value is still the same: by its content, or within a process by what the system says of a file.

A time of change alone decides nothing: clocks are set back, and copies keep the time of what they were made from.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

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


def folder_hash(folder: Path) -> str:
    """SHA-256 of the names and contents of all files in a folder, compiled ones left out."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(f"{path.relative_to(folder).as_posix()}\0{content_hash(path)}\n".encode())
    return found.hexdigest()


def value_hash(value: Any) -> str:
    """SHA-256 of a value, the same in every process: of text, numbers, tensors and arrays by their content, of paths by
    name and, if there is such a file, its content, and of mappings, sequences, sets and dataclasses of such values.

    Raises:
        TypeError: if it contains something else, whose content is not known.
    """
    found = hashlib.sha256()
    _add(value, found)
    return found.hexdigest()


def _add(value: Any, found: hashlib._Hash) -> None:
    """Adds a value to a hash: its type, its length, and what it contains."""

    def add(kind: str, content: bytes | str = b"") -> None:
        plain = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        found.update(kind.encode() + struct.pack("<q", len(plain)) + plain)

    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        add(type(value).__name__, value if isinstance(value, (str, bytes)) else repr(value))
    elif isinstance(value, Path):
        add("path", str(value))
        add("content", content_hash(value))
    elif isinstance(value, Mapping):
        add("mapping", str(len(value)))
        for part in sorted((value_hash(key), value_hash(item)) for key, item in value.items()):
            add("item", "".join(part))
    elif isinstance(value, Set):
        add("set", "".join(sorted(map(value_hash, value))))
    elif isinstance(value, Sequence):
        add("sequence", str(len(value)))
        for item in value:
            _add(item, found)
    elif hasattr(value, "detach"):  # a tensor, without importing torch
        _add(value.detach().cpu().numpy(), found)
    elif hasattr(value, "tobytes") and not value.dtype.hasobject:
        add("array", f"{value.dtype} {value.shape}")
        add("content", value.tobytes())
    elif is_dataclass(value) and not isinstance(value, type):
        add("dataclass", type(value).__qualname__)
        _add({field.name: getattr(value, field.name) for field in fields(value)}, found)
    else:
        raise TypeError(f"{type(value).__qualname__}: expected values whose content is known; add its kind here")
