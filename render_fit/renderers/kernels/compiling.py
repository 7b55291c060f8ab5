"""How the kernels are compiled and cached."""

import hashlib
import inspect
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event as events

SIMD_MATHS = {"contract", "reassoc", "nsz"}
"""What LLVM may assume of floats where lanes are to be computed side by side: sums in any order, −0 like 0. NaN and
infinity keep their meaning. The order is fixed at compile time, so results are the same in every run."""

_logger = logging.getLogger(__name__)


class _FirstCompilation(events.Listener):
    """Says once that kernels are being compiled: nobody likes to wait without knowing for what."""

    def on_start(self, event: events.Event) -> None:
        """Warn, if it is a kernel of ours that no cache had."""
        kernels = __name__.rpartition(".")[0]
        if event.data and event.data["dispatcher"].py_func.__module__.startswith(kernels):
            _tell_of_compiling()

    def on_end(self, event: events.Event) -> None:
        """Nothing to say."""


@cache
def _tell_of_compiling() -> None:
    """Log, once in a process, that the kernels are not in the cache."""
    _logger.warning("compiling the cpu renderer for this machine: about 20 s, once; later runs take it from the cache")


events.register("numba:compile", _FirstCompilation())


@cache
def fingerprint() -> str:
    """Hash of every kernel's source."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def kernel(function: Any = None, *, parallel: bool = False, inline: bool = False, simd: bool = False) -> Any:
    """Compile a function with numba: nopython, cached on disk, without the GIL.

    A decorator between this one and the function (the tests' shape checker) is taken off first; numba
    compiles plain functions only.

    Args:
        function: The function to compile.
        parallel: Whether ``prange`` loops run on all threads.
        inline: Whether LLVM must inline it into its callers.
        simd: Whether its inner loops are to become SIMD instructions (``SIMD_MATHS``).

    Returns:
        The compiled function, or a decorator if ``function`` is None.
    """

    def compiled(plain: Callable[..., Any]) -> Any:
        options: dict[str, Any] = {"forceinline": True} if inline else {}
        if simd:
            options["fastmath"] = SIMD_MATHS
        dispatcher: Any = numba.njit(
            inspect.unwrap(plain), cache=True, nogil=True, parallel=parallel, error_model="numpy", **options
        )
        # By itself numba takes a cached function for fresh as long as its own file is unchanged, though it holds the
        # code of the functions and constants that it took from other files. (Private; test_compiling watches it.)
        cache_file = getattr(dispatcher._cache, "_cache_file", None)
        if cache_file is not None:
            cache_file._source_stamp = fingerprint()
        return dispatcher

    return compiled if function is None else compiled(function)
