"""Pickles as joblib writes them, with arrays as raw bytes between: what PHALP's results are. Nothing is executed.

Source: joblib, numpy_pickle.py (NumpyArrayWrapper.write_array), numpy_pickle_utils.py.
"""

from __future__ import annotations

import io
import math
import pickle
import zlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from render_fit.core.array_files import MOST_BYTES
from render_fit.core.errors import InputError
from render_fit.core.safe_pickle import RefusedError, Shell, accepted_name

WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
"""The class that stands before an array's bytes."""

ZLIB = b"\x78"
"""First byte of what ``joblib.dump(…, compress=…)`` writes."""


class ArrayShell(Shell):
    """What joblib says about the array whose bytes follow."""


_Unpickler: Any = pickle._Unpickler  # pyright: ignore[reportAttributeAccessIssue]
"""Python's own unpickler in Python; joblib builds on it too."""


class _JoblibUnpickler(_Unpickler):
    """The unpickler in Python: only it lets the bytes between be read. It accepts what `safe_pickle` accepts."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="latin1")
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == WRAPPER:
            return type("ArrayShell", (ArrayShell,), {})
        return accepted_name(module, name)

    def load_build(self) -> None:
        """Fills an object; an array's shell becomes the array."""
        super().load_build()
        if isinstance(self.stack[-1], ArrayShell):
            self.stack[-1] = _array(self.file, self.stack[-1].state)

    dispatch[pickle.BUILD[0]] = load_build


def _array(file: io.BytesIO, about: dict[str, Any]) -> np.ndarray:
    """The array whose bytes are next in a file."""
    dtype, shape = about["dtype"], tuple(int(length) for length in about["shape"])
    if not isinstance(dtype, np.dtype) or dtype.hasobject or any(length < 0 for length in shape):
        raise RefusedError("an array of Python objects")
    if about.get("numpy_array_alignment_bytes") is not None:
        file.read(int.from_bytes(file.read(1), "little"))
    count = math.prod(shape) * dtype.itemsize
    if count > MOST_BYTES:
        raise RefusedError(f"an array of {count / 1e9:.1f} GB")
    content = file.read(count)
    if len(content) != count:
        raise EOFError("the file ends within an array")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if about.get("order") == "F" else "C")


def read_joblib(path: Path) -> Any:
    """Content of a file that joblib wrote, compressed by zlib or not.

    Raises:
        InputError: if it is damaged, too large, or contains more than arrays, numbers, texts, lists and dictionaries.
    """
    content = path.read_bytes()
    try:
        if content[:1] == ZLIB:
            unpacking = zlib.decompressobj()
            content = unpacking.decompress(content, MOST_BYTES)
            if unpacking.unconsumed_tail:
                raise InputError(f"{path}: unpacks to more than {MOST_BYTES / 1e9:.1f} GB")
        return _JoblibUnpickler(io.BytesIO(content)).load()
    except InputError:
        raise
    except RefusedError as error:
        raise InputError(f"{path} was not read: it contains {error}, and only arrays are accepted") from None
    except Exception as error:  # a damaged pickle fails in many ways
        raise InputError(f"{path} is damaged or not a pickle ({type(error).__name__}: {error})") from None
