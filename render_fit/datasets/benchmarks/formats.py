"""Formats of annotated data sets by name: how each is recognised, read, and evaluated by custom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from render_fit.core.errors import InputError
from render_fit.core.registry import Registry
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson
from render_fit.datasets.benchmarks.joint_sets import PUBLISHED_14
from render_fit.datasets.benchmarks.spin import looks_like_spin, read_spin


@dataclass(frozen=True)
class BenchmarkFormat:
    """A format of annotated data sets.

    Attributes:
        title: What it is, for lists and messages.
        expects: What DATASET has to be.
        looks_like: Whether a path is of this format, by names and keys.
        read: Reads all people of a path.
        joints: Names of the 3D joints that published tables compare; all that are known if empty.
    """

    title: str
    expects: str
    looks_like: Callable[[Path], bool]
    read: Callable[[Path], list[AnnotatedPerson]]
    joints: tuple[str, ...] = ()


def _spin() -> BenchmarkFormat:
    return BenchmarkFormat(
        "SPIN's npz (Human3.6M, MPI-INF-3DHP, 3DPW, LSP)", "an .npz with imgname, center, scale, …",
        looks_like_spin, read_spin, PUBLISHED_14,
    )  # fmt: skip


FORMATS: Registry[BenchmarkFormat] = Registry("data set format", "render_fit.benchmarks", {"spin": _spin})
"""Formats by name; other packages add theirs as entry points."""


def format_of(path: Path, name: str | None = None) -> tuple[str, BenchmarkFormat]:
    """The format of a path.

    Args:
        path: File or folder of a data set.
        name: Name of the format; recognised if None.

    Raises:
        InputError: if the path does not exist, the name is not known, or no format or several are recognised.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected a data set")
    if name is not None:
        return name, FORMATS.make(name)
    found = [(one, made) for one in FORMATS if (made := FORMATS.make(one)).looks_like(path)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(one for one, _ in found) if found else ", ".join(FORMATS)
    if found:
        raise InputError(f"{path}: could be of several formats; choose one with --format: {names}")
    raise InputError(f"{path}: its format is not recognised; give it with --format, one of: {names}")
