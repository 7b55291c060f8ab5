"""Photos to fit, and the files about each: mask, keypoints, part map."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from render_fit.core.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")

OBSERVATION_ENDINGS = {
    "mask": "_mask.png",
    "keypoints": "_keypoints.json",
    "parts": "_parts.png",
    "occluders": "_occluders.png",
}
"""Ends of the file names in ``--observations DIR``; each begins with the photo's stem."""

RESERVED = ("index.html", "summary.csv")
"""Names in an output folder that no photo's folder may have."""


@dataclass(frozen=True)
class PhotoFiles:
    """Files about the person in one photo; a missing mask and missing keypoints are observed.

    Each field's annotation contains its description, which is also the help text of the command line's option.
    """

    mask: Annotated[Path | None, "Mask of the person (PNG), of the photo's size."] = None
    keypoints: Annotated[Path | None, "2D keypoints in OpenPose's or COCO's format (JSON)."] = None
    parts: Annotated[Path | None, "Map of body-part or clothing labels (PNG)."] = None
    part_labels: Annotated[
        str | None, "Label space of the part map: smpl24, nbf12, atr, lip, pascal or densepose24."
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


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Photos of a list of files and folders, each once; those of a folder by file name.

    Masks and part maps of a photo in the same folder are left out.

    Raises:
        InputError: if a path does not exist, or a folder contains no image.
    """
    images: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = _images_in(path)
            if not found:
                raise InputError(f"{path}: contains no image ({', '.join(IMAGE_SUFFIXES)})")
            images += found
        elif path.exists():
            images.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    return list(dict.fromkeys(images))


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
    pairs = [files if observations is None else _files_in(observations, image.stem, files) for image in images]
    if observations is not None and all(pair.is_empty for pair in pairs):
        endings = ", ".join(f"<stem>{ending}" for ending in OBSERVATION_ENDINGS.values())
        raise InputError(f"{observations}: contains no {endings}")
    return [PhotoJob(image, name, pair) for image, name, pair in zip(images, names, pairs, strict=True)]


def _folder_names(images: Sequence[Path], several_people: bool) -> list[str]:
    stems = Counter(image.stem for image in images)

    def is_free(stem: str) -> bool:
        taken = stems[stem] > 1 or stem in RESERVED
        if several_people:
            taken |= any(re.fullmatch(rf"{re.escape(stem)}_\d+", other) for other in stems)
        return not taken

    return [image.stem if is_free(image.stem) else image.name for image in images]


def _images_in(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    stems = {path.stem for path in images}
    endings = ("_mask", "_parts", "_labels", "_occluders")
    return [path for path in images if not any(path.stem.removesuffix(end) in stems - {path.stem} for end in endings)]


def _files_in(folder: Path, stem: str, others: PhotoFiles) -> PhotoFiles:
    found = {key: folder / f"{stem}{ending}" for key, ending in OBSERVATION_ENDINGS.items()}
    chosen = {key: path if path.is_file() else getattr(others, key) for key, path in found.items()}
    return PhotoFiles(**chosen, part_labels=others.part_labels)
