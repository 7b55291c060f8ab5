"""Bias of the joint angles of fits, by activity: whether fits bend people who stand, or straighten people who sit."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import pstdev

import numpy as np
import torch
from jaxtyping import Float

from render_fit.core.skeletons import H36M_17, SMPL_24
from render_fit.datasets.mocap_activities import angle_between, knee_flexion
from render_fit.evaluation.experiments.ground_truth_3d import SyntheticView, comparison_images, scene_of
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.fit_errors import error_3d
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, count_of, mean_of, median_of
from render_fit.synthesis.poses.everyday import EverydayPoses, PhotoActivity

CALIBRATED: tuple[PhotoActivity, ...] = ("standing", "walking", "sitting", "crouching")
N_PEOPLE = 24
"""People of each activity."""

ANGLES = {
    "straighter_knee": "flexion of the straighter knee",
    "knees": "mean flexion of the knees",
    "hips": "mean flexion of the hips",
    "trunk": "flexion of the trunk",
}
"""Columns of the angles, and what they are."""


@dataclass(frozen=True)
class ActivityView(SyntheticView):
    """One synthetic person of an activity. Its pose may combine several clips, so ``clip`` is empty."""

    activity: PhotoActivity


def pose_calibration(config: ExperimentConfig) -> ExperimentResult:
    """24 synthetic people each who stand, walk, sit and crouch: bias and spread of knee, hip and trunk flexion."""
    people = run_all(_calibrated_person, activity_views(config), config)
    summary: Row = {}
    for activity in CALIBRATED:
        own = [person for person in people if person.values["activity"] == activity]
        summary[f"{activity}: people"] = len(own)
        summary |= {f"{activity}: {words}, °": _bias(own, name) for name, words in ANGLES.items()}
        summary[f"{activity}: mean PA-MPJPE, mm"] = mean_of(own, "pa_mpjpe", 1)
        summary[f"{activity}: limbs flipped in depth"] = count_of(own, "limb_flips")
    summary["median seconds of a fit"] = median_of(people, "seconds", 2)
    columns = ("number", "activity", *(f"{name}_{kind}" for name in ANGLES for kind in ("true", "error")))
    columns += ("pa_mpjpe", "limb_flips", "facing_flipped", "status", "seconds")
    return ExperimentResult("pose-calibration", people, summary, columns)


def activity_views(config: ExperimentConfig) -> list[ActivityView]:
    """Views of `EverydayPoses` of held-out subjects, the activities in turn.

    Held-out motion capture has few crouching people, so that their poses repeat, in other views and shapes.
    """
    poses = EverydayPoses(config.poses("held_out"))
    views = []
    for offset, activity in enumerate(CALIBRATED):
        generator = torch.Generator().manual_seed(config.seed)
        sampled = poses.sample_activity(activity, N_PEOPLE, generator)
        # Numbers do not depend on the limit, and the first ones, which are pictured, are of all activities.
        numbers = range(offset, N_PEOPLE * len(CALIBRATED), len(CALIBRATED))
        made = [ActivityView(number, pose, "", activity) for number, pose in zip(numbers, sampled, strict=True)]
        views += config.limited(made)
    return sorted(views, key=lambda view: view.number)


def _calibrated_person(view: ActivityView, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body, scene = components.body, scene_of(view, config)
    uses_images = any(stage.resolution for stage in components.recipe.stages)
    fit = fit_person(scene.observation(parts=False, mask=uses_images), config, clothing="none")
    values: Row = {"number": view.number, "activity": view.activity}
    fitted = flexions_deg(body(fit.parameters).joints[0].detach().double().numpy())
    true = flexions_deg(scene.joints_camera.double().numpy())
    for name in ANGLES:
        values |= {f"{name}_true": number(true[name], 2), f"{name}_error": number(fitted[name] - true[name], 2)}
    error = error_3d(body, fit.parameters, H36M_17, body.keypoints(scene.parameters, H36M_17)[0])
    values |= {"pa_mpjpe": error.pa_mpjpe_mm, "limb_flips": error.limb_flips, "facing_flipped": error.facing_flipped}
    values |= {"status": fit.report.status, "seconds": number(fit.report.seconds["total"], 2)}
    pictures = comparison_images(view, scene, fit, components)
    caption = f"{view.activity}: knee {values['straighter_knee_error']:+.0f}°, {error.pa_mpjpe_mm:.0f} mm"
    return Metrics(values, pictures, caption)


def flexions_deg(joints: Float[np.ndarray, "24 3"]) -> dict[str, float]:
    """Joint angles of one body in any frame.

    Args:
        joints: (24, 3) joints of SMPL, metres.

    Returns:
        Degrees, 0 for a straight line, by the names of `ANGLES`. Knees: between thigh and shin. Hips: between thigh
        and the continuation of the trunk (middle of the hips to neck). Trunk: between its lower (pelvis to spine1) and
        upper part (spine2 to neck).
    """
    at = {name: joints[None, SMPL_24.index(name)] for name in SMPL_24.joints}
    knees = np.degrees(knee_flexion(joints[None])[0])
    trunk = at["neck"] - (at["left_hip"] + at["right_hip"]) / 2
    thighs = np.concatenate([at[f"{side}_knee"] - at[f"{side}_hip"] for side in ("left", "right")])
    hips = 180 - np.degrees(angle_between(trunk, thighs))
    spine = np.degrees(angle_between(at["spine1"] - at["pelvis"], at["neck"] - at["spine2"]))
    return {
        "straighter_knee": float(knees.min()),
        "knees": float(knees.mean()),
        "hips": float(hips.mean()),
        "trunk": float(spine[0]),
    }


def _bias(people: list[Metrics], name: str) -> Row:
    """Median true angle; mean, median and standard deviation of the errors (fitted - true), degrees."""
    errors = column(people, f"{name}_error")
    return {
        "true": median_of(people, f"{name}_true", 1),
        "bias": mean_of(people, f"{name}_error", 1),
        "median bias": median_of(people, f"{name}_error", 1),
        "spread": round(pstdev(errors), 1) if errors else None,
    }
