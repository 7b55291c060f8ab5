"""Atomic writing of files and folders: under a temporary name beside the target, then renamed.

The temporary file or folder is locked while it is written. One that nobody has locked was left by a process that was
killed; `remove_leftovers` removes those.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from render_fit.core.errors import OutputError
from render_fit.core.locks import lock, locked, release

PARTIAL = ".partial"
"""Ending of files and folders that are being written; they are hidden, too."""

_LONGEST_NAME = 40


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write a file atomically.

    Args:
        path: Target file in an existing folder.
        content: Bytes to write.

    Returns:
        The path.

    Raises:
        OutputError: if it cannot be written there.
    """
    return write_file(path, lambda file: file.write(content))


def write_file(path: Path | str, write: Callable[[IO[bytes]], Any]) -> Path:
    """Write a file atomically by a function that is given the open file: `torch.save`, `numpy.savez`.

    Args:
        path: Target file in an existing folder.
        write: Writes the content.

    Returns:
        The path.

    Raises:
        OutputError: if it cannot be written there: no folder, not allowed, no space left.
    """
    path = Path(path)
    try:
        temporary, held = _temporary(path, folder=False)
        try:
            with temporary.open("wb") as file:
                write(file)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            release(held)
    except Exception as error:
        if (cause := _system_error(error)) is None:
            raise
        raise OutputError(f"{path}: cannot write there ({cause.strerror or cause}); choose another --out") from cause
    return path


def remove_leftovers(folder: Path, ended: bool = False) -> None:
    """Removes what processes that were killed had begun to write into a folder.

    Only what was begun on this machine is removed: locks of other machines may not be seen.

    Args:
        folder: An output folder; it may not exist.
        ended: Whether everybody who could be writing there is known to have ended. It counts only where there are no
            locks (Windows).
    """
    if not folder.is_dir():
        return
    pattern = re.compile(rf"\..*\.{re.escape(_machine())}\.[a-z0-9_]+{re.escape(PARTIAL)}", re.DOTALL)
    with suppress(OSError):
        for path in [path for path in folder.iterdir() if pattern.fullmatch(path.name)]:
            try:
                held = lock(path)
            except BlockingIOError:
                continue
            if held is not None or ended:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            release(held)


def _temporary(path: Path, *, folder: bool) -> tuple[Path, int | None]:
    """A new hidden file or folder beside a path, and the lock on it."""
    begin = f".{path.name[:_LONGEST_NAME]}.{_machine()}."
    while True:
        if folder:
            made = tempfile.mkdtemp(prefix=begin, suffix=PARTIAL, dir=path.parent)
        else:
            handle, made = tempfile.mkstemp(prefix=begin, suffix=PARTIAL, dir=path.parent)
            os.close(handle)
        with suppress(BlockingIOError):  # somebody who looks for leftovers looks at it now, and removes it
            held = lock(Path(made))
            if os.path.exists(made):
                return Path(made), held
            release(held)


def _machine() -> str:
    """Name of this machine as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:20] or "machine"


def _system_error(error: BaseException) -> OSError | None:
    """The error of the system behind an error: torch reports a full disk by errors of its own."""
    if isinstance(error, OSError):
        return error
    if isinstance(error, RuntimeError) and "inline_container" in str(error):  # torch's writer
        return error.__context__ if isinstance(error.__context__, OSError) else OSError(errno.EIO, "the write failed")
    return None


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
        OutputError: if ``path`` is a file, or cannot be created or written.
    """
    path = Path(path)
    prepare_output(path.parent)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file where a folder has to go; choose another --out")
    try:
        working, held = _temporary(path, folder=True)
        try:
            yield working
            _move_in(working, path, last, owned)
        finally:
            shutil.rmtree(working, ignore_errors=True)
            release(held)
    except (OSError, OutputError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise OutputError(f"{path}: cannot write there ({cause.strerror or cause}); choose another --out") from error


def prepare_output(path: Path | str) -> Path:
    """Create an output folder and check that it is writable, before the computation starts.

    Raises:
        OutputError: if ``path`` is a file, or cannot be created or written.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"{path}: is not a folder; choose another --out") from None
    except OSError as error:
        raise OutputError(f"{path}: cannot write there ({error.strerror}); choose another --out") from None
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
    with locked(path):  # files of two processes are not mixed
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
