"""Atomic writing of files and folders: under a temporary name beside the target, then renamed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from render_fit.core.errors import InputError


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write a file atomically.

    Args:
        path: Target file in an existing folder.
        content: Bytes to write.

    Returns:
        The path.

    Raises:
        InputError: if it cannot be written there.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot write there ({error.strerror}); choose another --out") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def cache_folder() -> Path | None:
    """The platform's folder for this package's caches, which may not exist; None for a user without a home."""
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("render-fit"))
    except RuntimeError:  # platformdirs: no home directory
        return None
    return folder if folder.is_absolute() else None


def write_json(path: Path | str, value: Any) -> Path:
    """Write JSON atomically, indented; NaN and infinities, which JSON does not have, become null."""
    value = _finite(value)
    try:
        content = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        content = json.dumps(value, indent=2, allow_nan=False).encode()
    return write_bytes(path, content + b"\n")


@contextmanager
def folder_written_whole(path: Path | str, *, last: str, owned: Collection[str] = ()) -> Iterator[Path]:
    """Write a folder so that its file ``last`` exists only when all its other files are complete.

    Args:
        path: Final path of the folder. In an existing folder, files of the same name are replaced and others stay;
            it is left unchanged if the block raises.
        last: The file that marks the folder as complete.
        owned: Names of files from an earlier run that are removed if this one does not write them.

    Yields:
        Hidden folder beside ``path`` to write into.

    Raises:
        InputError: if ``path`` is a file, or cannot be created or written.
    """
    path = Path(path)
    prepare_output(path.parent)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file where a folder has to go; choose another --out")
    try:
        working = Path(tempfile.mkdtemp(prefix=f".{_beginning(path.name)}.", suffix=".partial", dir=path.parent))
        try:
            yield working
            _move_in(working, path, last, owned)
        finally:
            shutil.rmtree(working, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{path}: cannot write there ({error.strerror or error}); choose another --out") from error


def remove_unfinished(folder: Path | str, ours: Callable[[str], bool]) -> None:
    """Remove what `folder_written_whole` had not finished when its process was ended.

    Args:
        folder: Folder in which the folders were written.
        ours: Says for a folder's name, of which only the beginning is left if it is very long, whether it is to be
            removed; other processes may be writing the others.
    """
    for path in Path(folder).glob(".*.partial"):
        if ours(path.name.rsplit(".", 2)[0].removeprefix(".")):
            shutil.rmtree(path, ignore_errors=True)


def prepare_output(path: Path | str) -> Path:
    """Create an output folder and check that it is writable, before the computation starts.

    Raises:
        InputError: if ``path`` is a file, or cannot be created or written.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{path}: is not a folder; choose another --out") from None
    except OSError as error:
        raise InputError(f"{path}: cannot write there ({error.strerror}); choose another --out") from None
    return path


def _move_in(working: Path, path: Path, last: str, owned: Collection[str]) -> None:
    os.chmod(working, 0o777 & ~_umask())
    if not path.exists():
        try:
            os.rename(working, path)
            return
        except OSError:
            if not path.is_dir():  # else another process wrote it in this moment
                raise
    (path / last).unlink(missing_ok=True)
    written = sorted(working.iterdir(), key=lambda file: file.name == last)
    for name in set(owned) - {file.name for file in written}:
        (path / name).unlink(missing_ok=True)
    for file in written:
        os.replace(file, path / file.name)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return str(value) if isinstance(value, os.PathLike) else value


def _beginning(name: str) -> str:
    """As much of a file name as leaves room for a random ending: 200 of 255 bytes."""
    return name.encode(errors="surrogateescape")[:200].decode(errors="ignore")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
