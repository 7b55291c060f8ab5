"""How the kernels are compiled."""

import inspect
from collections.abc import Callable
from typing import Any

import numba


def kernel(function: Any = None, *, parallel: bool = False, inline: bool = False) -> Any:
    """Compile a function with numba: nopython, cached on disk, without the GIL.

    A decorator between this one and the function (the tests' shape checker) is taken off first; numba
    compiles plain functions only.

    Args:
        function: The function to compile.
        parallel: Whether ``prange`` loops run on all threads.
        inline: Whether LLVM must inline it into its callers.

    Returns:
        The compiled function, or a decorator if ``function`` is None.
    """

    def compiled(plain: Callable[..., Any]) -> Any:
        options: dict[str, Any] = {"forceinline": True} if inline else {}
        return numba.njit(
            inspect.unwrap(plain), cache=True, nogil=True, parallel=parallel, error_model="numpy", **options
        )

    return compiled if function is None else compiled(function)
