"""Which photos to fit, and what other tools already know about each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from render_fit.core.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")

OBSERVATION_ENDINGS = {
    "mask": "_mask.png",
    "keypoints": "_keypoints.json",
    "parts": "_parts.png",
    "occluders": "_occluders.png",
}
"""What ``--observations DIR`` holds for ``<stem>.jpg``: ``<stem>`` plus these."""


RESERVED = ("index.html", "summary.csv")
"""Files of an output folder beside the photos' folders."""


@dataclass(frozen=True)
class PhotoFiles:
    """Files about the person in one photo; None is observed.

    Attributes:
        mask: Person mask, PNG.
        keypoints: OpenPose or COCO JSON.
        parts: Map of part or clothing labels, PNG.
        part_labels: Name of the label space of ``parts``.
        occluders: Mask of what hides the person, PNG: other people, things. Pixels there say nothing.
    """

    mask: Path | None = None
    keypoints: Path | None = None
    parts: Path | None = None
    part_labels: str | None = None
    occluders: Path | None = None

    def __post_init__(self) -> None:
        if self.parts is not None and self.part_labels is None:
            raise InputError(f"{self.parts}: say what its labels mean with --part-labels (atr, lip, …)")

    @property
    def is_empty(self) -> bool:
        """Whether there is no file at all."""
        return not any((self.mask, self.keypoints, self.parts, self.occluders))


@dataclass(frozen=True)
class PhotoJob:
    """One photo to fit.

    Attributes:
        image: The photo.
        name: Name of its output folder.
        given: Files about it.
    """

    image: Path
    name: str
    given: PhotoFiles = PhotoFiles()


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The photos that a list of files and folders names, folders in order of file name.

    In a folder, masks and part maps that lie beside their photo are not taken for photos.

    Raises:
        InputError: if a path does not exist, or a folder holds no image.
    """
    images: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = _images_in(path)
            if not found:
                raise InputError(f"{path}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
            images += found
        elif path.exists():
            images.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    return list(dict.fromkeys(images))


def plan_jobs(
    images: Sequence[Path],
    *,
    given: PhotoFiles = PhotoFiles(),
    observations: Path | None = None,
    several_people: bool = False,
) -> list[PhotoJob]:
    """One job per photo, each with a folder name of its own.

    Args:
        images: The photos.
        given: Files about the one photo; its ``part_labels`` is about the part maps in ``observations`` as well.
        observations: Folder with ``<stem>_mask.png``, ``<stem>_keypoints.json``, ``<stem>_parts.png``.
        several_people: Whether folders may get ``_<person>`` behind their names.

    Returns:
        The jobs. A folder is named after the photo's stem, or after its whole file name where the stem would not be
        unique.

    Raises:
        InputError: if files about one photo come with several photos, or the folder says nothing about any.
    """
    if not given.is_empty and len(images) > 1:
        raise InputError("--mask, --keypoints and --parts belong to one photo; for many use --observations DIR")
    if observations is not None and not observations.is_dir():
        raise InputError(f"{observations}: no such folder")
    names = _folder_names(images, several_people)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0]}: several photos have this name; give each of their folders its own run and --out")
    files = [given if observations is None else _given_in(observations, image.stem, given) for image in images]
    if observations is not None and all(one.is_empty for one in files):
        endings = ", ".join(f"<stem>{ending}" for ending in OBSERVATION_ENDINGS.values())
        raise InputError(f"{observations}: holds no {endings}")
    return [PhotoJob(image, name, one) for image, name, one in zip(images, names, files, strict=True)]


def _folder_names(images: Sequence[Path], several_people: bool) -> list[str]:
    stems = Counter(image.stem for image in images)

    def is_free(stem: str) -> bool:
        taken = stems[stem] > 1 or stem in RESERVED
        if several_people:
            taken |= any(re.fullmatch(rf"{re.escape(stem)}_\d+", other) for other in stems)
        return not taken

    return [image.stem if is_free(image.stem) else image.name for image in images]


def _images_in(folder: Path) -> list[Path]:
    images = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not path.name.startswith(".")
    ]
    stems = {path.stem for path in images}

    def beside_its_photo(path: Path) -> bool:
        return any(
            path.stem.removesuffix(ending) in stems - {path.stem}
            for ending in ("_mask", "_parts", "_labels", "_occluders")
        )

    return [path for path in images if not beside_its_photo(path)]


def _given_in(folder: Path, stem: str, given: PhotoFiles) -> PhotoFiles:
    found = {key: folder / f"{stem}{ending}" for key, ending in OBSERVATION_ENDINGS.items()}
    files = {key: path if path.is_file() else getattr(given, key) for key, path in found.items()}
    return PhotoFiles(**files, part_labels=given.part_labels)
