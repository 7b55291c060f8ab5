"""Observations of photos, cached on disk for all processes and for resumed trainings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output, remove_leftovers, write_file
from render_fit.core.fingerprints import content_hash
from render_fit.core.parts import PART_SPACES, PartSpace
from render_fit.core.skeletons import SKELETONS, Skeleton
from render_fit.losses.targets import FitTargets
from render_fit.observations import OBSERVERS, Observer, observe
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.regressors.person_crop import PersonCrop
from render_fit.training.unlabelled_photos import UnlabelledPhotos

OBSERVER = "blazepose"

_VERSION = 4
"""Version of the cached files; those of another version are not used."""


def observed_people(
    images: Sequence[Path],
    regressor: Regressor,
    resolution: int,
    folder: Path,
    processes: PartialState,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[Path, UnlabelledPhotos], dict[Path, str]]:
    """Observes the largest person of every photo (docs/observations.md).

    Part maps are computed only for regressors that use nothing else. A photo that was observed before and has not
    changed since is read from ``folder``.

    Args:
        images: Photos.
        regressor: Regressor whose inputs are needed.
        resolution: Side of the crops that predictions are compared with, pixels.
        folder: Folder of cached observations, one file for each photo.
        processes: Processes, each of which observes its share of the photos.
        on_progress: Called with (photos observed, photos of this process).

    Returns:
        People by photo, and the reasons why other photos were left out.
    """
    files = {path: folder / f"{_key(path, regressor, resolution)}.pt" for path in images}
    own = list(images)[processes.process_index :: processes.num_processes]
    remove_leftovers(prepare_output(folder))
    observer = None
    for number, path in enumerate(own, start=1):
        if _read(files[path]) is None:
            observer = observer or OBSERVERS[OBSERVER]()
            _write(_observed(path, observer, regressor, resolution), files[path])
        if on_progress is not None:
            on_progress(number, len(own))
    processes.wait_for_everyone()
    people, skipped = {}, {}
    for path, file in files.items():
        found = _read(file)
        if isinstance(found, UnlabelledPhotos):
            people[path] = found
        else:
            skipped[path] = found or "not observed"
    return people, skipped


def _observed(path: Path, observer: Observer, regressor: Regressor, resolution: int) -> UnlabelledPhotos | str:
    """The largest person of a photo, or the reason why there is none."""
    config = regressor.config
    try:
        person = observe(path, observer=observer, parts_from_keypoints=config.input_kinds == {"part map"})[0]
        if person.mask is None or person.keypoints_px is None:
            return "no mask or no keypoints"
        assert person.camera is not None  # `observe` always decides one
        photo = UnlabelledPhotos.of([person], [person.camera], config.size, resolution, photo=config.uses("photo"))
        regressor.check_inputs(photo.inputs)
    except InputError as error:
        return str(error)
    return photo


def _key(path: Path, regressor: Regressor, resolution: int) -> str:
    """Name of the cached file: a hash of the photo's path and content, and of what is computed from it."""
    config = regressor.config
    parts = [str(path.absolute()), content_hash(path), config.size, sorted(config.input_kinds), resolution]
    return hashlib.sha256(json.dumps([_VERSION, OBSERVER, *parts]).encode()).hexdigest()[:24]


def _write(found: UnlabelledPhotos | str, path: Path) -> None:
    content = {"reason": found} if isinstance(found, str) else _plain(found)
    write_file(path, lambda file: torch.save(content, file))


def _read(path: Path) -> UnlabelledPhotos | str | None:
    """Content of a cached file; None if it does not exist or is damaged."""
    try:
        return _people(torch.load(path, weights_only=True))
    except Exception:  # torch reports a damaged file in many ways
        return None


def _people(content: Any) -> UnlabelledPhotos | str:
    """People of a cached file's content, or the reason why there are none."""
    if "reason" in content:
        return str(content["reason"])
    targets = content["targets"]
    targets["camera"] = Camera(**targets["camera"])
    targets["skeleton"] = SKELETONS.get(targets["skeleton"])
    targets["part_space"] = PART_SPACES.get(targets["part_space"])
    view = PersonCrop(Camera(**content["view"]["camera"]), content["view"]["rotation"])
    return UnlabelledPhotos(RegressorInputs(**content["inputs"]), view, FitTargets(**targets))


def _plain(value: Any) -> Any:
    """Nested dataclasses as dictionaries of tensors, numbers and names."""
    if isinstance(value, Tensor):
        return value if value.any() else value.new_zeros(1).expand(value.shape)  # zeros are stored as one number
    if isinstance(value, (Skeleton, PartSpace)):
        return value.name
    if value is None or isinstance(value, int):
        return value
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
