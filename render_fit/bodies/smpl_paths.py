"""Finds model files of the SMPL family under the names and in the folders in which their sites hand them out.

``SMPL_NEUTRAL.pkl`` and ``smplx/SMPLX_MALE.npz`` (smplx's layout), ``basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl`` and
``basicModel_f_lbs_10_207_0_v1.0.0.pkl`` (SMPL's archives), ``neutral/model.npz`` (SMPL+H for AMASS, SMPL-X locked
head).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from render_fit.bodies.file_checks import BodyFileError

GENDERS = ("neutral", "male", "female")

SUFFIXES = (".npz", ".pkl")
"""Endings of model files, in small letters; of one model the .npz is preferred."""

DEPTH = 4
"""Levels of folders that are searched: ``SMPL_python_v.1.1.0/smpl/models/…`` has three above its files."""

_INITIALS = {"n": "neutral", "m": "male", "f": "female"}


def model_file(path: Path, gender: str | None) -> Path:
    """Finds the model file for a path and a gender.

    Args:
        path: A file, which is returned as it is, or a folder.
        gender: One of `GENDERS`; if None neutral, or the only model there.

    Raises:
        FileNotFoundError: if there is none; the message lists the files.
        BodyFileError: if there are several.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"no body model at {path}: no such file or folder")
    models = sorted((file for file in _files(path, DEPTH) if gender_of(file)), key=lambda file: str(file).lower())
    there = ", ".join(str(file.relative_to(path)) for file in models) or _listing(path.iterdir())
    fitting = [file for file in models if gender_of(file) == (gender or "neutral")]
    if gender is None and not fitting and len({_without_suffix(file) for file in models}) == 1:
        fitting = models
    if not fitting:
        raise FileNotFoundError(
            f"no model like SMPL_{(gender or 'neutral').upper()}.pkl, SMPLH_... or SMPLX_... in {path}; "
            f"there is: {there}"
        )
    if len({_without_suffix(file) for file in fitting}) > 1:
        raise BodyFileError(f"{path} contains several models: {there}. Give the path of one file.")
    return min(fitting, key=lambda file: SUFFIXES.index(file.suffix.lower()))


def gender_of(file: Path) -> str | None:
    """Gender of a model file by its name or its folder's; None if the name is no model's."""
    name = file.stem.lower()
    if file.suffix.lower() not in SUFFIXES:
        return None
    if name in ("model", *GENDERS):
        return next((word for word in (name, file.parent.name.lower()) if word in GENDERS), None)
    if not name.startswith(("smpl", "basicmodel")):
        return None
    words = re.split(r"[^a-z0-9]+", name)
    found = [word if word in GENDERS else _INITIALS.get(word) for word in words]
    return next((gender for gender in found if gender), None)


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Files in a folder and the folders in it, a few levels deep."""
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if path.is_file():
            yield path
        elif depth > 1 and path.is_dir():
            yield from _files(path, depth - 1)


def _without_suffix(file: Path) -> str:
    return str(file.with_suffix("")).lower()


def _listing(files: Iterable[Path]) -> str:
    names = sorted(file.name for file in files)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "nothing"
