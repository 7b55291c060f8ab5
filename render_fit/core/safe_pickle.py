"""Reads pickled arrays of other people, such as SMPL's .pkl files, without executing them and without chumpy.

A pickle is a program. This unpickler resolves a short list of names, all of which build arrays or inert shells, and
rejects every other one. The content of chumpy and scipy objects is read from their shells.
"""

from __future__ import annotations

import collections
import importlib
import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.sparse

from render_fit.core.errors import InputError
from render_fit.core.file_kinds import and_what_it_is

MOST_ENTRIES = 1 << 26
"""Entries of the largest sparse matrix that is read. SMPL-X's regressor of joints has 55 × 10,475."""


class PickleFileError(ValueError):
    """Error: a file is not a pickle of arrays, or is unsafe to read."""


class RefusedError(pickle.UnpicklingError):
    """Error: a pickle contains something that is no array."""


class Shell:
    """Inert placeholder of an object whose class is not loaded: keeps its state only."""

    origin: str = ""

    def __init__(self, *_: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}

    # Pickle fills shells of dict- and list-like classes through these.
    def __setitem__(self, key: Any, value: Any) -> None:
        self.state[key] = value


def _reconstructed(cls: Any, _base: Any, _state: Any) -> Any:
    """Replaces copyreg._reconstructor, for shells only."""
    if not (isinstance(cls, type) and issubclass(cls, Shell)):
        raise RefusedError(f"an object of {cls!r}")
    return cls()


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Replaces _codecs.encode, for the one encoding that pickle uses."""
    if encoding.lower().replace("-", "") not in ("latin1", "iso88591"):
        raise RefusedError(f"a text in the encoding {encoding!r}")
    return text.encode("latin1")


def _array_from_buffer(buffer: Any, dtype: np.dtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
    """Replaces numpy's _frombuffer (pickle protocol 5)."""
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


