"""Reads and writes .npz files. Whatever is wrong with one of other people or tools is told in one line.

Such a file is an archive. It can be cut off, encrypted, or compressed in a way that nobody knows; a header in it can
promise an array of any size, and a few kilobytes can unpack to gigabytes. zipfile, the decompressors and numpy report
each of these by another error.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from render_fit.core.errors import InputError
from render_fit.core.file_kinds import and_what_it_is
from render_fit.core.files import write_bytes

MOST_BYTES = 1 << 29
"""Largest size of the arrays that are read from one file, unpacked. SMPL-X's arrays take 230 MB in float64."""

_SUFFIX = ".npy"


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, Any]:
    """Reads arrays of an .npz file; nothing in it is executed.

    Args:
        path: The file.
        names: Arrays to read, of which some may be missing; None: all.

    Returns:
        Name → array, of any type and shape, but not of Python objects; None for the arrays that are not wanted.

    Raises:
        InputError: if the file is missing, damaged, no .npz file, too large, or holds Python objects.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected an .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {one.filename.removesuffix(_SUFFIX): one for one in archive.infolist() if _is_array(one)}
            wanted = [name for name in members if names is None or name in names]
            # zipfile unpacks no more of a member than the archive says
            total = sum(members[name].file_size for name in wanted)
            if total > MOST_BYTES:
                raise InputError(
                    f"{path}: holds {total / 1e9:.1f} GB of arrays; expected at most {MOST_BYTES / 1e9:.1f} GB"
                )
            return {name: _read(archive, member) if name in wanted else None for name, member in members.items()}
    except InputError:
        raise
    except Exception as error:  # see the module
        if "Object arrays" in str(error):
            raise InputError(f"{path} cannot be read: it holds Python objects; only arrays are accepted") from None
        found = and_what_it_is(path)
        if not found or "zip archive" in found:
            found = f": {' '.join(str(error).split())[:200] or type(error).__name__}"
        raise InputError(f"{path} is damaged or not a .npz file{found}") from None


def write_arrays(path: Path | str, **arrays: np.ndarray) -> Path:
    """Writes a compressed .npz file atomically.

    Raises:
        InputError: if it cannot be written.
    """
    content = io.BytesIO()  # not into the file itself: if the disk is full, numpy's archive prints a traceback
    np.savez_compressed(content, **arrays)  # pyright: ignore[reportArgumentType]
    return write_bytes(path, content.getvalue())


def _is_array(member: zipfile.ZipInfo) -> bool:
    return member.filename.endswith(_SUFFIX)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
