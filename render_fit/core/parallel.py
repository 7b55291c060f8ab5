"""How many threads the processes of a pool may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

THREAD_VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What torch's and numba's thread pools are sized by when a process starts."""


@contextmanager
def limit_threads_of_new_processes(threads: int) -> Iterator[None]:
    """Processes started in the block have thread pools of this size.

    A pool that is larger than what is used of it is no matter of taste: its idle threads spin between two kernels,
    and two processes on two cores, each with one spinning thread, take three times as long.
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
