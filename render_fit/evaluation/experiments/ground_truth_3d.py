"""Fits of people with 3D ground truth: real frames, synthetic views, and synthetic people for shape errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core import metrics
from render_fit.core.skeletons import H36M_17
from render_fit.datasets.images import PhotoSample, data_folder, read_h36m, read_mpi_inf_3dhp
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number, observes_3d, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.fit_errors import error_3d, find_failure_modes, render_views, silhouette_iou
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, count_of, mean_of, median_of, quantile_of
from render_fit.export.overlays import Pixels
from render_fit.export.views import front_yaw
from render_fit.fitting.result import FitResult
from render_fit.observations.images import read_photo
from render_fit.observations.observation import Observation, box_grown, box_of_mask, box_union
from render_fit.observations.observe import ROOM_AROUND_JOINTS
from render_fit.pipelines.photo import FitComponents
from render_fit.synthesis import synthetic_scene
from render_fit.synthesis.scene import SyntheticScene

SEEDS = (0, 1, 2)
N_VIEWS = 500
N_SHAPES = 100
PICTURED = 40
"""Number of views on a contact sheet."""

BEFORE_AFTER = ("before", "after")
"""Suffixes of the columns of the two fits that are compared; see `describe`."""


@dataclass(frozen=True)
class RealFrame:
    """One real frame under one seed."""

    sample: PhotoSample
    seed: int


def real_3d(config: ExperimentConfig) -> ExperimentResult:
    """Human3.6M and MPI-INF-3DHP frames: given 2D joints, K and the observer's mask; three seeds each."""
    folder = data_folder(config.data)
    samples = config.limited((*read_h36m(folder), *read_mpi_inf_3dhp(folder)))
    tasks = [RealFrame(sample, config.seed + seed) for sample in samples for seed in SEEDS]
    people = run_all(_real_frame, tasks, config)
    summary = _before_and_after(people, config)
    summary["target: mean with silhouette, mm"] = 95
    for sample in samples:
        own = [person for person in people if person.values["name"] == sample.name]
        values = ", ".join(f"{value:.0f}" for value in column(own, "pa_mpjpe_after"))
        summary[f"PA-MPJPE of {sample.name[:24]} by seed, mm"] = values
    return ExperimentResult("real-3d", people, summary, _columns_3d(("dataset", "name", "seed")))


def _columns_3d(first: tuple[str, ...]) -> tuple[str, ...]:
    errors = ("pa_mpjpe", "limb_flips", "facing_flipped", "iou")
    return (*first, *(f"{error}_{which}" for error in errors for which in BEFORE_AFTER), "status", "seconds")


def describe(config: ExperimentConfig) -> dict[str, str]:
    """Names of the two fits of `BEFORE_AFTER`.

    *Before* is the prediction of the regressor that initialises the fit; without one, a fit to keypoints alone for as
    many iterations as the refinement. *After* is the refined fit.
    """
    regressor = load_components(config).recipe.initialisation.regressor
    after = "refined with keypoints alone" if config.keypoints_only else "with silhouette"
    return {"before": "regressor alone" if regressor else "keypoints alone", "after": after}


def _before_and_after(people: list[Metrics], config: ExperimentConfig) -> Row:
    summary: Row = {"fits": len(people)}
    for which, name in describe(config).items():
        summary[f"mean PA-MPJPE, {name}, mm"] = mean_of(people, f"pa_mpjpe_{which}", 1)
        summary[f"median PA-MPJPE, {name}, mm"] = median_of(people, f"pa_mpjpe_{which}", 1)
        summary[f"limbs flipped in depth, {name}"] = count_of(people, f"limb_flips_{which}")
        summary[f"bodies facing the wrong way, {name}"] = count_of(people, f"facing_flipped_{which}")
        summary[f"mean IoU with the given mask, {name}"] = mean_of(people, f"iou_{which}")
    summary["people whom refinement made better"] = sum(
        person.values["pa_mpjpe_after"] < person.values["pa_mpjpe_before"] for person in people
    )
    summary["median seconds of a fit"] = median_of(people, "seconds", 2)
    return summary


