"""People in motion: 3D errors, jitter and sliding feet of frames alone, frames of one shape, and fits of the motion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.skeletons import H36M_17, SMPL_24
from render_fit.datasets.images import data_folder
from render_fit.datasets.mocap import load_motion
from render_fit.evaluation.experiments.runner import Row, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.fit_errors import error_3d, render_views, silhouette_iou
from render_fit.evaluation.tables import ExperimentResult, Metrics, mean_of
from render_fit.export.overlays import Pixels
from render_fit.fitting.person import fit_person
from render_fit.losses.between_images import FEET
from render_fit.losses.parameters import standing_height
from render_fit.observations.observation import Observation
from render_fit.synthesis import moving_people
from render_fit.synthesis.moving_people import FPS, MovingPerson

STANDING_M_S = 0.1
"""Speed of a true joint of the foot below which it counts as standing; set by hand."""

PICTURED = 6
"""One of so many frames is compared with masks, and seen on the contact sheet."""

METHODS = {"alone": "each frame alone", "shape": "frames of one shape", "motion": "and terms between frames"}
"""The three fits of each clip; suffixes of the columns."""

FIGURES = {
    "mpjpe": "MPJPE relative to the pelvis, mm",
    "pa_mpjpe": "PA-MPJPE, mm",
    "global_mpjpe": "MPJPE in camera coordinates, mm",
    "depth": "error of the depth, mm",
    "acceleration": "error of the joints' acceleration, mm/frame²",
    "jitter": "jitter (jerk of the joints), m/s³",
    "sliding": "sliding of standing feet, mm/frame",
    "flipped": "share of frames with a limb flipped in depth",
    "iou": "IoU with the observed mask",
    "iou_body": "IoU with the true mask of the body",
    "pve_t": "PVE of the rest pose, mm",
    "pve_t_sc": "PVE-T-SC, mm",
    "height": "error of the stature, mm",
}
"""Columns of each fit, and what they are."""


@dataclass(frozen=True)
class Clip:
    """A part of a captured motion, and how it is seen.

    Attributes:
        name: What the person does.
        source: Name of the clip in the files.
        start_s: Begin, seconds.
        yaw_deg: Mean yaw of the pelvis, 0 faces the camera.
        clothed: Whether the clothes are seen.
    """

    name: str
    source: str
    start_s: float
    yaw_deg: float
    clothed: bool


CLIPS = (
    Clip("walk across", "07_01", 0.3, 80.0, False),
    Clip("punch", "02_05", 1.0, -20.0, True),
    Clip("walk towards the camera", "10_04", 0.8, 35.0, True),
    Clip("wash", "02_10", 4.0, 25.0, False),
    Clip("bend down", "02_06", 2.0, 60.0, True),
    Clip("walk away", "39_12", 0.3, -130.0, False),
)
"""Motions of subjects that no training uses."""


def person_of(clip: Clip, body: Body, config: ExperimentConfig) -> MovingPerson:
    """The person of a clip."""
    motion = load_motion(data_folder(config.data), clip.source)
    seed = int(np.random.SeedSequence([config.seed, CLIPS.index(clip)]).generate_state(1)[0])
    yaw = math.radians(clip.yaw_deg)
    return moving_people.moving_person(body, motion, seed, start_s=clip.start_s, frames=config.frames, yaw_rad=yaw)


def moving_person(config: ExperimentConfig) -> ExperimentResult:
    """Six clips of clothed and unclothed people in captured motion: frames alone, of one shape, and as a motion."""
    clips = run_all(_clip, list(config.limited(CLIPS)), config)
    summary: Row = {"clips": len(clips), "frames": config.frames * len(clips)}
    for name, words in FIGURES.items():
        summary[words] = {which: mean_of(clips, f"{name}_{which}", 3) for which in METHODS}
    summary["true"] = {name: mean_of(clips, f"{name}_true", 3) for name in ("jitter", "sliding", "iou")}
    summary["seconds a frame"] = {which: mean_of(clips, f"seconds_{which}", 2) for which in METHODS}
    columns = ("clip", *(f"{name}_{which}" for name in ("mpjpe", "global_mpjpe", "sliding") for which in METHODS))
    return ExperimentResult("moving-person", clips, summary, columns)


def _clip(clip: Clip, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body, resolved = components.body, components.resolved
    person = person_of(clip, body, config)
    frames = [person.frame(body, index) for index in range(len(person))]
    observations = [frame.observation(body, clothed=clip.clothed) for frame in frames]
    some = range(0, len(frames), PICTURED)
    masks: dict[str, dict[int, Tensor]] = {
        "iou": {i: _mask_of(observations[i]) for i in some},
        "iou_body": {i: torch.from_numpy(frames[i].mask_unclothed).float() for i in some},
    }
    given = {"clothing": "none", "seed": config.seed}
    shape = fit_person(observations, resolved, **given)
    motion = fit_person(observations, resolved, seconds=person.seconds.tolist(), still_camera=True, **given)
    found = {
        "alone": shape.alone,
        "shape": _joined([result.parameters for result in shape.results if result is not None]),
        "motion": _joined([result.parameters for result in motion.results if result is not None]),
    }
    seconds = {"alone": shape.seconds["each image alone"], "shape": shape.seconds["total"]}
    seconds["motion"] = motion.seconds["total"]
    values: Row = {"clip": clip.name, "clothed": clip.clothed, "left_out": len(shape.left_out) + len(motion.left_out)}
    for which, parameters in found.items():
        if len(parameters) != len(person):
            continue  # without some of the frames it cannot be compared
        values |= {f"{name}_{which}": value for name, value in errors(body, parameters, person).items()}
        values |= {f"{name}_{which}": _mean_iou(body, parameters, person, own) for name, own in masks.items()}
        values[f"seconds_{which}"] = number(seconds[which] / len(person), 2)
    values |= {f"{name}_true": value for name, value in errors(body, person.parameters, person).items()}
    values["iou_true"] = _mean_iou(body, person.parameters, person, masks["iou"])
    pictures: list[Pixels] = []
    for i in some[:: max(1, len(some) // 4)]:
        image, box = _mask_of(observations[i]).expand(3, -1, -1), torch.tensor(observations[i].box)
        for parameters in (person.parameters, found["alone"], found["motion"][: len(person)]):
            one = parameters[i : i + 1]
            pictures += render_views(image, body, one, person.camera, box, components.renderer)[1:]
    return Metrics(values, tuple(pictures), f"{clip.name}: truth, alone, motion")


@torch.no_grad()
def errors(body: Body, parameters: BodyParameters, person: MovingPerson) -> dict[str, float]:
    """3D errors of a motion against the truth: the columns of `FIGURES` that need no mask."""
    joints, true = body(parameters).joints, person.joints
    feet = [SMPL_24.index(name) for name in FEET]
    steps, true_steps = ((one[1:, feet] - one[:-1, feet]).norm(dim=-1) for one in (joints, true))
    standing = true_steps < STANDING_M_S / FPS
    rest, rest_true = (body.rest_vertices(one.betas) for one in (parameters, person.parameters))
    _, per_beta_m = standing_height(body)
    height = (parameters.betas - person.parameters.betas) @ per_beta_m[: parameters.betas.shape[-1]]
    keypoints = body.keypoints(person.parameters, H36M_17)
    flips = [error_3d(body, parameters[i : i + 1], H36M_17, one).limb_flips for i, one in enumerate(keypoints)]
    figures = {
        "mpjpe": 1000 * metrics.mpjpe(joints, true, root=0).mean(),
        "pa_mpjpe": 1000 * metrics.pa_mpjpe(joints, true).mean(),
        "global_mpjpe": 1000 * metrics.mpjpe(joints, true).mean(),
        "depth": 1000 * (joints - true)[:, 0, 2].mean(),
        "acceleration": 1000 * (_differences(joints, 2) - _differences(true, 2)).norm(dim=-1).mean(),
        "jitter": FPS**3 * _differences(joints, 3).norm(dim=-1).mean(),
        "sliding": 1000 * steps[standing].mean(),
        "flipped": sum(count > 0 for count in flips) / len(flips),
        "pve_t": 1000 * metrics.pve(rest, rest_true, "translation").mean(),
        "pve_t_sc": 1000 * metrics.pve_t_sc(rest, rest_true).mean(),
        "height": 1000 * height.mean(),
    }
    return {name: number(value, 2) for name, value in figures.items()}


def _mean_iou(
    body: Body, parameters: BodyParameters, person: MovingPerson, masks: Mapping[int, Float[Tensor, "h w"]]
) -> float:
    """Mean IoU of some frames with their masks."""
    found = [silhouette_iou(body, parameters[i : i + 1], person.camera, mask) for i, mask in masks.items()]
    return number(float(np.mean(found)), 3)


def _mask_of(observation: Observation) -> Float[Tensor, "h w"]:
    assert observation.mask is not None
    return observation.mask


def _differences(joints: Float[Tensor, "n k 3"], order: int) -> Float[Tensor, "m k 3"]:
    return torch.diff(joints, n=order, dim=0)


def _joined(parameters: Sequence[BodyParameters]) -> BodyParameters:
    names = ("rotations", "betas", "transl")
    return BodyParameters(*(torch.cat([getattr(one, name) for one in parameters]) for name in names))
