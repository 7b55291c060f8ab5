"""What is in an output folder: summary and gallery of all fits, and which photos of a sharded run have none yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from render_fit.core.errors import InputError
from render_fit.core.files import write_json
from render_fit.core.shards import Shard, shard_numbers
from render_fit.core.text_files import read_json
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.export.gallery import Entry, read_entries, write_gallery, write_summary

LISTING = "shards.json"
"""The photos of a sharded run, in its output folder: every shard writes the same, those of all shards."""


@dataclass(frozen=True)
class Overview:
    """What is in an output folder.

    Attributes:
        statuses: Number of fits by status.
        photos: Number of photos of the sharded run; 0 if there was none.
        missing: Names of those without a result, or without one of each person.
        shards: Shard → number of its missing photos.
    """

    statuses: Mapping[str, int]
    photos: int = 0
    missing: tuple[str, ...] = ()
    shards: Mapping[Shard, int] = field(default_factory=dict)


def write_overview(out: Path) -> Overview:
    """Writes ``summary.csv`` and ``index.html`` of all finished fits in an output folder.

    Other processes may write fits into the folder meanwhile; those that are not finished are left out.

    Raises:
        InputError: if the folder cannot be written to, or its list of a sharded run's photos cannot be read.
    """
    entries = read_entries(out)
    write_summary(out / "summary.csv", entries)
    write_gallery(out / "index.html", entries, title=out.resolve().name)
    statuses = Counter(str(entry.report.get("status")) for entry in entries)
    count, images = _listed(out)
    results = results_of({name: Path(image).name for name, image in images.items()}, entries)
    missing = tuple(name for name in sorted(images) if not is_complete(results[name]))
    numbers = shard_numbers(list(images), count)
    shards = {Shard(number, count): n for number, n in sorted(Counter(numbers[name] for name in missing).items())}
    return Overview(statuses, len(images), missing, shards)


def list_photos(out: Path, jobs: Sequence[PhotoJob], shard: Shard) -> None:
    """Adds photos to the list of a sharded run's photos, so that it can be told later which of them are missing.

    Args:
        out: Output folder.
        jobs: Photos of all shards.
        shard: Any of the shards.

    Raises:
        InputError: if there is a file of that name that is no such list.
    """
    before = _listed(out)
    listed = shard.count, before[1] | {job.name: str(job.image.absolute()) for job in jobs}
    if listed != before:
        write_json(out / LISTING, {"shards": listed[0], "photos": listed[1]})


def results_of(images: Mapping[str, str], entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Fits of each photo.

    Args:
        images: Name of a photo's output folder → file name of the photo.
        entries: Fits in an output folder.

    Returns:
        Name → fits of the people in the photo; none for a photo that has no result.
    """
    found: dict[str, list[Entry]] = {name: [] for name in images}
    for entry in entries:
        image = Path(entry.report.get("image") or "").name
        for name in _possible_photos(entry.name):
            if images.get(name) == image:
                found[name].append(entry)
    return found


def belongs(folder: str, names: Container[str]) -> bool:
    """Whether a folder of a fit may be that of one of some photos.

    Args:
        folder: Name of the folder.
        names: Names of the photos' folders; the number of a person may follow.
    """
    return folder in names or any(name in names for name in _possible_photos(folder))


def is_complete(entries: Sequence[Entry]) -> bool:
    """Whether these fits of one photo are those of all people who were to be fitted."""
    return bool(entries) and len(entries) >= (entries[0].report.get("people") or 1)


def _listed(out: Path) -> tuple[int, dict[str, str]]:
    """Number of shards, and the photos of all of them: name → path; 0 and none without a sharded run."""
    path = out / LISTING
    if not path.exists():
        return 0, {}
    content = read_json(path, "the photos of a sharded run")
    if isinstance(content, dict):
        count, images = content.get("shards"), content.get("photos")
        if isinstance(count, int) and isinstance(images, dict) and all(isinstance(p, str) for p in images.values()):
            return count, images
    raise InputError(f"{path}: expected the photos of a sharded run, as render-fit fit --shard writes them; remove it")


def _possible_photos(folder: str) -> Iterator[str]:
    """Names of the photos that a folder of a fit may belong to: its own name, and what precedes a person's number."""
    yield folder
    for found in re.finditer(r"_(?=\d)", folder):
        yield folder[: found.start()]
