"""People with 3D truth: real frames (real-3d), synthetic views (synthetic-views), shape (round-trip)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core import metrics
from render_fit.core.skeletons import H36M_17
from render_fit.datasets.images import PhotoSample, data_folder, read_h36m, read_mpi_inf_3dhp
from render_fit.datasets.mocap import load_poses
from render_fit.evaluation.experiments.runner import (
    ExperimentComponents,
    Row,
    Settings,
    fit_person,
    limited,
    number,
    recipe_of,
    run_all,
    tools,
)
from render_fit.evaluation.fit_errors import error_3d, find_failure_modes, render_views, silhouette_iou
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, count_of, mean_of, median_of, quantile_of
from render_fit.export.overlays import Pixels
from render_fit.fitting.result import FitResult
from render_fit.observations.images import read_photo
from render_fit.observations.observation import Observation, box_grown, box_of_mask, box_union
from render_fit.observations.observe import ROOM_AROUND_JOINTS
from render_fit.synthesis import synthetic_scene
from render_fit.synthesis.scene import SyntheticScene

SEEDS = (0, 1, 2)
N_VIEWS = 500
N_ROUND_TRIPS = 100
PICTURED = 40
"""Views on a contact sheet."""

BEFORE_AFTER = ("before", "after")
"""The two fits that each person's figures compare, as columns: see `describe`."""


@dataclass(frozen=True)
class RealFrame:
    """One real frame under one seed."""

    sample: PhotoSample
    seed: int


def real_3d(settings: Settings) -> ExperimentResult:
    """Human3.6M and MPI-INF-3DHP frames: given 2D joints, K and the observer's mask; three seeds each."""
    folder = data_folder(settings.data)
    samples = limited((*read_h36m(folder), *read_mpi_inf_3dhp(folder)), settings)
    tasks = [RealFrame(sample, settings.seed + seed) for sample in samples for seed in SEEDS]
    people = list(run_all(_real_frame, tasks, settings))
    summary = _before_and_after(people, settings)
    summary["target: mean with silhouette, mm"] = 95
    for sample in samples:
        own = [person for person in people if person.values["name"] == sample.name]
        values = ", ".join(f"{value:.0f}" for value in column(own, "pa_mpjpe_after"))
        summary[f"PA-MPJPE of {sample.name[:24]} by seed, mm"] = values
    return ExperimentResult("real-3d", people, summary, _columns_3d(("dataset", "name", "seed")))


def _columns_3d(first: tuple[str, ...]) -> tuple[str, ...]:
    figures = ("pa_mpjpe", "limb_flips", "facing_flipped", "iou")
    return (*first, *(f"{figure}_{which}" for figure in figures for which in BEFORE_AFTER), "status", "seconds")


def describe(settings: Settings) -> dict[str, str]:
    """What `BEFORE_AFTER` are: refined with the silhouette, and either the regressor that the recipe starts with, or a
    fit to keypoints alone by as many iterations."""
    regressed = recipe_of(settings).initialisation.regressor
    after = "refined with keypoints alone" if settings.keypoints_only else "with silhouette"
    return {"before": "regressor alone" if regressed else "keypoints alone", "after": after}


def _before_and_after(people: list[Metrics], settings: Settings) -> Row:
    summary: Row = {"fits": len(people)}
    for which, words in describe(settings).items():
        summary[f"mean PA-MPJPE, {words}, mm"] = mean_of(people, f"pa_mpjpe_{which}", 1)
        summary[f"median PA-MPJPE, {words}, mm"] = median_of(people, f"pa_mpjpe_{which}", 1)
        summary[f"limbs flipped in depth, {words}"] = count_of(people, f"limb_flips_{which}")
        summary[f"bodies facing the wrong way, {words}"] = count_of(people, f"facing_flipped_{which}")
        summary[f"mean IoU with the given mask, {words}"] = mean_of(people, f"iou_{which}")
    summary["people whom refinement made better"] = sum(
        person.values["pa_mpjpe_after"] < person.values["pa_mpjpe_before"] for person in people
    )
    summary["median seconds of a fit"] = median_of(people, "seconds", 2)
    return summary


def _figures_3d(fit: FitResult, joints_true: Float[Tensor, "k 3"], mask: Tensor, kit: ExperimentComponents) -> Row:
    """Errors of the keypoint-only fit and of the refined one, as columns."""
    assert fit.before is not None and fit.observation.skeleton is not None
    values: Row = {}
    for which, parameters in zip(BEFORE_AFTER, (fit.before, fit.parameters), strict=True):
        error = error_3d(kit.body, parameters, fit.observation.skeleton, joints_true)
        iou = number(silhouette_iou(kit.body, parameters, fit.camera, mask))
        figures: dict[str, Any] = {**error.__dict__, "iou": iou}
        values |= {f"{name.removesuffix('_mm')}_{which}": value for name, value in figures.items()}
    values["status"] = fit.report.status
    values["beta_max"] = number(fit.parameters.betas.abs().max(), 2)
    values["seconds"] = number(fit.report.seconds["total"], 2)
    return values