_multiarray: Any = importlib.import_module("numpy.core.multiarray")
_NUMPY: dict[str, Any] = {
    "multiarray._reconstruct": _multiarray._reconstruct,
    "multiarray.scalar": _multiarray.scalar,
    "numeric._frombuffer": _array_from_buffer,
}
_PLAIN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    # A matrix is read as an array: its class is written in Python, so that a pickle could modify it.
    ("numpy", "matrix"): np.ndarray,
    ("numpy.matrixlib.defmatrix", "matrix"): np.ndarray,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
    ("copy_reg", "_reconstructor"): _reconstructed,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
    ("__builtin__", "set"): frozenset,
    ("builtins", "set"): frozenset,
}


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that builds arrays and shells, and rejects every other name."""

    def find_class(self, module: str, name: str) -> Any:
        return accepted_name(module, name)


def accepted_name(module: str, name: str) -> Any:
    """What a name in a pickle stands for, if it builds arrays or inert shells.

    Raises:
        RefusedError: If it is any other name.
    """
    root, _, rest = module.partition(".")
    if root == "numpy":
        short = f"{rest.split('.')[-1]}.{name}"
        if rest in ("core.multiarray", "_core.multiarray", "core.numeric", "_core.numeric") and short in _NUMPY:
            return _fresh(_NUMPY[short])
    sparse = module.startswith("scipy.sparse") and name.removesuffix("_matrix").removesuffix("_array") in (
        "csc",
        "csr",
        "coo",
    )
    if sparse or root == "chumpy":
        return type("Shell", (Shell,), {"origin": f"{module}.{name}"})
    if (module, name) in _PLAIN:
        return _fresh(_PLAIN[module, name])
    raise RefusedError(f"{module}.{name}")


def _fresh(target: Any) -> Any:
    """Wraps our own functions in new ones, so that a pickle cannot modify the originals."""
    if not isinstance(target, type) and hasattr(target, "__code__"):
        call: Callable[..., Any] = target
        return lambda *args: call(*args)
    return target


def read_pickle(file: io.BufferedIOBase, path: Path, expected: str = "a dictionary of arrays") -> dict[str, Any]:
    """Reads a pickled dictionary of arrays.

    Args:
        file: Opened binary file.
        path: Path of the file, for error messages.
        expected: What it should contain, for error messages.

    Returns:
        The dictionary; chumpy and scipy objects as `Shell`, see `as_array`.

    Raises:
        PickleFileError: If it is no pickle, no dictionary, or contains anything beyond arrays; nothing is executed.
    """
    content = read_plain_pickle(file, path)
    if not isinstance(content, dict):
        raise PickleFileError(f"{path} contains a {type(content).__name__}, not {expected}")
    return content


def read_plain_pickle(file: io.BufferedIOBase, path: Path) -> Any:
    """Reads a pickle of arrays, numbers, texts, lists and dictionaries.

    Args:
        file: Opened binary file.
        path: Path of the file, for error messages.

    Raises:
        PickleFileError: If it is no pickle, or contains anything else; nothing is executed.
    """
    try:
        return _ArraysOnly(file, encoding="latin1").load()
    except RefusedError as error:
        raise PickleFileError(
            f"{path} was not read: it contains {error}, and only arrays (numpy, scipy.sparse, chumpy) are accepted, "
            "because a pickle can run code. If you trust the file, open it with Python's pickle in its own environment "
            "and save the arrays with numpy.savez."
        ) from None
    except Exception as error:
        found = and_what_it_is(path) or f" ({type(error).__name__}: {error})"
        raise PickleFileError(f"{path} is damaged or not a pickle{found}") from None


def read_pickle_file(path: Path, expected: str = "a dictionary of arrays") -> dict[str, Any]:
    """`read_pickle` for a file that a user gave.

    Raises:
        InputError: If it is missing, or as `read_pickle`.
    """
    try:
        with path.open("rb") as file:
            return read_pickle(file, path, expected)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except PickleFileError as error:
        raise InputError(str(error)) from None


def read_object_array(file: io.BufferedIOBase | IO[bytes], path: Path) -> Any:
    """Reads an array of Python objects in numpy's format (.npy, or one of a .npz): dictionaries, lists, texts.

    Args:
        file: Opened binary file, at the beginning of the array.
        path: Path of the file, for error messages.

    Returns:
        The object of an array without dimensions, else a list of the objects.

    Raises:
        InputError: If it is no such array, or contains anything beyond arrays; nothing is executed.
    """
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        read_header(file)
        content = _ArraysOnly(file, encoding="latin1").load()
        return content.item() if content.ndim == 0 else content.tolist()
    except RefusedError as error:
        raise InputError(f"{path} was not read: it contains {error}, and only arrays are accepted") from None
    except Exception as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error})") from None


def as_array(value: Any, where: str) -> np.ndarray:
    """Reads an array from an entry of a pickle.

    Args:
        value: An array, or the shell of a sparse matrix or chumpy object.
        where: File and key, for errors.

    Returns:
        A dense numeric array.

    Raises:
        PickleFileError: If the entry contains no array.
    """
    try:
        array = np.asarray(_from_shell(value, where) if isinstance(value, Shell) else value)
    except PickleFileError:
        raise
    except Exception as error:  # numpy and scipy refuse what does not belong together in many ways
        raise PickleFileError(f"{where} is damaged ({type(error).__name__}: {error})") from None
    if array.dtype.kind not in "fiub":
        raise PickleFileError(f"{where} is not an array of numbers but of {array.dtype}")
    return array


def _from_shell(shell: Shell, where: str) -> np.ndarray:
    state, kind = shell.state, shell.origin.rsplit(".", 1)[-1].removesuffix("_matrix").removesuffix("_array")
    if kind in ("csc", "csr"):
        make = scipy.sparse.csc_matrix if kind == "csc" else scipy.sparse.csr_matrix
        shape = state.get("_shape", state.get("shape"))
        return _dense(make((state["data"], state["indices"], state["indptr"]), shape=shape))
    if kind == "coo":
        row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
        shape = state.get("_shape", state.get("shape"))
        return _dense(scipy.sparse.coo_matrix((state["data"], (row, column)), shape=shape).tocsc())
    if kind == "Select" and "a" in state and "idxs" in state:
        chosen = as_array(state["a"], where).ravel()[as_array(state["idxs"], where)]
        return chosen.reshape(state.get("preferred_shape", chosen.shape))
    if "x" in state:
        return as_array(state["x"], where)
    raise PickleFileError(f"{where} is a {shell.origin}, which contains no array 'x'; save it with numpy.savez instead")


def _dense(matrix: Any) -> np.ndarray:
    """A compressed sparse matrix as an array. Its indices are checked first: scipy writes to wherever they point."""
    matrix.check_format(full_check=True)
    if math.prod(matrix.shape) > MOST_ENTRIES:
        raise ValueError(f"of shape {matrix.shape}")
    return matrix.toarray()
