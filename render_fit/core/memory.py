"""Which errors mean that memory ran out: Python, numpy, torch and the system's loader each have their own."""

from __future__ import annotations

import errno

_WORDS = (
    "can't allocate memory",  # torch's allocator for the CPU
    "not enough memory",  # the same on Windows
    "out of memory",  # CUDA
    "cannot allocate memory",  # the system's loader, fork
    "failed to map segment from shared object",  # the same, of a library
    "unable to allocate",  # numpy
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).lower()
    return isinstance(error, (RuntimeError, ImportError, OSError)) and any(word in text for word in _WORDS)