def observed_frame(sample: PhotoSample, kit: ExperimentComponents) -> Observation:
    """A frame's 2D joints and camera as given, its mask as the observer sees it.

    The mask is the network's own; the body-shaped ground-truth mask beside the frame is never read.
    """
    assert sample.keypoints_px is not None and sample.confidence is not None
    image = read_photo(sample.image_path).image
    left, top, width, height = sample.reference_box.tolist()
    box = box_grown((left, top, width, height), ROOM_AROUND_JOINTS * max(width, height))
    seen = kit.observer.observe(image, box)
    assert seen.mask is not None and sample.skeleton is not None
    given = Observation(
        image_size=(sample.height, sample.width),
        valid=seen.valid,
        box=box_union(box_of_mask(seen.mask), (left, top, width, height)) or box,
        image=image,
        mask=seen.mask,
        keypoints_px=sample.keypoints_px,
        confidence=sample.confidence,
        skeleton=sample.skeleton,
        camera=sample.camera,
        source={"mask": kit.observer.name, "keypoints": sample.dataset, "camera": sample.dataset},
    )
    if not kit.uses_3d or seen.keypoints_3d is None or seen.skeleton is None or seen.confidence_3d is None:
        return given
    points, confidence = torch.zeros(len(sample.skeleton), 3), torch.zeros(len(sample.skeleton))
    for theirs, ours in seen.skeleton.map_to(sample.skeleton):
        points[ours], confidence[ours] = seen.keypoints_3d[theirs], seen.confidence_3d[theirs]
    return replace(given, keypoints_3d=points, confidence_3d=confidence)


def _real_frame(frame: RealFrame, settings: Settings) -> Metrics:
    kit, sample = tools(settings), frame.sample
    observation = observed_frame(sample, kit)
    fit = fit_person(observation, kit, settings, seed=frame.seed)
    assert sample.joints_camera is not None and observation.mask is not None and observation.image is not None
    values: Row = {"dataset": sample.dataset, "name": sample.name, "seed": frame.seed}
    values |= _figures_3d(fit, sample.joints_camera, observation.mask, kit)
    wrong = find_failure_modes(kit.body, fit.parameters, sample.skeleton, sample.keypoints_px, sample.confidence)
    values["defects"] = wrong.count
    pictures = render_views(
        observation.image, kit.body, fit.parameters, fit.camera, torch.tensor(observation.box), kit.renderer
    )
    before, after = values["pa_mpjpe_before"], values["pa_mpjpe_after"]
    return Metrics(values, pictures, f"{sample.name[:14]} seed {frame.seed}: {before:.0f} > {after:.0f} mm")


@dataclass(frozen=True)
class SyntheticView:
    """One synthetic person to make and fit."""

    number: int
    pose: Float[Tensor, "24 3"]
    clip: str


def held_out_views(settings: Settings, count: int) -> list[SyntheticView]:
    """Poses of held-out subjects, drawn without replacement by the settings' seed."""
    poses = load_poses(data_folder(settings.data), "held_out")
    rng = np.random.default_rng(settings.seed)
    chosen = rng.choice(len(poses), min(count, len(poses)), replace=False)
    views = [
        SyntheticView(number, torch.from_numpy(poses.pose[index]), poses.clip[index])
        for number, index in enumerate(chosen.tolist())
    ]
    return list(limited(views, settings))


def synthetic_views(settings: Settings) -> ExperimentResult:
    """500 views of held-out subjects' poses: 2D joints, K and mask given; keypoints alone and with silhouette."""
    views = held_out_views(settings, N_VIEWS)
    people = list(run_all(_synthetic_view, views, settings))
    return ExperimentResult(
        "synthetic-views", people, _before_and_after(people, settings), _columns_3d(("number", "clip"))
    )


def scene_of(view: SyntheticView, kit: ExperimentComponents, settings: Settings, **options: Any) -> SyntheticScene:
    """A view as it is drawn: one and the same scene for one number and one seed."""
    seed = [settings.seed, view.number]
    return synthetic_scene(kit.body, view.pose, int(np.random.SeedSequence(seed).generate_state(1)[0]), **options)


