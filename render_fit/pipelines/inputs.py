"""The files that a result was made from, by their content: a result is done again when one of them changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from render_fit.core.fingerprints import content_hash
from render_fit.core.observer_choice import parse_observer
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.exchange.files import file_for
from render_fit.pipelines.options import FitOptions


def fingerprints(job: PhotoJob, options: FitOptions) -> dict[str, str]:
    """SHA-256 of every file that the fits of a photo depend on.

    Args:
        job: Photo and the files about it.
        options: Options of the run; recipe, regressor, body and the observer's settings count if they are
            files.

    Returns:
        What the file is → hash of its content; without files that cannot be read, whose error comes with the fit.
    """
    files = {"photo": job.image} | {
        key: path for key in ("mask", "keypoints", "parts", "occluders") if (path := getattr(job.files, key))
    }
    if (start := file_for(options.start, job.image)) is not None:
        files["start"] = start
    given = {"camera": options.camera, "recipe": options.recipe, "regressor": options.regressor, "body": options.body}
    given["observer"] = None if options.observer is None else parse_observer(options.observer).settings
    files |= {key: Path(name) for key, name in given.items() if name is not None and Path(name).is_file()}
    return {key: found for key, path in files.items() if (found := content_hash(path))}


def changed_inputs(report: Mapping[str, Any], now: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the inputs that are not those of a report; none if the report does not say (versions before 0.2)."""
    before = report.get("inputs")
    if not isinstance(before, dict):
        return ()
    return tuple(key for key in {**before, **now} if before.get(key) != now.get(key))
