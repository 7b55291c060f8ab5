"""How often the 90 % regions of joints contain the true joints of clothed synthetic people, by joint and direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import chi2
from torch import Tensor

from render_fit.core.parts import ATR
from render_fit.core.skeletons import SMPL_24
from render_fit.evaluation.experiments.clothed_people import ClothedView, clothed_views
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics, column
from render_fit.fitting.person import fit_person as fit_images
from render_fit.fitting.result import FitResult
from render_fit.fitting.uncertainty import from_pelvis
from render_fit.synthesis.clothed_people import ClothedPerson, clothed_person

COVERAGE = 0.9

OBSERVED = {
    "clothed": "mask and keypoints",
    "labels": "mask, keypoints and label map",
    "unclothed": "unclothed, mask and keypoints",
    "keypoints": "keypoints alone",
    "images": "mask and keypoints in two images, each in its own pose",
}
"""What each person is fitted to; suffixes of the columns."""

JOINT_GROUPS: dict[str, tuple[str, ...]] = {
    "pelvis": ("pelvis",),
    "hips": ("left_hip", "right_hip"),
    "spine": ("spine1", "spine2", "spine3"),
    "neck and head": ("neck", "head", "left_collar", "right_collar"),
    "shoulders": ("left_shoulder", "right_shoulder"),
    "elbows": ("left_elbow", "right_elbow"),
    "wrists and hands": ("left_wrist", "right_wrist", "left_hand", "right_hand"),
    "knees": ("left_knee", "right_knee"),
    "ankles and feet": ("left_ankle", "right_ankle", "left_foot", "right_foot"),
}
"""SMPL's joints; the pelvis in camera coordinates, the others relative to it."""

DIRECTIONS = {"all": 3, "depth": 1, "across": 2}
"""Ellipsoid, interval along the viewing ray, ellipse across it, and their dimensions."""


def joint_uncertainty(config: ExperimentConfig) -> ExperimentResult:
    """200 clothed synthetic people: how often 90 % regions of joints contain the true ones, by joint and direction.

    A line of the table has the share of joints inside of the ellipsoid, of the interval along the viewing ray, and of
    the ellipse across it, and standard deviations for (beside) root mean square errors.
    """
    people = run_all(_person, list(config.limited(clothed_views(config))), config)
    summary: Row = {"people": len(people)}
    for which, words in OBSERVED.items():
        for group in (*JOINT_GROUPS, "joints"):
            name = f"{group}_{which}"
            inside = [f"{100 * float(np.mean(column(people, f'{region}_{name}'))):.0f}" for region in DIRECTIONS]
            lengths = [
                "{}: {} for {} mm".format(
                    direction, *(_root_mean_mm(people, f"{kind}_{direction}_{name}") for kind in ("variance", "square"))
                )
                for direction in ("depth", "across")
            ]
            summary[f"{words}: {group}"] = f"{', '.join(inside)} %; {', '.join(lengths)}"
    columns = (
        "number",
        "activity",
        "bottom",
        *(f"{region}_joints_{which}" for which in OBSERVED for region in DIRECTIONS),
    )
    return ExperimentResult("joint-uncertainty", people, summary, columns)


def _root_mean_mm(people: list[Metrics], name: str) -> int:
    return round(1000 * float(np.mean(column(people, name))) ** 0.5)


def _person(view: ClothedView, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body = components.body
    seed = int(np.random.SeedSequence([config.seed, view.number]).generate_state(1)[0])
    person = clothed_person(body, view.pose, seed)
    clothes = person.dressed.clothes
    observations = {
        "clothed": person.observation(body),
        "labels": person.observation(body, space=ATR),
        "unclothed": person.observation(body, clothed=False),
        "keypoints": replace(person.observation(body), mask=None),
    }
    values: Row = {"number": view.number, "activity": view.activity, "bottom": clothes.bottom}
    for which, observation in observations.items():
        fit = fit_person(observation, config)
        values |= {f"{name}_{which}": value for name, value in _errors([(fit, person)]).items()}
    views = clothed_views(config)
    pose = views[(view.number + 1) % len(views)].pose
    again = clothed_person(body, pose, seed + 1, clothes=clothes, betas=person.parameters.betas[0])
    both = [observations["clothed"], again.observation(body)]
    found = fit_images(both, components.resolved, clothing=config.clothing, seed=config.seed)
    pairs = [(fit, true) for fit, true in zip(found.results, (person, again), strict=True) if fit is not None]
    values |= {f"{name}_images": value for name, value in _errors(pairs).items()}
    return Metrics(values)


def _errors(fits: Sequence[tuple[FitResult, ClothedPerson]]) -> Row:
    """Columns of one person: shares of joints inside, mean variances and squared errors, by group."""
    found: dict[str, list[Float[Tensor, "j"]]] = {}
    for fit, person in fits:
        assert fit.joints_covariance is not None
        joints = fit.output.joints[0].detach()
        error = from_pelvis(joints) - from_pelvis(person.joints_camera)
        for name, value in regions(joints, error, fit.joints_covariance[0]).items():
            found.setdefault(name, []).append(value)
    groups = {group: [SMPL_24.index(name) for name in own] for group, own in JOINT_GROUPS.items()}
    groups["joints"] = list(range(1, len(SMPL_24.joints)))
    means: Mapping[str, Tensor] = {name: torch.stack(values).mean(dim=0) for name, values in found.items()}
    return {
        f"{name}_{group}": number(value[own].mean(), 6)
        for group, own in groups.items()
        for name, value in means.items()
    }


def regions(
    joints: Float[Tensor, "j 3"], error: Float[Tensor, "j 3"], covariance: Float[Tensor, "j 3 3"]
) -> dict[str, Float[Tensor, "j"]]:
    """Whether errors are inside the regions of `COVERAGE`, and the variances and squared errors, of each joint.

    Args:
        joints: (J, 3) fitted joints, camera coordinates, metres.
        error: (J, 3) of their positions, metres.
        covariance: (J, 3, 3) of these positions, squared metres.

    Returns:
        1 or 0 for ``all``, ``depth`` and ``across`` of `DIRECTIONS`; ``variance_…`` and ``square_…`` along the ray, and
        per axis across it, squared metres.
    """
    ray = torch.nn.functional.normalize(joints.double(), dim=-1)
    right = torch.nn.functional.normalize(
        torch.linalg.cross(ray.new_tensor([0.0, 1.0, 0.0]).expand_as(ray), ray), dim=-1
    )
    axes = torch.stack([right, torch.linalg.cross(ray, right), ray], dim=1)
    turned = (axes @ error.double()[..., None])[..., 0]
    spread = axes @ covariance.double() @ axes.mT
    chosen = {"all": slice(0, 3), "depth": slice(2, 3), "across": slice(0, 2)}
    result: dict[str, Tensor] = {}
    for name, rows in chosen.items():
        away, own = turned[:, rows, None], spread[:, rows, rows]
        distance = (away.mT @ torch.linalg.solve(own, away))[:, 0, 0]
        result[name] = (distance <= chi2.ppf(COVERAGE, DIRECTIONS[name])).double()
        if name != "all":
            result[f"variance_{name}"] = own.diagonal(dim1=1, dim2=2).mean(dim=1)
            result[f"square_{name}"] = away[..., 0].square().mean(dim=1)
    return result
