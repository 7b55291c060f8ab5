"""Pseudo labels: finished fits of unlabelled photos are the regression targets of these photos.

Every photo is fitted once, before the training, by a fit recipe that starts from another regressor than the one that is
trained. A fit whose status is not ok teaches nothing.

Source: supervision by fits to images as in Kolotouros et al., ICCV 2019 (there in the loop), and Joo et al., 3DV 2021.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from pydantic import BaseModel, ConfigDict, Field

from render_fit.bodies.body import Body
from render_fit.core.array_files import read_arrays, write_arrays
from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output, remove_leftovers
from render_fit.core.fingerprints import content_hash
from render_fit.core.rotations import roma
from render_fit.fitting.fit import fit_image
from render_fit.fitting.recipe import load_recipe
from render_fit.observations import OBSERVERS, Observer, observe
from render_fit.training.fitting_in_the_loop import BestFits, FitSupervision
from render_fit.training.losses import Losses
from render_fit.training.observed_photos import OBSERVER
from render_fit.training.supervision import StepBatch, StepPrediction

_VERSION = 1
"""Version of the kept fits; those of another version are not used."""


class PseudoLabelsConfig(BaseModel):
    """Supervision by finished fits of unlabelled photos, added to the losses on synthetic people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(default=1.0, ge=0, description="weight of the losses towards the fits")
    recipe: str = Field(default="hybrid", description="fit recipe, by name or path")


@dataclass
class PseudoLabels(FitSupervision):
    """Losses towards the finished fits of the step's photos, those of value 0; the value of others is infinite.

    Attributes:
        config: Weight.
    """

    config: PseudoLabelsConfig

    def loss(self, prediction: StepPrediction, batch: StepBatch) -> Losses:
        """Compares the predictions with the fits."""
        assert batch.photos is not None and batch.photo_rows is not None
        fits = self.fits[batch.photo_rows]
        regression = self.towards(fits, fits.value.isfinite(), prediction.photos, batch.photos)
        return Losses(self.config.weight * regression.total, {"photos": regression.total.detach()})


def fitted_photos(
    photos: Sequence[Path],
    config: PseudoLabelsConfig,
    body: Body,
    folder: Path,
    processes: PartialState,
    on_progress: Callable[[int, int], None] | None = None,
) -> BestFits:
    """Fits the largest person of every photo. Fits of unchanged photos in ``folder`` are read.

    Args:
        photos: Photos with a person.
        config: Fit recipe.
        body: Body of the training.
        folder: Folder of kept fits, one file for each photo.
        processes: Processes, each of which fits its share of the photos.
        on_progress: Called with (photos fitted, photos of this process).

    Returns:
        A fit of every photo, in the camera axes of the photo: value 0, or infinite where the status is not ok.

    Raises:
        InputError: if there is no such recipe, or its body is not that of the training.
    """
    recipe = load_recipe(config.recipe)
    if recipe.body != body.name:
        raise InputError(f"pseudo_labels: recipe {config.recipe} fits the body {recipe.body}, not {body.name}")
    if recipe.n_betas != body.n_betas:
        raise InputError(
            f"pseudo_labels: recipe {config.recipe} fits {recipe.n_betas} betas, the regressor predicts {body.n_betas}"
        )
    settings = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()
    files = [folder / f"{_key(photo, settings)}.npz" for photo in photos]
    own = range(processes.process_index, len(photos), processes.num_processes)
    remove_leftovers(prepare_output(folder))
    observer: Observer | None = None
    for done, number in enumerate(own, start=1):
        if not files[number].is_file():
            observer = observer or OBSERVERS[OBSERVER]()
            fit = fit_image(observe(photos[number], observer=observer)[0], recipe)
            found = fit.parameters
            write_arrays(
                files[number],
                poses=roma.rotmat_to_rotvec(found.rotations).flatten(1).numpy(),
                betas=found.betas.numpy(),
                trans=found.transl.numpy(),
                ok=np.array([fit.report.status == "ok"]),
            )
        if on_progress is not None:
            on_progress(done, len(own))
    processes.wait_for_everyone()
    return BestFits.joined([_read(path, body) for path in files])


def _key(photo: Path, settings: str) -> str:
    """Name of the file of a fit: a hash of the photo's path and content, and of the recipe."""
    parts = [_VERSION, OBSERVER, str(photo.absolute()), content_hash(photo), settings]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _read(path: Path, body: Body) -> BestFits:
    found: dict[str, Any] = read_arrays(path)
    rotations = roma.rotvec_to_rotmat(torch.from_numpy(found["poses"]).float().unflatten(1, (-1, 3)))
    betas, trans = (torch.from_numpy(found[name]).float() for name in ("betas", "trans"))
    value = torch.zeros(1) if bool(found["ok"][0]) else torch.full((1,), torch.inf)
    return BestFits(rotations, betas, trans + body.rest_joints(betas)[:, 0], value)
