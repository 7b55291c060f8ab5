"""The body under the clothes: fits of clothed synthetic people against the unclothed truth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.parts import ATR
from render_fit.core.skeletons import H36M_17
from render_fit.datasets.mocap_activities import knee_flexion
from render_fit.evaluation.experiments.ground_truth_3d import PICTURED
from render_fit.evaluation.experiments.photos_with_masks import statuses
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.fit_errors import covered_pixels, error_3d, render_views
from render_fit.evaluation.girths import GIRTHS, Ring, girth_errors, girth_rings
from render_fit.evaluation.surfaces import chamfer, outer_points
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, mean_of, median_of
from render_fit.export.overlays import Pixels
from render_fit.fitting.result import FitResult
from render_fit.observations.observation import Observation
from render_fit.synthesis.clothed_people import ClothedPerson, clothed_person
from render_fit.synthesis.poses.everyday import EverydayPoses, PhotoActivity

N_PEOPLE = 200

OBSERVED = {
    "unclothed": "unclothed, mask and keypoints",
    "clothed": "clothed, mask and keypoints",
    "labels": "clothed, also label map",
}
"""The three observations of each person; suffixes of the columns."""

TARGET_RATIO = 1.25
"""Largest ratio of shape errors, clothed over unclothed, that the project aims at."""

FIGURES = {
    "pve_t_sc": "PVE-T-SC, mm",
    "pa_mpjpe": "PA-MPJPE, mm",
    "pve_pa": "PVE after Procrustes alignment, mm",
    **{f"{name}_cm": f"error of the {name} circumference, cm" for name in GIRTHS},
    "chamfer": "Chamfer distance of the clothed surface, mm",
    "knee_bias": "error of the knees' flexion, °",
    "body_inside": "share of the unclothed fit inside the true mask",
    "offset_cm": "largest clothing offset, cm",
}
"""Columns of each fit, and what they are."""

GROUPS: dict[str, Callable[[Row], bool]] = {
    "skirts, dresses, coats": lambda row: row["bottom"] in ("skirt", "dress") or "coat" in row["outerwear"],
    "trousers or shorts, jackets": lambda row: row["bottom"] in ("trousers", "shorts") and "jacket" in row["outerwear"],
    "trousers or shorts, no outerwear": lambda row: (
        row["bottom"] in ("trousers", "shorts") and row["outerwear"] == "none"
    ),
}
"""People by their clothes; everybody is in one group."""


@dataclass(frozen=True)
class ClothedView:
    """Number, pose and activity of one clothed person."""

    number: int
    pose: Float[Tensor, "24 3"]
    activity: PhotoActivity


def clothed_people(config: ExperimentConfig) -> ExperimentResult:
    """200 clothed synthetic people in held-out everyday poses: errors of the body under the clothes, and unclothed."""
    people = run_all(_clothed_person, list(config.limited(clothed_views(config))), config)
    summary: Row = {"people": len(people)}
    for name in ("pve_t_sc", "pa_mpjpe"):
        for which in ("clothed", "labels"):
            summary[f"{FIGURES[name][:-4]}, {OBSERVED[which]}: ratio to unclothed (target {TARGET_RATIO})"] = {
                "of means": _ratio(mean_of(people, f"{name}_{which}"), mean_of(people, f"{name}_unclothed")),
                "of medians": _ratio(median_of(people, f"{name}_{which}"), median_of(people, f"{name}_unclothed")),
            }
    for group, wears in GROUPS.items():
        own = [person for person in people if wears(person.values)]
        summary[f"{group}: PVE-T-SC, mm"] = {"people": len(own)} | {
            which: mean_of(own, f"pve_t_sc_{which}", 1) for which in OBSERVED
        }
    for name, words in FIGURES.items():
        summary[words] = {
            which: {"mean": mean_of(people, f"{name}_{which}", 2), "median": median_of(people, f"{name}_{which}", 2)}
            for which in OBSERVED
        }
    for name in GIRTHS:
        summary[f"mean absolute error of the {name} circumference, cm"] = {
            which: round(float(np.mean(np.abs(column(people, f"{name}_cm_{which}")))), 2) for which in OBSERVED
        }
    summary |= {"PVE-T-SC of the mean shape, mean, mm": mean_of(people, "pve_t_sc_of_mean", 2)}
    for which, words in OBSERVED.items():
        own = [Metrics({"status": person.values[f"status_{which}"]}) for person in people]
        summary[f"status, {words}"] = statuses(own)
        summary[f"median seconds of a fit, {words}"] = median_of(people, f"seconds_{which}", 2)
    summary["median seconds to make a person"] = median_of(people, "seconds_to_make", 2)
    columns = ("number", "activity", "bottom", "outerwear", "hair", "bag")
    columns += tuple(
        f"{name}_{which}" for name in ("pve_t_sc", "pa_mpjpe", "waist_cm", "chamfer") for which in OBSERVED
    )
    columns += ("offset_cm_clothed", "body_inside_clothed")
    return ExperimentResult("clothed-people", people, summary, columns)


def clothed_views(config: ExperimentConfig) -> list[ClothedView]:
    """Everyday poses of held-out subjects with the frequencies of photos, in random order."""
    generator = torch.Generator().manual_seed(config.seed)
    poses, activities = EverydayPoses(config.poses("held_out")).sample(N_PEOPLE, generator)
    order = torch.randperm(N_PEOPLE, generator=generator).tolist()
    return [ClothedView(number, poses[index], activities[index]) for number, index in enumerate(order)]


def _clothed_person(view: ClothedView, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body = components.body
    started = time.perf_counter()
    seed = int(np.random.SeedSequence([config.seed, view.number]).generate_state(1)[0])
    person = clothed_person(body, view.pose, seed)
    made = time.perf_counter() - started
    observations = {
        "unclothed": person.observation(body, clothed=False),
        "clothed": person.observation(body),
        "labels": person.observation(body, space=ATR),
    }
    rest_true = body.rest_vertices(person.parameters.betas)
    rest_mean = body.rest_vertices(torch.zeros_like(person.parameters.betas))
    rings = girth_rings(
        rest_true[0].double().numpy(), body.faces.numpy(), body.vertex_parts.numpy(),
        body.rest_joints(person.parameters.betas)[0].double().numpy(),
    )  # fmt: skip
    clothes = person.dressed.clothes
    values: Row = {
        "number": view.number,
        "activity": view.activity,
        "bottom": clothes.bottom,
        "outerwear": ("open " if clothes.open else "") + clothes.outerwear,
        "hair": clothes.hair,
        "hat": clothes.hat,
        "bag": clothes.bag,
        "heel_cm": number(100 * clothes.heel_m, 1),
        "pve_t_sc_of_mean": number(1000 * metrics.pve_t_sc(rest_mean, rest_true), 2),
        "seconds_to_make": number(made, 2),
    }
    fits, outer = {}, _true_outer_points(person, body)
    for which, observation in observations.items():
        fit = fits[which] = fit_person(observation, config)
        errors = _errors(fit, person, rings, outer, body, clothed=which != "unclothed")
        values |= {f"{name}_{which}": value for name, value in errors.items()}
    pictures = _pictures(person, observations["labels"], fits, config) if view.number < PICTURED else ()
    caption = f"{view.number} {clothes.bottom}, {values['outerwear']}: PVE-T-SC "
    caption += " ".join(f"{values[f'pve_t_sc_{which}']:.0f}" for which in OBSERVED) + " mm"
    return Metrics(values, pictures, caption)


def _errors(
    fit: FitResult,
    person: ClothedPerson,
    rings: dict[str, Ring],
    outer: dict[bool, Float[np.ndarray, "_ 3"]],
    body: Body,
    *,
    clothed: bool,
) -> Row:
    """Columns of one fit, see `FIGURES`."""
    bare = replace(fit.parameters, offsets=None)
    output = body(bare)
    joints, true_joints = output.joints.detach(), person.joints_camera[None]
    rest, rest_true = body.rest_vertices(bare.betas).detach(), body.rest_vertices(person.parameters.betas)
    girths = girth_errors(rest[0].double().numpy(), rest_true[0].double().numpy(), rings)
    knees, knees_true = (knee_flexion(one.double().numpy()) for one in (joints, true_joints))
    mask = torch.from_numpy((person.mask_with_bags if clothed else person.mask_unclothed) >= 0.5)
    covered = covered_pixels(body, bare, fit.camera)
    offsets = fit.parameters.offsets
    return {
        "pve_t_sc": number(1000 * metrics.pve_t_sc(rest, rest_true), 2),
        "pa_mpjpe": error_3d(body, bare, H36M_17, body.keypoints(person.parameters, H36M_17)[0]).pa_mpjpe_mm,
        "pve_pa": number(1000 * metrics.pve(output.vertices.detach(), person.body_vertices[None], "procrustes"), 2),
        **{f"{name}_cm": number(100 * girths[name], 2) for name in GIRTHS},
        "chamfer": number(1000 * _chamfer(body, fit.parameters, person.joints_camera, outer[clothed]), 2),
        "knee_bias": number(float(np.degrees(knees - knees_true).mean()), 2),
        "body_inside": number((covered & mask).sum() / covered.sum()) if covered.any() else None,
        "offset_cm": number(0.0 if offsets is None else 100 * offsets.norm(dim=-1).max(), 2),
        "status": fit.report.status,
        "seconds": number(fit.report.seconds["total"], 2),
    }


def _true_outer_points(person: ClothedPerson, body: Body) -> dict[bool, Float[np.ndarray, "_ 3"]]:
    """Points of the true outer surface, metres, by whether the person is clothed; without bags."""
    layers = person.dressed.layers
    clothed = outer_points(layers.vertices_camera.astype(np.float64), layers.faces[~person.dressed.is_bag])
    return {True: clothed, False: outer_points(person.body_vertices.double().numpy(), body.faces.numpy())}


def _chamfer(
    body: Body, parameters: BodyParameters, joints_true: Float[Tensor, "24 3"], outer: Float[np.ndarray, "n 3"]
) -> float:
    """Chamfer distance, metres, between the fitted surface with its clothing and points of the true outer surface.

    The fitted surface is first moved, turned and scaled so that its joints are nearest to the true ones.
    """
    output = body(parameters)
    joints = body(replace(parameters, offsets=None)).joints.detach()
    fitted = torch.cat([joints, output.vertices.detach()], dim=1)
    true, weights = torch.zeros_like(fitted), torch.zeros_like(fitted[..., 0])
    true[:, : joints.shape[1]] = joints_true
    weights[:, : joints.shape[1]] = 1.0
    aligned = metrics.procrustes_align(fitted, true, weights)[0, joints.shape[1] :].double().numpy()
    return chamfer(outer_points(aligned, body.faces.numpy()), outer)


def _pictures(
    person: ClothedPerson, seen: Observation, fits: dict[str, FitResult], config: ExperimentConfig
) -> tuple[Pixels, ...]:
    """Label map with keypoints; the unclothed fits over it; from the side the true body and the two clothed fits."""
    components = load_components(config)
    assert seen.labels is not None and seen.keypoints_px is not None and seen.confidence is not None
    colours = torch.tensor(ATR.colours, dtype=torch.float32) / 255
    image = (0.3 + 0.7 * colours[seen.labels]).permute(2, 0, 1).contiguous()
    height, width = seen.image_size
    for x, y in seen.keypoints_px[seen.confidence > 0].long().tolist():
        if 2 <= x < width - 2 and 2 <= y < height - 2:
            image[:, y - 2 : y + 3, x - 2 : x + 3] = 1.0
    box = torch.tensor(seen.box)

    def views(parameters: BodyParameters) -> tuple[Pixels, ...]:
        bare = replace(parameters, offsets=None)
        return render_views(image, components.body, bare, person.camera, box, components.renderer)

    true, clothed, labels = (views(one) for one in (
        person.parameters, fits["clothed"].parameters, fits["labels"].parameters))  # fmt: skip
    return (true[0], true[1], clothed[1], labels[1], true[2], clothed[2], labels[2])


def _ratio(value: float | None, reference: float | None) -> float | None:
    return round(value / reference, 3) if value and reference else None
