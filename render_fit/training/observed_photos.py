"""Photos that are observed once: what each shows is kept on disk, for every process and every run that goes on."""

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
from render_fit.core.parts import PART_SPACES, PartSpace
from render_fit.core.skeletons import SKELETONS, Skeleton
from render_fit.losses.targets import FitTargets
from render_fit.observations import OBSERVERS, Observer, observe
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.regressors.person_crop import PersonCrop
from render_fit.training.render_supervision import UnlabelledPhotos

OBSERVER = "mediapipe"

_VERSION = 2
"""Of what is kept: another number observes anew."""


def observed_people(
    images: Sequence[Path],
    regressor: Regressor,
    resolution: int,
    folder: Path,
    together: PartialState,
    watch: Callable[[int, int], None] | None = None,
) -> tuple[dict[Path, UnlabelledPhotos], dict[Path, str]]:
    """The largest person of every photo as a regressor sees them, and the photos without one.

    A part map is made only for regressors that look at nothing else. What a photo shows is read from ``folder`` where
    it was observed before; a photo that has changed since is observed again.

    Args:
        images: The photos.
        regressor: Who looks.
        resolution: Side of the crops that are compared with, pixels.
        folder: Where observations are kept, a file for each photo.
        together: Processes, each of which observes its share.
        watch: Called with (photos observed, photos of this process).

    Returns:
        People, and why photos were left out, by photo.
    """
    files = {path: folder / f"{_key(path, regressor, resolution)}.pt" for path in images}
    mine = list(images)[together.process_index :: together.num_processes]
    folder.mkdir(parents=True, exist_ok=True)
    observer = None
    for number, path in enumerate(mine, start=1):
        if _read(files[path]) is None:
            observer = observer or OBSERVERS[OBSERVER]()
            _write(_observed(path, observer, regressor, resolution), files[path])
        if watch is not None:
            watch(number, len(mine))
    together.wait_for_everyone()
    people, skipped = {}, {}
    for path, file in files.items():
        found = _read(file)
        if isinstance(found, UnlabelledPhotos):
            people[path] = found
        else:
            skipped[path] = found or "not observed"
    return people, skipped


def _observed(path: Path, observer: Observer, regressor: Regressor, resolution: int) -> UnlabelledPhotos | str:
    config = regressor.config
    try:
        seen = observe(path, observer=observer, parts_from_keypoints=config.looks_at == {"part map"})[0]
        if seen.mask is None or seen.keypoints_px is None:
            return "no mask or no keypoints"
        assert seen.camera is not None  # `observe` always decides one
        one = UnlabelledPhotos.of([seen], [seen.camera], config.size, resolution, photo=config.sees("photo"))
        regressor.check_inputs(one.inputs)
    except InputError as error:
        return str(error)
    return one


def _key(path: Path, regressor: Regressor, resolution: int) -> str:
    """Names what is kept of a photo: by the photo as it is now, and by what is made of it."""
    about, config = path.stat(), regressor.config
    told = [str(path.absolute()), about.st_size, about.st_mtime_ns, config.size, sorted(config.looks_at), resolution]
    return hashlib.sha256(json.dumps([_VERSION, OBSERVER, *told]).encode()).hexdigest()[:24]


def _write(found: UnlabelledPhotos | str, path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save({"reason": found} if isinstance(found, str) else _plain(found), partial)
    partial.replace(path)


def _read(path: Path) -> UnlabelledPhotos | str | None:
    """What was kept; None if nothing was, or the file is damaged."""
    try:
        kept = torch.load(path, weights_only=True)
    except Exception:  # torch reports a damaged file in many ways
        return None
    if "reason" in kept:
        return str(kept["reason"])
    targets = kept["targets"]
    targets["camera"] = Camera(**targets["camera"])
    targets["skeleton"] = SKELETONS.get(targets["skeleton"])
    targets["part_space"] = PART_SPACES.get(targets["part_space"])
    view = PersonCrop(Camera(**kept["view"]["camera"]), kept["view"]["rotation"])
    return UnlabelledPhotos(RegressorInputs(**kept["inputs"]), view, FitTargets(**targets))


def _plain(value: Any) -> Any:
    """Tensors, numbers and names in dictionaries, as far down as dataclasses go."""
    if isinstance(value, Tensor):
        return value if value.any() else value.new_zeros(1).expand(value.shape)  # nothing takes no room
    if isinstance(value, (Skeleton, PartSpace)):
        return value.name
    if value is None or isinstance(value, int):
        return value
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
