"""Locks on files and folders, which the system releases when their process ends, however it ends.

So a file that another process is writing is told from one that a killed process left. Windows and some network file
systems have no such locks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from render_fit.core.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def lock(path: Path, *, wait: bool = False) -> int | None:
    """Locks a file or folder.

    Args:
        path: Existing file or folder.
        wait: Whether to wait for a holder of the lock.

    Returns:
        Descriptor that holds the lock; `release` it. None if there is no such file, or there are no locks.

    Raises:
        BlockingIOError: if another process, or another descriptor of this one, holds the lock, and ``wait`` is False.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def release(descriptor: int | None) -> None:
    """Gives a lock back."""
    if descriptor is not None:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits for the lock on a folder and holds it for the block; does nothing where there are no locks."""
    descriptor = lock(path, wait=True)
    try:
        yield
    finally:
        release(descriptor)


@contextmanager
def only_user_of(folder: Path) -> Iterator[None]:
    """Holds the lock on a folder for the block.

    Raises:
        InputError: if another process holds it.
    """
    try:
        descriptor = lock(folder)
    except BlockingIOError:
        raise InputError(
            f"{folder}: another process is working in this folder; wait for it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        release(descriptor)
