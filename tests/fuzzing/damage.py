"""Strategies that damage a sound file: its bytes, the tree of values in it, or its arrays."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from typing import Any

import numpy as np
from hypothesis import strategies as st

Draw = Any
"""Type of the function with which a composite strategy draws from others."""

ODD_NUMBERS = (
    0, -1, 1, 2, 1e-300, 1e300, -1e300, float("nan"), float("inf"), -float("inf"), 2**31, 2**63, -(2**63), 10**30,
    10**400, 0.5, 1e9, 255, 65535,
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "nan", "inf", "1e999", "-0", "null", "true", "²", "٣", "1_000", "0x10", "\x00", "a\x00b", "\n", "../x",
    "/", "..", ".", "~", "é", "\ud800", "x" * 5000, "%s%n", "{}", "[bold]", "[/]", "C:\\x", "9" * 5000,
)  # fmt: skip

odd_numbers = st.one_of(st.sampled_from(ODD_NUMBERS), st.integers(), st.floats())
odd_texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=12))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), odd_numbers, odd_texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
"""Anything that JSON can hold, and some that it cannot."""


@st.composite
def damaged_bytes(draw: Draw, content: bytes) -> bytes:
    """A file with one to three places cut, changed, repeated or overwritten."""
    for _ in range(draw(st.integers(1, 3))):
        n = len(content)
        # places near the beginning, where formats have their headers, are as likely as all others
        start = draw(st.one_of(st.integers(0, min(n, 80)), st.integers(0, n)))
        end = min(n, start + draw(st.one_of(st.integers(1, 8), st.integers(1, max(1, n)))))
        operation = draw(st.sampled_from(("cut off", "remove", "insert", "overwrite", "extreme", "repeat", "flip")))
        if operation == "cut off":
            content = content[:start]
        elif operation == "remove":
            content = content[:start] + content[end:]
        elif operation == "insert":
            content = content[:start] + draw(st.binary(max_size=40)) + content[start:]
        elif operation == "overwrite":
            new = draw(st.binary(min_size=1, max_size=40))
            content = content[:start] + new + content[start + len(new) :]
        elif operation == "extreme":
            size = draw(st.sampled_from((1, 2, 4, 8)))
            number = draw(st.sampled_from((0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)))
            new = number.to_bytes(size, draw(st.sampled_from(("little", "big"))))
            content = content[:start] + new + content[start + size :]
        elif operation == "repeat":
            content = content[:end] + content[start:]
        elif n:
            place = min(start, n - 1)
            flipped = content[place] ^ (1 << draw(st.integers(0, 7)))
            content = content[:place] + bytes([flipped]) + content[place + 1 :]
    return content


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values in a tree of dictionaries and lists; of long lists the first few."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(tree, dict):
        inner = list(tree.items())
    elif isinstance(tree, list):
        inner = list(enumerate(tree[:8]))
    return [path, *(found for key, value in inner for found in _places(value, (*path, key)))]


@st.composite
def _changed(draw: Draw, old: Any, operation: str) -> Any:
    """What an operation makes of a value."""
    is_number = isinstance(old, int | float) and not isinstance(old, bool)
    if operation == "factor" and is_number and -1e6 < old < 1e6:
        return type(old)(old * draw(st.sampled_from((0, 0.1, 0.5, 2, 3, 10, 100, -1, 10_000))))
    if operation in ("number", "factor"):
        return draw(odd_numbers)
    if operation == "text":
        return draw(st.one_of(odd_texts, st.just(str(old)[:200])))
    if operation == "repeat":
        return old * draw(st.integers(0, 3)) if isinstance(old, list | str) else [old, old]
    if operation == "wrap":
        return draw(st.sampled_from(([old], {"x": old}, [[old]])))
    if operation == "empty":
        return draw(st.sampled_from(([], {}, "", None)))
    return draw(values)


@st.composite
def damaged_tree(draw: Draw, tree: Any) -> Any:
    """A tree of dictionaries and lists with one to four values replaced, removed, renamed, repeated or wrapped."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(_places(tree)))
        parent = tree
        for step in path[:-1]:
            parent = parent[step]
        key = path[-1] if path else None
        old = parent if key is None else parent[key]
        operation = draw(
            st.sampled_from(
                ("replace", "number", "factor", "factor", "text", "remove", "rename", "repeat", "wrap", "empty")
            )
        )
        if operation == "remove" and key is not None:
            del parent[key]
            continue
        if operation == "rename" and isinstance(parent, dict) and key is not None:
            parent[draw(odd_texts)] = parent.pop(key)
            continue
        new = draw(_changed(old, operation))
        if key is None:
            tree = new
        else:
            parent[key] = new
    return tree


@st.composite
def damaged_json(draw: Draw, tree: Any) -> bytes:
    """A JSON file with damaged values, of another encoding, deeply nested, or with damaged bytes."""
    tree = draw(damaged_tree(tree))
    text = json.dumps(tree, default=str, ensure_ascii=draw(st.booleans()))
    how = draw(st.sampled_from(("plain",) * 6 + ("bytes", "nested", "encoding", "twice")))
    if how == "nested":
        depth = draw(st.sampled_from((100, 900, 5000, 100_000)))
        opened, closed = draw(st.sampled_from((("[", "]"), ('{"a":', "}"), ('{"people":', "}"), ('{"K":', "}"))))
        text = opened * depth + text + (closed * depth if draw(st.booleans()) else "")
    if how == "twice":
        text += draw(st.sampled_from((text, ",", "\n" + text, "]")))
    encoding = draw(st.sampled_from(("utf-16", "utf-8-sig", "latin-1", "utf-32"))) if how == "encoding" else "utf-8"
    content = text.encode(encoding, errors="replace" if encoding == "latin-1" else "surrogatepass")
    return draw(damaged_bytes(content)) if how == "bytes" else content


