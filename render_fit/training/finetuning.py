"""Fine-tuning of a regressor on a folder of unlabelled photos: observe them once, then train on them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from render_fit.bodies.body import Body
from render_fit.core.array_files import write_arrays
from render_fit.core.errors import InputError
from render_fit.core.locks import only_user_of
from render_fit.core.metrics import soft_iou
from render_fit.core.rotations import roma
from render_fit.datasets.photo_search import find_photos
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.network import Regressor
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import load_pose_bank
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.figure_log import ON_PHOTOS
from render_fit.training.fitting_in_the_loop import BestFits
from render_fit.training.loop import train
from render_fit.training.observed_photos import observed_people
from render_fit.training.processes import process_state
from render_fit.training.pseudo_labels import fitted_photos
from render_fit.training.recipe import load_training_recipe
from render_fit.training.render_supervision import RenderSupervisionConfig, render_and_compare
from render_fit.training.runs import FEATURES, cached_people, make_people_sampler
from render_fit.training.unlabelled_photos import UnlabelledPhotos
from render_fit.training.watching import TensorBoardLog, Watcher

log = logging.getLogger(__name__)

DEFAULT_REGRESSOR = "lifter"
"""Regressor that is fine-tuned if neither the call nor the recipe names one."""

OBSERVED = "observed"
"""Folder of cached observations."""

CACHED_PEOPLE = 4096
"""Synthetic people whose features are computed once for a regressor with a frozen backbone, unless the recipe gives
another number. They keep the regressor from drifting; a training has 32,000 places for them."""

FITTED = "fitted"
"""Folder of the photos' finished fits, for a recipe with ``pseudo_labels``."""

MEASURED = 32
"""Photos whose agreement is measured at every validation of a training that is watched."""

FITS = "fits.npz"
"""File with the best fit of every photo: photos, poses, betas, trans, objective."""


@dataclass(frozen=True)
class PhotoAgreement:
    """Agreement of a regressor's predictions with the observations of photos.

    Attributes:
        objective: Mean objective, nats (units of −log probability).
        iou: Mean IoU of rendered and observed silhouettes.
    """

    objective: float
    iou: float


@dataclass(frozen=True)
class FinetuningResult:
    """Result of fine-tuning.

    Attributes:
        regressor: File of the fine-tuned regressor.
        people: Number of people in the photos.
        skipped: Reasons why photos were left out.
        before: Agreement of the pretrained regressor with the photos.
        after: Agreement of the fine-tuned regressor with the same photos.
    """

    regressor: Path
    people: int
    skipped: dict[Path, str]
    before: PhotoAgreement
    after: PhotoAgreement


