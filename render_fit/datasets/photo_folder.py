"""Photos to fit, and the files about each: mask, keypoints, part map."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from render_fit.core.errors import InputError
from render_fit.core.files import PARTIAL
from render_fit.datasets.photo_search import IMAGE_SUFFIXES, shortened

OBSERVATION_ENDINGS = {
    "mask": "_mask.png",
    "keypoints": "_keypoints.json",
    "parts": "_parts.png",
    "occluders": "_occluders.png",
}
"""Ends of the file names in ``--observations DIR``; each begins with the photo's stem. Capitals, other endings of
images, and the photo's whole name in place of its stem are accepted too."""

RESERVED = ("index.html", "summary.csv", "shards.json", ".", "..")
"""Names in an output folder that no photo's folder may have; ``...jpg`` has the stem ``..``."""


@dataclass(frozen=True)
class PhotoFiles:
    """Files about the person in one photo; a missing mask and missing keypoints are observed.

    Each field's annotation contains its description, which is also the help text of the command line's option.
    """

    mask: Annotated[Path | None, "Mask of the person (PNG), of the photo's size."] = None
    keypoints: Annotated[Path | None, "2D keypoints in OpenPose's or COCO's format (JSON)."] = None
    parts: Annotated[Path | None, "Map of body-part or clothing labels (PNG)."] = None
    part_labels: Annotated[
        str | None, "Label space of the part map: smpl24, nbf12, atr, lip, cihp, pascal or densepose24."
    ] = None
    occluders: Annotated[Path | None, "Mask (PNG) of other people and things in front of the person."] = None

    def __post_init__(self) -> None:
        if self.parts is not None and self.part_labels is None:
            raise InputError(f"{self.parts}: a part map needs the name of its label space: --part-labels atr, lip, …")

    @property
    def is_empty(self) -> bool:
        """Whether no file is given."""
        return not any((self.mask, self.keypoints, self.parts, self.occluders))


@dataclass(frozen=True)
class PhotoJob:
    """One photo to fit.

    Attributes:
        image: The photo.
        name: Name of the photo's output folder.
        files: Files about the person in the photo.
    """

    image: Path
    name: str
    files: PhotoFiles = PhotoFiles()


def plan_jobs(
    images: Sequence[Path],
    *,
    files: PhotoFiles = PhotoFiles(),
    observations: Path | None = None,
    several_people: bool = False,
) -> list[PhotoJob]:
    """One job per photo, each with a different folder name.

    Args:
        images: The photos.
        files: Files about a single photo; ``part_labels`` applies to the part maps in ``observations`` as well.
        observations: Folder with files about each photo, named by `OBSERVATION_ENDINGS`.
        several_people: Whether ``_<person>`` may be appended to the names.

    Returns:
        The jobs. A folder is named after the photo's stem, or after its whole file name where the stem would not be
        unique.

    Raises:
        InputError: if files about one photo come with several photos, or the folder contains no file about any of them.
    """
    if not files.is_empty and len(images) > 1:
        raise InputError("--mask, --keypoints and --parts belong to one photo; for many use --observations DIR")
    if observations is not None and not observations.is_dir():
        raise InputError(f"{observations}: no such folder")
    names = _folder_names(images, several_people)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0]}: several photos have this name; fit each of their folders into a different --out")
    there = {} if observations is None else _by_small_letters(observations)
    pairs = [files if observations is None else _files_in(there, image, files) for image in images]
    if observations is not None and all(pair.is_empty for pair in pairs):
        endings = ", ".join(f"<stem>{ending}" for ending in OBSERVATION_ENDINGS.values())
        found = shortened(path.name for path in there.values()) or "nothing"
        raise InputError(f"{observations}: contains no {endings} of these photos; there is: {found}")
    return [PhotoJob(image, name, pair) for image, name, pair in zip(images, names, pairs, strict=True)]


def unused_observations(jobs: Sequence[PhotoJob], observations: Path) -> tuple[str, ...]:
    """Sentences about photos without any file in a folder of observations, and about files there of no photo."""
    found = []
    without = [job.name for job in jobs if job.files.is_empty]
    if without:
        found.append(f"{observations}: nothing there for {shortened(without)}")
    used = {getattr(job.files, key) for job in jobs for key in OBSERVATION_ENDINGS} | {job.image for job in jobs}
    photos = {path.resolve() for path in used if path is not None}
    others = [path for path in _by_small_letters(observations).values() if path.resolve() not in photos]
    if others:
        found.append(f"{observations}: not used, of no photo here: {shortened(path.name for path in others)}")
    return tuple(found)


def _folder_names(images: Sequence[Path], several_people: bool) -> list[str]:
    stems = Counter(image.stem for image in images)
    numbered = {found[1] for stem in stems if (found := re.fullmatch(r"(.*)_\d+", stem, flags=re.DOTALL))}

    def is_free(stem: str) -> bool:
        taken = stems[stem] > 1 or stem in RESERVED or stem.endswith(PARTIAL)
        return not taken and not (several_people and stem in numbered)

    return [image.stem if is_free(image.stem) else image.name for image in images]


def _by_small_letters(folder: Path) -> dict[str, Path]:
    """Files of a folder, but hidden ones, by their names in small letters."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return {path.name.lower(): path for path in files}


def _files_in(there: Mapping[str, Path], image: Path, others: PhotoFiles) -> PhotoFiles:
    """Files about one photo in a folder."""
    chosen: dict[str, Path | None] = {}
    for key, ending in OBSERVATION_ENDINGS.items():
        end, _, suffix = ending.rpartition(".")
        suffixes = (f".{suffix}", *(IMAGE_SUFFIXES if suffix != "json" else ()))
        names = (f"{start}{end}{one}".lower() for start in (image.stem, image.name) for one in suffixes)
        chosen[key] = next((there[name] for name in names if name in there), getattr(others, key))
    return PhotoFiles(**chosen, part_labels=others.part_labels)