def _errors_before_after(fit: FitResult, joints_true: Float[Tensor, "k 3"], mask: Tensor, body: Body) -> Row:
    """3D errors and IoU of the two fits of `BEFORE_AFTER`, as columns."""
    assert fit.before is not None and fit.observation.skeleton is not None
    values: Row = {}
    for which, parameters in zip(BEFORE_AFTER, (fit.before, fit.parameters), strict=True):
        error = error_3d(body, parameters, fit.observation.skeleton, joints_true)
        iou = number(silhouette_iou(body, parameters, fit.camera, mask))
        errors: Row = {**error.__dict__, "iou": iou}
        values |= {f"{name.removesuffix('_mm')}_{which}": value for name, value in errors.items()}
    values["status"] = fit.report.status
    values["beta_max"] = number(fit.parameters.betas.abs().max(), 2)
    values["seconds"] = number(fit.report.seconds["total"], 2)
    return values


def observed_frame(sample: PhotoSample, config: ExperimentConfig) -> Observation:
    """Observation of a frame: its annotated 2D joints and camera, and the observer's mask.

    The body-shaped ground-truth mask of the data set is never read.
    """
    assert sample.keypoints_px is not None and sample.confidence is not None
    image, observer = read_photo(sample.image_path).image, load_components(config).observer
    left, top, width, height = sample.reference_box.tolist()
    box = box_grown((left, top, width, height), ROOM_AROUND_JOINTS * max(width, height))
    seen = observer.observe(image, box)
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
        source={"mask": observer.name, "keypoints": sample.dataset, "camera": sample.dataset},
    )
    if not observes_3d(config) or seen.keypoints_3d is None or seen.skeleton is None or seen.confidence_3d is None:
        return given
    points, confidence = torch.zeros(len(sample.skeleton), 3), torch.zeros(len(sample.skeleton))
    for theirs, ours in seen.skeleton.map_to(sample.skeleton):
        points[ours], confidence[ours] = seen.keypoints_3d[theirs], seen.confidence_3d[theirs]
    return replace(given, keypoints_3d=points, confidence_3d=confidence)


def _real_frame(frame: RealFrame, config: ExperimentConfig) -> Metrics:
    body, renderer, sample = load_components(config).body, load_components(config).renderer, frame.sample
    observation = observed_frame(sample, config)
    fit = fit_person(observation, config, seed=frame.seed)
    assert sample.joints_camera is not None and observation.mask is not None and observation.image is not None
    values: Row = {"dataset": sample.dataset, "name": sample.name, "seed": frame.seed}
    values |= _errors_before_after(fit, sample.joints_camera, observation.mask, body)
    failures = find_failure_modes(body, fit.parameters, sample.skeleton, sample.keypoints_px, sample.confidence)
    values["defects"] = failures.count
    box = torch.tensor(observation.box)
    pictures = render_views(observation.image, body, fit.parameters, fit.camera, box, renderer)
    before, after = values["pa_mpjpe_before"], values["pa_mpjpe_after"]
    return Metrics(values, pictures, f"{sample.name[:14]} seed {frame.seed}: {before:.0f} > {after:.0f} mm")


@dataclass(frozen=True)
class SyntheticView:
    """Number, pose and motion-capture clip of one synthetic person."""

    number: int
    pose: Float[Tensor, "24 3"]
    clip: str


def held_out_views(config: ExperimentConfig, count: int) -> list[SyntheticView]:
    """Views of poses of held-out subjects, sampled without replacement with the configured seed."""
    poses = config.poses("held_out")
    rng = np.random.default_rng(config.seed)
    chosen = rng.choice(len(poses), min(count, len(poses)), replace=False)
    views = [
        SyntheticView(number, torch.from_numpy(poses.pose[index]), poses.clip[index])
        for number, index in enumerate(chosen.tolist())
    ]
    return list(config.limited(views))