def finetune(
    images: Sequence[str | Path],
    out: str | Path,
    pretrained: str | None = None,
    recipe: str = "finetune",
    mocap: Path | None = None,
    *,
    steps: int | None = None,
    workers: int = 1,
    backgrounds: Path | None = None,
    features: Path | None = None,
    on_progress: Callable[[str, int, int, dict[str, float]], None] | None = None,
    watcher: Watcher | None = None,
) -> FinetuningResult:
    """Adapts a regressor to unlabelled photos.

    Args:
        images: Photos, or folders of photos.
        out: Folder of the training. If it exists, the training resumes, and its photos are not observed again.
        pretrained: Regressor to start from: a name, a file, or OWNER/NAME on the Hugging Face hub; None: that of the
            recipe, or `DEFAULT_REGRESSOR`.
        recipe: Training recipe, by name or path. Its network is replaced by that of the regressor.
        mocap: Folder of motion capture for the synthetic people; None: poses of the pose prior.
        steps: Number of steps; None: that of the recipe.
        workers: Processes that sample synthetic people.
        backgrounds: Folder of photos without people, behind the synthetic people of RGB images.
        features: Folder of the synthetic people's features by a frozen backbone; None: a folder in ``out``.
        on_progress: Called with (activity, steps done, steps in all, values for the log).
        watcher: Draws predictions for the first photos at every validation, and lets the log have the agreement with
            up to `MEASURED` photos then; `TrainingPage`.

    Returns:
        Agreement with the photos, before and after.

    Raises:
        InputError: if there is no regressor, no photo, or no person in any photo, or another process trains there.
    """
    out, chosen = Path(out), load_training_recipe(recipe)
    pretrained = pretrained or chosen.pretrained or DEFAULT_REGRESSOR
    first = load_regressor(pretrained)
    changes = {"regressor": first.config, "pretrained": pretrained} | ({} if steps is None else {"steps": steps})
    if first.is_frozen and not chosen.cached_people:
        changes["cached_people"] = CACHED_PEOPLE
    chosen = chosen.model_copy(update=changes)
    photos_found = find_photos([Path(path) for path in images])
    found = list(photos_found.images)
    for sentence in photos_found.left_out:
        log.warning(sentence)
    config = chosen.render_supervision
    report = on_progress or (lambda activity, done, total, figures: None)
    people, skipped = observed_people(
        found,
        first,
        config.resolution,
        out / OBSERVED,
        process_state(),
        lambda done, total: report("observing", done, total, {}),
    )
    if not people:
        reason = next(iter(skipped.values()), "")
        raise InputError(f"{images[0]}: no person was found in any of {len(found)} photos ({reason})")
    photos = UnlabelledPhotos.joined(list(people.values()))
    sampler = make_people_sampler(chosen, load_pose_bank(mocap), backgrounds=backgrounds)
    fits = None
    if chosen.pseudo_labels is not None:
        fits = fitted_photos(
            list(people),
            chosen.pseudo_labels,
            sampler.body,
            out / FITTED,
            process_state(),
            lambda done, total: report("fitting", done, total, {}),
        )
        used = int(fits.value.isfinite().sum())
        log.info("%d of %d fits have the status ok and are targets", used, len(people))
        if not used:
            raise InputError(f"{images[0]}: no fit of {len(people)} photos has the status ok; nothing to learn from")
    cached = cached_people(
        chosen,
        sampler,
        features or out / FEATURES,
        lambda done, total: report("computing features", done, total, {}),
    )
    main = process_state().is_main_process
    if watcher is not None and main:
        watcher.show_photos(photos, list(people), sampler, first)
    if cached is not None:
        photos = replace(photos, inputs=first.with_features(photos.inputs))
    before = measure_agreement(first, photos, sampler, config)

    def measure(regressor: Regressor) -> dict[str, float]:
        some = photos[torch.arange(min(MEASURED, len(photos)))]
        found = measure_agreement(regressor, some, sampler, config)
        return {ON_PHOTOS + name: value for name, value in found.__dict__.items()}

    with only_user_of(out) if main else nullcontext(), TensorBoardLog(out, watcher) as tensorboard:

        def log_step(step: int, figures: dict[str, float]) -> None:
            tensorboard.add(step, figures)
            report("training", step, chosen.steps, figures)

        result = train(
            chosen,
            out,
            sampler,
            photos=photos,
            fits=fits,
            cached=cached,
            workers=workers,
            measure=None if watcher is None else measure,
            on_validation=tensorboard.validated,
            on_step=log_step,
        )
    if result.fits is not None:
        _write_fits(result.fits, [str(path) for path in people], sampler.body, out / FITS)
    after = measure_agreement(load_regressor(out / REGRESSOR), photos, sampler, config)
    return FinetuningResult(out / REGRESSOR, len(people), skipped, before, after)


def _write_fits(fits: BestFits, names: Sequence[str], body: Body, path: Path) -> None:
    """Writes fits as SMPL parameters in the camera axes of the photos, under a temporary name first."""
    write_arrays(
        path,
        photos=np.array(names),
        poses=roma.rotmat_to_rotvec(fits.rotations).flatten(1).numpy(),
        betas=fits.betas.numpy(),
        trans=(fits.pelvis - body.rest_joints(fits.betas)[:, 0]).numpy(),
        objective=fits.value.numpy(),
    )


@torch.no_grad()
def measure_agreement(
    regressor: Regressor,
    photos: UnlabelledPhotos,
    sampler: PeopleSampler,
    config: RenderSupervisionConfig,
    chunk: int = 32,
) -> PhotoAgreement:
    """Evaluates a regressor on observations alone.

    Args:
        regressor: Regressor to evaluate.
        photos: People in photos.
        sampler: Sampler with the body and the clothing basis.
        config: Terms and soft edge.
        chunk: People in a batch.
    """
    values, overlaps, device = [], [], next(regressor.parameters()).device
    for rows in torch.arange(len(photos)).split(chunk):
        observed = photos[rows]
        prediction = regressor(observed.inputs.to(device)).to("cpu")  # where bodies are rendered
        scored = render_and_compare(prediction, observed, sampler.body, sampler.basis, config)
        values.append(scored.values)
        targets = observed.targets
        if targets.mask is not None:
            overlaps.append(soft_iou(scored.state.render("silhouette"), targets.mask, targets.valid))
    overlap = float(torch.cat(overlaps).mean()) if overlaps else float("nan")
    return PhotoAgreement(float(torch.cat(values).mean()), overlap)
