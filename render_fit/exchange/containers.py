"""Files of other systems as plain Python values: dictionaries and lists of arrays. Nothing in a file is executed.

Other systems save with ``numpy.savez``, often a dictionary as an array of Python objects, or with ``pickle``. Pickles
are read by the unpickler that accepts arrays only (`core.safe_pickle`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from render_fit.core.array_files import MOST_BYTES, read_arrays
from render_fit.core.errors import InputError
from render_fit.core.file_kinds import and_what_it_is
from render_fit.core.safe_pickle import PickleFileError, read_object_array, read_plain_pickle
from render_fit.exchange.joblib_files import WRAPPER, ZLIB, read_joblib

PICKLES = (".pkl", ".pickle", ".p")
"""Endings of pickles."""


def read_values(path: Path) -> Any:
    """Content of an .npz file or a pickle: arrays, numbers, texts, and dictionaries and lists of them.

    Raises:
        InputError: if the file is missing, damaged, neither of the two, or contains other Python objects.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected an .npz file or a pickle")
    with path.open("rb") as file:
        head = file.read(2)
    try:
        if head == b"PK":
            return _npz(path)
        if head[:1] == b"\x80" or path.suffix.lower() in PICKLES:
            if path.stat().st_size > MOST_BYTES:
                raise InputError(f"{path}: is larger than {MOST_BYTES / 1e9:.1f} GB")
            if head[:1] == ZLIB or WRAPPER[1].encode() in path.read_bytes():
                return read_joblib(path)
            with path.open("rb") as file:
                return read_plain_pickle(file, path)
    except PickleFileError as error:
        raise InputError(str(error)) from None
    raise InputError(f"{path}: neither .npz nor a pickle{and_what_it_is(path)}; expected the result of another system")


def _npz(path: Path) -> dict[str, Any]:
    """Arrays of an .npz file; an array of objects as a list of them, or as the one it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
            objects = [one for one in members if _holds_objects(archive, one)]
            if sum(one.file_size for one in objects) > MOST_BYTES:
                raise InputError(f"{path}: holds more than {MOST_BYTES / 1e9:.1f} GB")
            unpickled = {one.filename.removesuffix(".npy"): _object(archive, one, path) for one in objects}
            names = {one.filename.removesuffix(".npy") for one in archive.infolist()} - unpickled.keys()
    except (InputError, PickleFileError):
        raise
    except Exception:  # whatever is wrong with the archive, the reader of arrays has the words for it
        return read_arrays(path)
    arrays = read_arrays(path, names)
    return {**{name: arrays[name] for name in arrays if name in names}, **unpickled}


def _holds_objects(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(file)[2].hasobject


def _object(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Any:
    with archive.open(member) as file:
        content = read_object_array(file, path)
    return content[0] if isinstance(content, list) and len(content) == 1 else content


def people_in(values: Any) -> Iterator[Mapping[str, Any]]:
    """The dictionaries of single people, or of all of them, in what a file contains, outermost first.

    Args:
        values: Content of a file; a list has one entry a person.
    """
    if isinstance(values, Mapping):
        yield {str(key): value for key, value in values.items()}
        for value in values.values():
            if isinstance(value, (Mapping, list, tuple)):
                yield from people_in(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            if isinstance(value, (Mapping, list, tuple)):
                yield from people_in(value)
