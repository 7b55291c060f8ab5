"""Rows of an experiment that are kept as they are finished, so that a run that was stopped goes on after them.

Each row is an .npz file: figures as JSON, pictures as arrays. Its name is a hash of all that the row depends on within
the run: the function that makes it, the configuration, recipe and regressor, and the task with the content of its
files. The files of a run lie in a folder whose name is a hash of what all its rows depend on: the content of this
package's files, the versions of the packages below it, the number of cores, names and sizes of the research data. So a
row of other options, of a changed recipe or of changed code is never used; it stays where it is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import render_fit
from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.core.files import write_file
from render_fit.core.fingerprints import folder_hash, value_hash
from render_fit.datasets.images import data_folder
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import Metrics
from render_fit.fitting.recipe import Recipe
from render_fit.fitting.result import versions

UNFINISHED = ".unfinished"
"""Folder in the output folder, with a folder for each experiment that was begun and is not finished."""

_IN_THE_RUN = ("out", "rows", "data")
"""Options on which no row depends: where results go, and where the data are (their names and sizes count)."""

_LETTERS = 16
_TEXT, _PICTURE = "row", "picture_"


def folder_of_rows(name: str, config: ExperimentConfig) -> Path:
    """Where the rows of an experiment with this configuration are kept; made when the first is written.

    Args:
        name: Name of the experiment.
        config: Its configuration.
    """
    made_from = (name, _options(config), _package(), versions(), os.cpu_count(), _data(config.data))
    return config.out / UNFINISHED / name / value_hash(made_from)[:_LETTERS]


def rows_of_other_runs(folder: Path) -> int:
    """Number of rows beside a folder of rows, of other options, versions or data, which are not used."""
    return sum(1 for path in folder.parent.glob("*/*.npz") if path.parent != folder)


def remove_rows(folder: Path) -> None:
    """Removes the rows of an experiment that is finished, and the folders that contain nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    for above in (folder.parent, folder.parent.parent):
        if above.is_dir() and not any(above.iterdir()):
            above.rmdir()


def mark_of_rows(work: str, config: ExperimentConfig, recipe: Recipe) -> str:
    """Hash of what all rows of one function depend on.

    Args:
        work: Name of the function that makes them.
        config: The configuration that the function is given.
        recipe: The recipe of that configuration.
    """
    regressor = Path(recipe.initialisation.regressor or "")  # a shipped one is among the package's files
    return value_hash((work, _options(config), recipe.model_dump_json(), regressor))


def file_of_row(mark: str, number: int, task: Any, folder: Path) -> Path:
    """File of a row.

    Args:
        mark: `mark_of_rows`.
        number: Number of the task.
        task: The task; see `core.fingerprints.value_hash` for what it may contain.
        folder: Folder of the rows.

    Raises:
        TypeError: if the content of the task is not known.
    """
    return folder / f"{number:05d}_{value_hash((mark, task))[:_LETTERS]}.npz"


def write_row(path: Path, row: Metrics) -> Metrics:
    """Writes a row under a temporary name and renames it.

    Returns:
        The row as `read_row` gives it, so that a run in one go and one that was stopped give the same.

    Raises:
        OutputError: if it cannot be written.
    """
    text = json.dumps({"values": row.values, "caption": row.caption}, default=_plain)
    arrays = {_TEXT: np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)}
    arrays |= {f"{_PICTURE}{number}": picture for number, picture in enumerate(row.pictures)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, lambda file: np.savez(file, **arrays))  # pyright: ignore[reportArgumentType]
    return _row(arrays)


def read_row(path: Path) -> Metrics | None:
    """Reads a row; None if there is none, or it is damaged."""
    if not path.is_file():
        return None
    try:
        return _row(read_arrays(path))
    except (InputError, KeyError, ValueError):
        return None


def _row(arrays: Mapping[str, Any]) -> Metrics:
    content = json.loads(arrays[_TEXT].tobytes().decode("utf-8", "surrogatepass"))
    pictures = tuple(arrays[f"{_PICTURE}{number}"] for number in range(len(arrays) - 1))
    return Metrics(content["values"], pictures, content["caption"])


def _plain(value: Any) -> Any:
    """A number of numpy as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__qualname__}: expected numbers, texts, truth values, lists and mappings")


def _options(config: ExperimentConfig) -> dict[str, Any]:
    """Options that rows depend on; ``jobs`` is one, because rows have durations."""
    return {one.name: getattr(config, one.name) for one in fields(config) if one.name not in _IN_THE_RUN}


@lru_cache(maxsize=1)
def _package() -> str:
    return folder_hash(Path(render_fit.__file__).parent)


@lru_cache(maxsize=1)
def _data(folder: Path | None) -> str:
    """Hash of names and sizes of the research data; their contents may be many gigabytes."""
    try:
        root = data_folder(folder)
    except FileNotFoundError:
        return ""
    files = [Path(place) / name for place, _, names in os.walk(root) for name in names]
    return value_hash("\n".join(sorted(f"{path.relative_to(root)}\0{path.lstat().st_size}" for path in files)))
