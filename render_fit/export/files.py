"""Files that appear whole or not at all: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from render_fit.errors import InputError


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write a file atomically.

    Args:
        path: Target; its folder exists.
        content: What it holds.

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


def write_json(path: Path | str, value: Any) -> Path:
    """Write JSON atomically, indented; NaN and infinities, for which JSON has no word, become null."""
    return write_bytes(
        path, (json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    )


@contextmanager
def folder_written_whole(path: Path | str) -> Iterator[Path]:
    """A folder that appears under its name only once everything in it has been written.

    Args:
        path: The folder's final name. What was there before is replaced at the end,
            and kept if the block raises.

    Yields:
        A hidden folder beside it, to write into.

    Raises:
        InputError: if the parent folder cannot be made or written.
    """
    path = Path(path)
    prepare_output(path.parent)
    working = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        yield working
        os.chmod(working, 0o777 & ~_umask())
        _replace_folder(working, path)
    finally:
        shutil.rmtree(working, ignore_errors=True)


def prepare_output(path: Path | str) -> Path:
    """Make an output folder and see that it can be written to, before any work is spent on what goes there.

    Raises:
        InputError: if it is a file, or cannot be made or written.
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


def _replace_folder(working: Path, path: Path) -> None:
    if not path.exists():
        os.rename(working, path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    os.rename(path, aside / path.name)
    try:
        os.rename(working, path)
    except OSError:
        os.rename(aside / path.name, path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return str(value) if isinstance(value, os.PathLike) else value


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
