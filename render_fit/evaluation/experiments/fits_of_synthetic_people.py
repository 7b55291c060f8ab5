"""Recipes of `render-fit fit` judged by drawn people with observers' errors, beside the regressors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.cameras import PERSON_MARGIN
from render_fit.core.metrics import mpjpe, pa_mpjpe
from render_fit.core.skeletons import COCO_17
from render_fit.evaluation.experiments import runner
from render_fit.evaluation.experiments.settings import Settings
from render_fit.evaluation.tables import Metrics, column
from render_fit.observations.observation import Observation
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.render_supervision import UnlabelledPhotos
from render_fit.training.samples import GroundTruth
from render_fit.training.synthetic_photos import sample_unlabelled


@dataclass(frozen=True)
class FitTarget:
    """One person: what was observed, and SMPL's joints relative to the pelvis, metres, camera axes."""

    observation: Observation
    joints: Float[Tensor, "24 3"]


def sample_fit_targets(synthesis: PeopleSampler, count: int, seed: int = 7) -> tuple[UnlabelledPhotos, GroundTruth]:
    """Draws people of whom something was observed, a mask or keypoints; one annotator (COCO) tells the keypoints.

    Args:
        synthesis: Who draws.
        count: How many people.
        seed: Which ones.
    """
    generator = torch.Generator().manual_seed(seed)
    seen, truth = sample_unlabelled(replace(synthesis, keypoint_formats=(COCO_17,)), count + count // 16 + 8, generator)
    observed = (seen.inputs.silhouette != 0).flatten(1).any(1) | (seen.inputs.confidence > 0).any(1)
    rows = observed.nonzero()[:count, 0]
    return seen[rows], truth[rows]


def observations_of(seen: UnlabelledPhotos) -> list[Observation]:
    """What was observed of each person, as a fit takes it; the view is the photo.

    Raises:
        ValueError: if mask or keypoints are not among it.
    """
    targets = seen.targets
    if targets.mask is None or targets.keypoints_px is None or targets.confidence is None:
        raise ValueError("seen: expected masks and keypoints")
    size = targets.camera.width
    side = size / PERSON_MARGIN
    corner = (size - side) / 2
    return [
        Observation(
            image_size=(size, size),
            valid=targets.valid[row],
            box=(corner, corner, side, side),
            mask=targets.mask[row] if bool(targets.valid[row].any()) else None,
            keypoints_px=targets.keypoints_px[row],
            confidence=targets.confidence[row],
            skeleton=targets.skeleton,
            camera=targets.camera[torch.tensor([row])],
        )
        for row in range(len(seen))
    ]


def errors_of_fits(recipe: str, seen: UnlabelledPhotos, truth: GroundTruth, settings: Settings) -> dict[str, float]:
    """How far off fits are, millimetres.

    Args:
        recipe: Name or path of a recipe of `render-fit fit`.
        seen: Whom to fit.
        truth: How they stand.
        settings: ``workers`` processes fit side by side.

    Raises:
        InputError: if there is no such recipe.
    """
    processes = max(1, settings.workers)
    threads = max(1, torch.get_num_threads() // processes)
    asked = runner.Settings(settings.out, settings.data, recipe, jobs=processes, seed=settings.seed, threads=threads)
    runner.recipe_of(asked)
    known = [FitTarget(one, joints) for one, joints in zip(observations_of(seen), truth.joints, strict=True)]
    people = list(runner.run_all(_errors_of_one, known, asked))
    return {name: round(mean(column(people, name)), 1) for name in ("pa_mpjpe_mm", "mpjpe_mm")}


def _errors_of_one(one: FitTarget, settings: runner.Settings) -> Metrics:
    kit = runner.tools(settings)
    fit = runner.fit_person(one.observation, kit, settings)
    joints = kit.body.kinematics(fit.parameters).joints
    true = one.joints[None]
    aligned, rooted = 1000 * float(pa_mpjpe(joints, true)), 1000 * float(mpjpe(joints, true, root=0))
    return Metrics({"pa_mpjpe_mm": aligned, "mpjpe_mm": rooted})