def synthetic_views(config: ExperimentConfig) -> ExperimentResult:
    """500 synthetic views of held-out poses, given 2D joints, K and mask: 3D errors before and after refinement."""
    views = held_out_views(config, N_VIEWS)
    people = run_all(_synthetic_view, views, config)
    columns = _columns_3d(("number", "clip"))
    return ExperimentResult("synthetic-views", people, _before_and_after(people, config), columns)


def scene_of(view: SyntheticView, config: ExperimentConfig, **options: Any) -> SyntheticScene:
    """Scene of a view, determined by its number and the configured seed."""
    seed = int(np.random.SeedSequence([config.seed, view.number]).generate_state(1)[0])
    return synthetic_scene(load_components(config).body, view.pose, seed, **options)


def comparison_images(
    view: SyntheticView, scene: SyntheticScene, fit: FitResult, components: FitComponents
) -> tuple[Pixels, ...]:
    """Ground truth and fit over the mask, then the true body, the fitted body and, if clothed, the fitted mesh from the
    true person's side; nothing from view `PICTURED` on.
    """
    if view.number >= PICTURED:
        return ()
    grey = scene.mask[None].expand(3, -1, -1) * 0.6 + 0.2
    box = torch.tensor(scene.observation().box)
    front = front_yaw(scene.parameters.rotations[0, 0])
    true, fitted = (
        render_views(grey, components.body, parameters, camera, box, components.renderer, front)
        for parameters, camera in ((scene.parameters, scene.camera), (fit.parameters, fit.camera))
    )
    return (true[1], fitted[1], *true[2:], *fitted[2:])


def _synthetic_view(view: SyntheticView, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    scene = scene_of(view, config, skeleton=H36M_17)
    fit = fit_person(scene.observation(parts=False), config)
    true = components.body.keypoints(scene.parameters, H36M_17)[0]
    values: Row = {"number": view.number, "clip": view.clip}
    values |= _errors_before_after(fit, true, scene.mask, components.body)
    pictures = comparison_images(view, scene, fit, components)
    before, after = values["pa_mpjpe_before"], values["pa_mpjpe_after"]
    return Metrics(values, pictures, f"{view.number}: {before:.0f} > {after:.0f} mm")


def shape_recovery(config: ExperimentConfig) -> ExperimentResult:
    """100 unclothed synthetic people, given mask, keypoints and part map: surface and shape errors."""
    views = held_out_views(config, N_SHAPES)
    people = run_all(_recovered_shape, views, config)
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
    return ExperimentResult("shape-recovery", people, summary, columns)


def _recovered_shape(view: SyntheticView, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body, scene = components.body, scene_of(view, config)
    fit = fit_person(scene.observation(), config, clothing="none")
    rest = body.rest_vertices(fit.parameters.betas)
    rest_true = body.rest_vertices(scene.parameters.betas)
    rest_mean = body.rest_vertices(torch.zeros_like(scene.parameters.betas))
    true = body.keypoints(scene.parameters, H36M_17)[0]
    error = error_3d(body, fit.parameters, H36M_17, true)
    vertices = body(fit.parameters).vertices
    values: Row = {
        "number": view.number,
        "clip": view.clip,
        "pve_sc_mm": number(1000 * metrics.pve(vertices, scene.vertices_camera[None], align="scale"), 2),
        "pve_t_sc_mm": number(1000 * metrics.pve_t_sc(rest, rest_true), 2),
        "pve_t_sc_of_mean_mm": number(1000 * metrics.pve_t_sc(rest_mean, rest_true), 2),
        "pa_mpjpe": error.pa_mpjpe_mm,
        "limb_flips": error.limb_flips,
        "facing_flipped": error.facing_flipped,
        "iou": number(silhouette_iou(body, fit.parameters, fit.camera, scene.mask)),
        "beta_max": number(fit.parameters.betas.abs().max(), 2),
        "status": fit.report.status,
        "seconds": number(fit.report.seconds["total"], 2),
    }
    pictures = comparison_images(view, scene, fit, components)
    return Metrics(values, pictures, f"{view.number}: {values['pve_sc_mm']:.0f} mm")
