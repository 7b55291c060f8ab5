"""Which files of a folder are photos, and why the others are left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from render_fit.core.errors import InputError
from render_fit.core.file_kinds import VIDEO_SUFFIXES, what_it_is

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jfif", ".jpe", ".jif", ".pjpeg", ".pjp",
    ".mpo", ".jp2", ".j2k", ".apng", ".ppm", ".pgm", ".pnm", ".tga",
)  # fmt: skip
"""Endings of photos, in small letters. Files of other endings are photos if their content is one of `READ_KINDS`."""

READ_KINDS = ("a JPEG image", "a PNG image", "a WebP image", "a TIFF image", "a BMP image", "a GIF image")
"""What Pillow reads in every build, in the words of `what_it_is`."""

MADE_FROM_PHOTOS = (
    "mask", "parts", "labels", "occluders", "rendered", "iuv", "inds", "seg", "segm", "segmentation", "parsing",
    "matte", "alpha", "overlay", "vis", "depth", "heatmaps", "pose_heatmaps", "openpose", "densepose",
    "render", "skeleton", "keypoints", "pose", "smpl", "mesh", "annotated", "blend",
)  # fmt: skip
"""Endings of stems of pictures that tools write beside a photo: ``<stem>_rendered.png`` (OpenPose),
``<stem>_IUV.png``."""

OWN_PICTURES = ("overlay.png", "side.png", "progress.gif", "turntable.gif", "comparison.png")
"""Pictures in a folder of a fit, beside its ``input.jpg``."""

_NOT_READ = {
    "HEIC is not read: convert it to JPEG or PNG": (".heic", ".heif", ".hif"),
    "raw photos are not read: develop them to JPEG or PNG": (
        ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw",
    ),
    "videos are not read here: take pictures out of them, or fit one with fit-person": VIDEO_SUFFIXES,
    "not read: convert them to JPEG or PNG": (".psd", ".svg", ".pdf", ".jxl", ".eps", ".exr", ".avif"),
}  # fmt: skip

ABOUT_PHOTOS = (
    "files about photos: use them with --observations",
    "made from photos there; masks and part maps are used with --observations",
)
"""Reasons to leave out files about photos."""

NAMED = 4
"""Files that a message names before it counts the rest."""


@dataclass(frozen=True)
class FoundPhotos:
    """Photos of files and folders.

    Attributes:
        images: Paths of the photos, each once; those of a folder by file name.
        left_out: What was not taken for a photo and why, a sentence per folder.
    """

    images: tuple[Path, ...]
    left_out: tuple[str, ...]


def find_photos(paths: Sequence[Path], observations: Path | None = None) -> FoundPhotos:
    """Finds the photos in a list of files and folders. Folders in folders are not searched.

    Pictures that tools made of photos in the same folder (masks, part maps, drawings) are left out, and told.

    Args:
        paths: Files and folders.
        observations: Folder whose files about photos are used; of these nothing is told.

    Raises:
        InputError: if a path does not exist, or a folder contains no photo.
    """
    images: list[Path] = []
    left_out: list[str] = []
    given = [path for path in paths if not path.is_dir()]
    made = _made_from_others(given) if len(given) > 1 else {}
    for path in paths:
        if path.is_dir():
            found, reasons = _photos_in(path)
            if observations is not None and path.resolve() == observations.resolve():
                reasons = {file: reason for file, reason in reasons.items() if reason not in ABOUT_PHOTOS}
            sentence = f"left out of {path}: {_listed(reasons)}" if reasons else ""
            if not found:
                hint = f"; {sentence}" if sentence else ""
                raise InputError(f"{path}: contains no image ({', '.join(IMAGE_SUFFIXES[:8])}, …){hint}")
            images += found
            left_out += [sentence] if sentence else []
        elif not path.exists():
            raise InputError(f"{path}: no such file or folder")
        elif path not in made:
            images.append(path)
    if made:
        left_out.append(f"left out: {_listed(made)}")
    return FoundPhotos(tuple(dict.fromkeys(images)), tuple(left_out))


def _photos_in(folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """Photos of a folder by name, and the other entries with the reason why they are left out."""
    try:
        entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from None
    reasons = {path: reason for path in entries if (reason := _why_no_image(path))}
    images = [path for path in entries if path not in reasons]
    if (folder / "report.json").is_file():
        reasons |= {path: "render-fit's own pictures" for path in images if path.name in OWN_PICTURES}
        images = [path for path in images if path not in reasons]
    made = _made_from_others(images)
    stems = {path.stem.lower() for path in images}
    about = {
        path: ABOUT_PHOTOS[0]
        for path in reasons
        if path.suffix.lower() == ".json" and path.stem.lower().removesuffix("_keypoints") in stems
    }
    return [path for path in images if path not in made], reasons | about | made


def _why_no_image(path: Path) -> str:
    """Reason why an entry of a folder is no photo; empty if it is one."""
    if path.is_dir():
        return "folders in folders are not searched"
    if not path.is_file():
        return "no file: a broken link?"
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return ""
    kind = what_it_is(path)
    known = next((reason for reason, endings in _NOT_READ.items() if suffix in endings), "")
    if kind in READ_KINDS and not (known and kind == "a TIFF image"):  # raw photos are TIFF files
        return ""
    return known or (
        f"{kind.removeprefix('a ').removeprefix('an ')}" if "photo" in kind or "video" in kind else "no images"
    )


def _made_from_others(images: Sequence[Path]) -> dict[Path, str]:
    """Pictures that were made from others of a list, with the reason to leave them out."""
    stems = Counter((path.parent, path.stem.lower()) for path in set(images))
    made = {}
    for path in images:
        stem = path.stem.lower()
        words = (ending for ending in MADE_FROM_PHOTOS if stem.endswith(f"_{ending}"))
        if any((path.parent, stem.removesuffix(f"_{word}")) in stems for word in words):
            made[path] = ABOUT_PHOTOS[1]
        elif stems[path.parent, stem] > 1 and _looks_like_map(path):
            made[path] = "label map of the photo of the same name"
    return made


def _looks_like_map(path: Path) -> bool:
    """Whether a file is a PNG with a palette or one bit, as parsers write their label maps."""
    if path.suffix.lower() != ".png":
        return False
    try:
        with Image.open(path) as file:
            return file.mode in ("P", "1")
    except Exception:  # whatever is wrong with the file is told when it is read
        return False


def _listed(reasons: dict[Path, str]) -> str:
    """Files by the reason why they are left out."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path, reason in reasons.items():
        groups[reason].append(path.name)
    return "; ".join(f"{shortened(names)} ({reason})" for reason, names in groups.items())


def shortened(names: Iterable[str]) -> str:
    """Names with commas, the first `NAMED` of them."""
    all_names = list(names)
    more = f" and {len(all_names) - NAMED} more" if len(all_names) > NAMED else ""
    return ", ".join(all_names[:NAMED]) + more