@st.composite
def damaged_array(draw: Draw, array: np.ndarray) -> np.ndarray:
    """An array of another type or shape, or with values that do not belong there."""
    how = draw(st.sampled_from(("type", "shape", "value", "value", "scale")))
    if how == "type":
        kind = draw(st.sampled_from(("f2", "f8", ">f4", "i1", "u1", "i8", "?", "c8", "U3", "S2", "M8[s]", "V4")))
        with np.errstate(all="ignore"):
            try:
                return array.astype(kind)
            except (TypeError, ValueError):
                return np.zeros(array.shape, dtype=kind)
    if how == "shape":
        n = array.size
        changed = {
            "transposed": array.T,
            "flat": array.reshape(-1),
            "one more axis": array[None],
            "a number": np.asarray(array.flat[0] if n else 0.0),
            "empty": array[..., :0] if array.ndim else array,
            "no rows": array[:0] if array.ndim else array,
            "shorter": array[:-1] if array.ndim and len(array) > 1 else array,
            "longer": np.concatenate([array, array[:1]]) if array.ndim and n else array,
            "narrower": array[..., :-1] if array.ndim else array,
        }
        return changed[draw(st.sampled_from(sorted(changed)))].copy()
    if array.dtype.kind not in "fiu" or array.size == 0:
        return array
    number = draw(st.sampled_from((np.nan, np.inf, -np.inf, 1e30, -1e30, 1e6, -1.0, 0.0, 0.5, 300.0)))
    with np.errstate(all="ignore"):
        if how == "scale":
            return (array * number).astype(array.dtype)
        changed = array.copy()
        if draw(st.booleans()):
            changed[...] = np.asarray(number).astype(array.dtype)
        else:
            changed.reshape(-1)[draw(st.integers(0, array.size - 1))] = np.asarray(number).astype(array.dtype)
    return changed


@st.composite
def damaged_arrays(draw: Draw, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Named arrays of which some are damaged, missing or renamed."""
    changed: dict[str, Any] = dict(arrays)
    for _ in range(draw(st.integers(0, 3))):
        if not changed:
            break
        name = draw(st.sampled_from(sorted(changed)))
        how = draw(st.sampled_from(("damage",) * 5 + ("remove", "rename", "swap", "text")))
        if how == "remove":
            del changed[name]
        elif how == "rename":
            changed[draw(st.sampled_from(("x", "arr_0", "a/b", "../x", name.upper())))] = changed.pop(name)
        elif how == "swap":
            changed[name] = changed[draw(st.sampled_from(sorted(changed)))]
        elif how == "text":
            changed[name] = np.asarray(draw(st.sampled_from(("", "open", "../x", "\n", "x" * 3000))))
        elif isinstance(changed[name], np.ndarray):
            changed[name] = draw(damaged_array(changed[name]))
    return changed


@st.composite
def damaged_npz(draw: Draw, arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz file with damaged arrays, headers that promise other sizes, or a damaged archive."""
    changed = draw(damaged_arrays(arrays))
    how = draw(st.sampled_from(("plain",) * 5 + ("header", "bomb", "bytes", "archive", "object", "fields")))
    method = draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))
    method = zipfile.ZIP_DEFLATED if how == "bomb" else method
    target = draw(st.sampled_from(sorted(changed))) if changed else ""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, array in changed.items():
            if name == target and how == "object":
                array = np.array([None, "x", {}], dtype=object)
            if name == target and how == "fields":
                array = np.zeros(3, dtype=[("a", "f4"), ("b", "i2")])
            content = npy(array)
            if name == target and how == "header":
                shape = draw(
                    st.sampled_from(("(10**9,)", "(1000000000000,)", "(-1,)", "(2, 3)", "()", "'x'", "(1e9,)"))
                )
                content = npy_header(shape) + content[128:]
            if name == target and how == "bomb":  # a few hundred kilobytes that unpack to gigabytes
                content = npy_header(f"({draw(st.sampled_from((1, 50, 300)))}000000,)")
                with archive.open(name + ".npy", "w", force_zip64=True) as member:
                    member.write(content)
                    for _ in range(int(content.split(b"shape': (")[1].split(b",")[0]) // 1_000_000):
                        member.write(bytes(4_000_000))
                continue
            archive.writestr(name + draw(st.sampled_from((".npy",) * 8 + ("", ".txt"))), content)
    whole = buffer.getvalue()
    if how == "archive":  # flag of encryption, or a compression that nobody knows, in both headers
        place, value = draw(st.sampled_from(((0, b"\x01\x00"), (2, b"\x63\x00"))))
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            start = whole.find(signature) + offset + place
            whole = whole[:start] + value + whole[start + 2 :]
    return draw(damaged_bytes(whole)) if how == "bytes" else whole


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """A sound .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    """Content of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array), allow_pickle=True)
    return buffer.getvalue()


def npy_header(shape: str) -> bytes:
    """Header of an .npy file of float32 that promises a shape."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
