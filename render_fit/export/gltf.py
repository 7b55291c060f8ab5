"""Builds a binary glTF 2.0 file: a tree of JSON entries, and the one buffer that their accessors read.

Source: Khronos, glTF 2.0 specification; section 3.6 (accessors), section 4 (the binary container).
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

import render_fit

ARRAY_BUFFER = 34962
"""Target of a buffer view that holds vertex attributes."""

ELEMENT_ARRAY_BUFFER = 34963
"""Target of a buffer view that holds vertex indices."""

_COMPONENTS = {"uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
_TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_ALIGNMENT = 4
_LINEAR, _MIPMAPS, _CLAMPED = 9729, 9987, 33071


class GltfBuilder:
    """A glTF file in the making.

    Attributes:
        tree: The JSON part, with the names of the specification.
    """

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {"asset": {"version": "2.0", "generator": f"render-fit {render_fit.__version__}"}}
        self._buffer = bytearray()
        self._known: dict[tuple[Any, ...], int] = {}

    def add(self, kind: str, **entry: Any) -> int:
        """Appends an entry to a list of the tree.

        Args:
            kind: Name of the list: ``nodes``, ``meshes``, ...
            entry: The entry's properties; those that are None are left out.

        Returns:
            The entry's index, by which other entries refer to it.
        """
        entries = self.tree.setdefault(kind, [])
        entries.append({key: value for key, value in entry.items() if value is not None})
        return len(entries) - 1

    def accessor(
        self, array: np.ndarray, *, target: int | None = None, bounds: bool = False, normalized: bool | None = None
    ) -> int:
        """Appends an array to the buffer, with an accessor; an array that is there already is not repeated.

        Args:
            array: (N,) scalars, (N, 2 to 4) vectors or (N, 4, 4) matrices, which are stored by columns; float32 or
                unsigned integers.
            target: `ARRAY_BUFFER`, `ELEMENT_ARRAY_BUFFER`, or None for other data.
            bounds: Whether to state the smallest and largest values, as positions and times of keys must.
            normalized: Whether integers mean fractions of the largest one.

        Returns:
            Index of the accessor.
        """
        stored = np.swapaxes(array, 1, 2) if array.shape[1:] == (4, 4) else array
        key = (stored.tobytes(), str(array.dtype), array.shape, target, bounds, normalized)
        if key not in self._known:
            view = self._view(stored, target)
            self._known[key] = self.add(
                "accessors", bufferView=view, **_described(array, bounds), normalized=normalized
            )
        return self._known[key]

    def sparse_accessor(self, array: np.ndarray) -> int:
        """Appends an array that is zero in most rows; only the others are stored.

        Args:
            array: (N, 2 to 4) float32, as for morph targets, with its smallest and largest values stated.

        Returns:
            Index of the accessor.
        """
        rows = np.flatnonzero(array.any(axis=1)).astype(np.uint32)
        if 2 * len(rows) > len(array) or not len(rows):  # the validator warns of sparse accessors without a row
            return self.accessor(array, target=ARRAY_BUFFER, bounds=True)
        indices = {"bufferView": self._view(rows, None), "componentType": _COMPONENTS["uint32"]}
        values = {"bufferView": self._view(array[rows], None)}
        sparse = {"count": len(rows), "indices": indices, "values": values}
        return self.add("accessors", **_described(array, bounds=True), sparse=sparse)

    def texture(self, png: bytes, name: str) -> int:
        """Appends an image as a texture, linear between texels, that ends at its border.

        Args:
            png: Content of a PNG file.
            name: Name of the image.

        Returns:
            Index of the texture.
        """
        image = self.add("images", name=name, mimeType="image/png", bufferView=self._view(png, None))
        sampler = self.add("samplers", magFilter=_LINEAR, minFilter=_MIPMAPS, wrapS=_CLAMPED, wrapT=_CLAMPED)
        return self.add("textures", source=image, sampler=sampler)

    def _view(self, array: np.ndarray | bytes, target: int | None) -> int:
        """Appends bytes to the buffer, and a view of them."""
        content = array if isinstance(array, bytes) else array.tobytes()
        self._buffer += bytes(-len(self._buffer) % _ALIGNMENT)
        start = len(self._buffer)
        self._buffer += content
        return self.add("bufferViews", buffer=0, byteOffset=start, byteLength=len(content), target=target)

    def to_bytes(self) -> bytes:
        """The whole file."""
        buffer = bytes(self._buffer) + bytes(-len(self._buffer) % _ALIGNMENT)
        text = json.dumps({**self.tree, "buffers": [{"byteLength": len(buffer)}]}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        length = 12 + 8 + len(text) + 8 + len(buffer)
        header = struct.pack("<4sII", b"glTF", 2, length)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(buffer), b"BIN\0") + buffer
        return header + chunks


def _described(array: np.ndarray, bounds: bool) -> dict[str, Any]:
    """An accessor's properties that follow from its array."""
    return {
        "componentType": _COMPONENTS[str(array.dtype)],
        "count": len(array),
        "type": _TYPES[array.shape[1:]],
        "min": np.atleast_1d(array.min(axis=0)).tolist() if bounds else None,
        "max": np.atleast_1d(array.max(axis=0)).tolist() if bounds else None,
    }
