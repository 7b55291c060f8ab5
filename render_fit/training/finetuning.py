"""Fine-tuning on a folder of photos that nobody labelled: observe them once, then train through M and R."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch

from render_fit.bodies.body import Body
from render_fit.core.errors import InputError
from render_fit.core.metrics import iou
from render_fit.datasets.photo_folder import find_images
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.network import Regressor
from render_fit.renderers import CpuRenderer
from render_fit.renderers.base import RenderSettings
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import load_pose_bank
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.fitting_in_the_loop import BestFits
from render_fit.training.loop import train
from render_fit.training.observed_photos import observed_people
from render_fit.training.recipe import load_training_recipe
from render_fit.training.render_supervision import (
    RenderSupervisionConfig,
    UnlabelledPhotos,
    objective_for,
    render_losses,
)
from render_fit.training.runs import people_sampler, process_state

OBSERVED = "observed"
"""Folder of what the photos show, kept for runs that go on."""

FITS = "fits.npz"
"""The best fit of every photo, where fits taught: photos, poses, betas, trans, and the objective they ended at."""


@dataclass(frozen=True)
class PhotoAgreement:
    """How well a regressor's answers explain a folder's observations.

    Attributes:
        objective: Mean of the terms' sum, nats.
        iou: Mean intersection over union of drawn and observed silhouettes.
    """

    objective: float
    iou: float


@dataclass(frozen=True)
class FinetuningResult:
    """What fine-tuning did.

    Attributes:
        regressor: The file.
        people: How many were observed.
        skipped: Photos left out, and why.
        before: Of the regressor that it began with.
        after: Of the one that it ended with.
    """

    regressor: Path
    people: int
    skipped: dict[Path, str]
    before: PhotoAgreement
    after: PhotoAgreement


def finetune(
    images: Sequence[Path],
    out: Path,
    pretrained: str = "lifter",
    recipe: str = "finetune",
    mocap: Path | None = None,
    *,
    steps: int | None = None,
    workers: int = 1,
    watch: Callable[[str, int, int, dict[str, float]], None] | None = None,
) -> FinetuningResult:
    """Adapts a regressor to photos without labels.

    Args:
        images: Photos, or folders of them.
        out: Folder of the training; one that exists goes on, and its photos are not observed again.
        pretrained: The regressor to begin with, by name, path or place on the hub.
        recipe: Training recipe, by name or path; its network is the regressor's own.
        mocap: Folder of motion capture for the drawn people that are trained on beside the photos; None: poses of the
            prior.
        steps: In place of the recipe's.
        workers: Processes that draw people.
        watch: Called with (what is done, steps done, all steps, figures).

    Returns:
        Figures on the same photos, before and after.

    Raises:
        InputError: if there is no regressor, no photo, or nobody is found in any.
    """
    first = load_regressor(pretrained)
    chosen = load_training_recipe(recipe)
    changes = {"regressor": first.config, "pretrained": pretrained} | ({} if steps is None else {"steps": steps})
    chosen = chosen.model_copy(update=changes)
    found = find_images(images)
    setting = chosen.render_supervision

    def observed(done: int, total: int) -> None:
        if watch is not None:
            watch("observing", done, total, {})

    people, skipped = observed_people(found, first, setting.resolution, out / OBSERVED, process_state(), observed)
    if not people:
        reason = next(iter(skipped.values()), "")
        raise InputError(f"{images[0]}: nobody was found in any of {len(found)} photos ({reason})")
    photos = UnlabelledPhotos.joined(list(people.values()))
    synthesis = people_sampler(chosen, load_pose_bank(mocap))
    before = measure_agreement(first, photos, synthesis, setting)

    def tell(step: int, figures: dict[str, float]) -> None:
        if watch is not None:
            watch("training", step, chosen.steps, figures)

    done = train(chosen, out, synthesis, photos=photos, workers=workers, watch=tell)
    if done.fits is not None:
        _write_fits(done.fits, [str(path) for path in people], synthesis.body, out / FITS)
    after = measure_agreement(load_regressor(out / REGRESSOR), photos, synthesis, setting)
    return FinetuningResult(out / REGRESSOR, len(people), skipped, before, after)


def _write_fits(fits: BestFits, names: Sequence[str], body: Body, path: Path) -> None:
    """Writes fits as SMPL's parameters in the photos' camera axes, under a temporary name first."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(
            file,
            photos=np.array(names),
            poses=roma.rotmat_to_rotvec(fits.rotations).flatten(1).numpy(),
            betas=fits.betas.numpy(),
            trans=(fits.pelvis - body.rest_joints(fits.betas)[:, 0]).numpy(),
            objective=fits.value.numpy(),
        )
    partial.replace(path)


@torch.no_grad()
def measure_agreement(
    regressor: Regressor,
    photos: UnlabelledPhotos,
    synthesis: PeopleSampler,
    setting: RenderSupervisionConfig,
    chunk: int = 32,
) -> PhotoAgreement:
    """Judges a regressor by observations alone.

    Args:
        regressor: Who is judged.
        photos: By what.
        synthesis: Whose body and clothes.
        setting: Terms, edge.
        chunk: People at a time.
    """
    edge = setting.edge
    settings = RenderSettings(edge.silhouette, edge.sigma_px, edge.gamma_m)
    values, overlaps = [], []
    for rows in torch.arange(len(photos)).split(chunk):
        some = photos[rows]
        scored = render_losses(
            regressor(some.inputs),
            some,
            synthesis.body,
            synthesis.basis,
            objective_for(setting.terms, some.targets),
            CpuRenderer(),
            settings,
        )
        values.append(scored.values)
        if some.targets.mask is not None:
            overlaps.append(iou(scored.scene.render("silhouette"), some.targets.mask, some.targets.valid))
    overlap = float(torch.cat(overlaps).mean()) if overlaps else float("nan")
    return PhotoAgreement(float(torch.cat(values).mean()), overlap)
