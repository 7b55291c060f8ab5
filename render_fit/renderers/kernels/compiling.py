"""Compilation and caching of the kernels."""

import hashlib
import inspect
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event as events

SIMD_MATHS = {"contract", "reassoc", "nsz"}
"""Floating-point assumptions LLVM may make to vectorise: sums in any order, −0 equal to 0. NaN and infinity keep
their meaning. The order is fixed at compile time, so results are the same in every run."""

_logger = logging.getLogger(__name__)


_watchers: list[Callable[[str], None]] = []


class _Compilation(events.Listener):
    """Listener that says that kernels are being compiled, to explain the delay."""

    def on_start(self, event: events.Event) -> None:
        """Log a warning, the first time, and call the watchers if one of these kernels is not in the cache."""
        function = event.data and event.data["dispatcher"].py_func
        if function and function.__module__.startswith(__name__.rpartition(".")[0]):
            _log_compiling()
            for watcher in _watchers:
                watcher(function.__name__)

    def on_end(self, event: events.Event) -> None:
        """Do nothing."""


@cache
def _log_compiling() -> None:
    """Log, once in a process, that the kernels are not in the cache."""
    _logger.warning("compiling the cpu renderer for this machine: about 20 s; later runs use the cache if there is one")


events.register("numba:compile", _Compilation())


@contextmanager
def watched_compilation(watcher: Callable[[str], None]) -> Iterator[None]:
    """In the block, ``watcher`` is called with the name of each kernel that is compiled, before it is."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@cache
def fingerprint() -> str:
    """Hash of the source of all kernels."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def kernel(function: Any = None, *, parallel: bool = False, inline: bool = False, simd: bool = False) -> Any:
    """Compile a function with numba: nopython, cached on disk, without the GIL.

    A decorator between this one and the function (the tests' shape checker) is removed first; numba compiles
    plain functions only.

    Args:
        function: The function to compile.
        parallel: Whether ``prange`` loops run on all threads.
        inline: Whether LLVM must inline the function into its callers.
        simd: Whether to vectorise its inner loops to SIMD instructions (``SIMD_MATHS``).

    Returns:
        The compiled function, or a decorator if ``function`` is None.
    """

    def compiled(plain: Callable[..., Any]) -> Any:
        options: dict[str, Any] = {"forceinline": True} if inline else {}
        if simd:
            options["fastmath"] = SIMD_MATHS
        options |= {"nogil": True, "parallel": parallel, "error_model": "numpy"}
        plain = inspect.unwrap(plain)
        try:
            dispatcher: Any = numba.njit(plain, cache=_has_place(), **options)
        except RuntimeError:  # neither beside the package nor in the home folder is a place for a cache
            return numba.njit(plain, **options)
        # By default numba uses a cached function as long as its own file is unchanged, although it contains the code
        # of functions and constants of other files. (Private API; covered by test_compiling.)
        cache_file = getattr(dispatcher._cache, "_cache_file", None)
        if cache_file is not None:
            cache_file._source_stamp = fingerprint()
            _make_optional(dispatcher._cache)
        return dispatcher

    return compiled if function is None else compiled(function)


def _has_place() -> bool:
    """Whether numba has a folder for a cache: for a user without a home it would make one of the name ``~``."""
    beside = os.access(Path(__file__).parent, os.W_OK)
    return bool(os.environ.get("NUMBA_CACHE_DIR")) or beside or os.path.expanduser("~") != "~"


def _make_optional(cache: Any) -> None:
    """Lets a kernel compile if its cached file is damaged, and run if it cannot be written (a full disk)."""
    load, save = cache.load_overload, cache.save_overload

    def load_or_compile(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception:  # unpickling a damaged file raises anything; without its index the next run starts anew
            with suppress(OSError):
                Path(cache._cache_file._index_path).unlink(missing_ok=True)
            return None

    def save_if_possible(*arguments: Any) -> None:
        with suppress(OSError):
            save(*arguments)

    cache.load_overload, cache.save_overload = load_or_compile, save_if_possible