def comparison_images(
    view: SyntheticView, scene: SyntheticScene, fit: FitResult, kit: ExperimentComponents
) -> tuple[Pixels, ...]:
    """Truth and fit over the mask, then both from the side; nothing for views that the sheet has no room for."""
    if view.number >= PICTURED:
        return ()
    grey = scene.mask[None].expand(3, -1, -1) * 0.6 + 0.2
    box = torch.tensor(scene.observation().box)
    true, found = (
        render_views(grey, kit.body, parameters, camera, box, kit.renderer)
        for parameters, camera in ((scene.parameters, scene.camera), (fit.parameters, fit.camera))
    )
    return (true[1], found[1], true[2], found[2])


def _synthetic_view(view: SyntheticView, settings: Settings) -> Metrics:
    kit = tools(settings)
    scene = scene_of(view, kit, settings, skeleton=H36M_17)
    observation = scene.observation(parts=False)
    fit = fit_person(observation, kit, settings)
    true = kit.body.keypoints(scene.parameters, H36M_17)[0]
    values: Row = {"number": view.number, "clip": view.clip}
    values |= _figures_3d(fit, true, scene.mask, kit)
    pictures = comparison_images(view, scene, fit, kit)
    before, after = values["pa_mpjpe_before"], values["pa_mpjpe_after"]
    return Metrics(values, pictures, f"{view.number}: {before:.0f} > {after:.0f} mm")


def round_trip(settings: Settings) -> ExperimentResult:
    """100 unclothed bodies: mask, keypoints and parts given, default start; surface and shape errors."""
    views = held_out_views(settings, N_ROUND_TRIPS)
    people = list(run_all(_round_trip, views, settings))
    fitted, average = mean_of(people, "pve_t_sc_mm", 2), mean_of(people, "pve_t_sc_of_mean_mm", 2)
    summary: Row = {
        "bodies": len(people),
        "PVE, translation and scale aligned, median, mm": median_of(people, "pve_sc_mm", 1),
        "PVE, translation and scale aligned, 90th percentile, mm": quantile_of(people, "pve_sc_mm", 0.9, 1),
        "PVE-T-SC of the fit, mean, mm": fitted,
        "PVE-T-SC of the mean shape, mean, mm": average,
        "ratio (target 0.5)": round(fitted / average, 3) if fitted and average else None,
        "median PA-MPJPE, mm": median_of(people, "pa_mpjpe", 1),
        "limbs flipped in depth": count_of(people, "limb_flips"),
        "bodies facing the wrong way": count_of(people, "facing_flipped"),
        "mean IoU": mean_of(people, "iou"),
        "largest |β|": max(column(people, "beta_max"), default=None),
        "median seconds of a fit": median_of(people, "seconds", 2),
    }
    columns = ("number", "clip", "pve_sc_mm", "pve_t_sc_mm", "pve_t_sc_of_mean_mm", "pa_mpjpe")
    columns += ("limb_flips", "facing_flipped", "iou", "beta_max", "status", "seconds")
    return ExperimentResult("round-trip", people, summary, columns)


def _round_trip(view: SyntheticView, settings: Settings) -> Metrics:
    kit = tools(settings)
    scene = scene_of(view, kit, settings)
    observation = scene.observation()
    fit = fit_person(observation, kit, settings, clothing="none")
    rest = kit.body.rest_vertices(fit.parameters.betas)
    rest_true = kit.body.rest_vertices(scene.parameters.betas)
    rest_mean = kit.body.rest_vertices(torch.zeros_like(scene.parameters.betas))
    true = kit.body.keypoints(scene.parameters, H36M_17)[0]
    error = error_3d(kit.body, fit.parameters, H36M_17, true)
    vertices = kit.body(fit.parameters).vertices
    values: Row = {
        "number": view.number,
        "clip": view.clip,
        "pve_sc_mm": number(1000 * metrics.pve(vertices, scene.vertices_camera[None], align="scale"), 2),
        "pve_t_sc_mm": number(1000 * metrics.pve_t_sc(rest, rest_true), 2),
        "pve_t_sc_of_mean_mm": number(1000 * metrics.pve_t_sc(rest_mean, rest_true), 2),
        "pa_mpjpe": error.pa_mpjpe_mm,
        "limb_flips": error.limb_flips,
        "facing_flipped": error.facing_flipped,
        "iou": number(silhouette_iou(kit.body, fit.parameters, fit.camera, scene.mask)),
        "beta_max": number(fit.parameters.betas.abs().max(), 2),
        "status": fit.report.status,
        "seconds": number(fit.report.seconds["total"], 2),
    }
    pictures = comparison_images(view, scene, fit, kit)
    return Metrics(values, pictures, f"{view.number}: {values['pve_sc_mm']:.0f} mm")
