"""Optimisation, regression or both: the 3D error after every stage of a fit against time and the quality of its start.

Synthetic people in held-out poses, mask and keypoints given, unclothed. *Optimisation* begins at the default poses,
the *hybrid* at the regressor's hypotheses; its first row, before any stage, is the *regression*. The other rows begin
at the true body with every joint turned by random angles, so that the error of the start is known.

Source: the comparison of optimisation, regression and their combination in Kolotouros et al., ICCV 2019 (SPIN).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.cameras import Camera
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.evaluation.experiments.ground_truth_3d import SyntheticView, held_out_views, scene_of
from render_fit.evaluation.experiments.runner import load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, mean_of, median_of
from render_fit.fitting.beginning import Start
from render_fit.fitting.fit import fit_resolved
from render_fit.fitting.recipe import NO_REGRESSOR
from render_fit.fitting.regressor_initialisation import RegressorHypotheses, regressor_hypotheses
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.variables import Variables
from render_fit.observations.observation import Observation
from render_fit.synthesis.scene import SyntheticScene

PEOPLE = 60

START_ERRORS_RAD = (0.1, 0.3, 0.6)
"""Standard deviations of the rotation vectors that turn the joints of the true body, radians."""

BEGINNING = "start"
"""Name of the state before the first stage."""


@dataclass(frozen=True)
class NearTheTruth:
    """A start of a fit: the true person with turned joints and a mean shape (see `fitting.beginning.Start`).

    Attributes:
        true: The true body.
        error_rad: Standard deviation of the rotation vectors.
        seed: Seed of the rotations.
    """

    true: BodyParameters
    error_rad: float
    seed: int

    def __call__(
        self, body: Body, observation: Observation, camera: Camera, n_betas: int, clothing_dim: int = 0
    ) -> tuple[RegressorHypotheses, list[str]]:
        """One hypothesis, with an expected joint error in proportion to the rotations."""
        noise = self.error_rad * np.random.default_rng(self.seed).standard_normal((1, len(body.joint_names), 3))
        turns = roma.rotvec_to_rotmat(torch.from_numpy(noise).float())
        pelvis = self.true.transl + body.rest_joints(self.true.betas)[:, 0]
        betas = torch.zeros(1, n_betas)
        moved = BodyParameters(turns @ self.true.rotations, betas, pelvis - body.rest_joints(betas)[:, 0])
        variables = Variables.from_parameters(body, moved)
        if clothing_dim:
            variables = variables.with_values({"clothing": torch.zeros(1, clothing_dim)})
        expected = torch.full((1, len(SMPL_24)), 0.25 * self.error_rad)
        return RegressorHypotheses(variables, expected, torch.zeros(1)), []


def error_over_time(config: ExperimentConfig) -> ExperimentResult:
    """Fits from poses, from a regressor and from known errors: 3D error after every stage, against time."""
    people = run_all(_fits_of, held_out_views(config, PEOPLE), config)
    rows = []
    for name in dict.fromkeys(key.split(":")[0] for person in people for key in person.values if ":" in key):
        stages = dict.fromkeys(
            key.split(":")[1] for person in people for key in person.values if key.startswith(f"{name}:")
        )
        for stage in stages:
            values: dict[str, Any] = {"what": name, "after": stage}
            for figure in ("pa_mpjpe_mm", "mpjpe_mm"):
                errors = column(people, f"{name}:{stage}:{figure}")
                values[figure] = mean_of(people, f"{name}:{stage}:{figure}", 1)
                values[f"{figure}_sem"] = round(float(np.std(errors) / len(errors) ** 0.5), 1)
            values["seconds"] = median_of(people, f"{name}:{stage}:seconds", 3)
            rows.append(Metrics(values))
    summary = {
        "people": len(people),
        "seconds": "median, since the start of the fit",
        "sem": "standard error of the mean",
    }
    columns = ("what", "after", "seconds", "pa_mpjpe_mm", "pa_mpjpe_mm_sem", "mpjpe_mm", "mpjpe_mm_sem")
    return ExperimentResult("error-over-time", rows, summary, columns)


def _fits_of(view: SyntheticView, config: ExperimentConfig) -> Metrics:
    """Errors after every stage of all fits to one person."""
    hybrid = load_components(config).resolved
    scene = scene_of(view, config)
    alone = resolve(hybrid.recipe.with_regressor(NO_REGRESSOR))
    values: dict[str, Any] = {"number": view.number}
    values |= _followed("default poses", scene, alone, config)
    values |= _followed(hybrid.recipe.initialisation.regressor, scene, hybrid, config)
    for error in START_ERRORS_RAD:
        start = NearTheTruth(scene.parameters, error, view.number)
        values |= _followed(f"truth ± {error:g} rad", scene, hybrid, config, start)
    return Metrics(values)


def _followed(
    name: str, scene: SyntheticScene, resolved: ResolvedRecipe, config: ExperimentConfig, start: Start | None = None
) -> dict[str, Any]:
    """Errors of the best hypothesis after every stage of one fit, and processor seconds since it began."""
    body, values = resolved.body, dict[str, Any]()
    began = time.process_time()
    spent = 0.0  # on measuring, not on fitting

    def record(stage: str, parameters: BodyParameters) -> None:
        nonlocal spent
        now = time.process_time()
        values[f"{name}:{stage}:seconds"] = round(now - began - spent, 4)
        with torch.no_grad():
            joints = body.kinematics(parameters).joints[:1]
        true = scene.joints_camera[None]
        values[f"{name}:{stage}:pa_mpjpe_mm"] = number(1000 * metrics.pa_mpjpe(joints, true), 2)
        values[f"{name}:{stage}:mpjpe_mm"] = number(1000 * metrics.mpjpe(joints, true, root=0), 2)
        spent += time.process_time() - now

    def begun(
        body: Body, observation: Observation, camera: Camera, n_betas: int, clothing_dim: int = 0
    ) -> tuple[RegressorHypotheses, list[str]]:
        given = start or regressed
        hypotheses, notes = given(body, observation, camera, n_betas, clothing_dim)
        record(BEGINNING, hypotheses.variables.parameters(body))
        return hypotheses, notes

    def regressed(
        body: Body, observation: Observation, camera: Camera, n_betas: int, clothing_dim: int = 0
    ) -> tuple[RegressorHypotheses, list[str]]:
        assert resolved.regressor is not None
        return regressor_hypotheses(body, observation, camera, resolved.regressor, n_betas, clothing_dim), []

    fit_resolved(
        scene.observation(parts=False),
        resolved,
        clothing="none",
        seed=config.seed,
        start=begun if start or resolved.regressor is not None else None,
        watch=record,
    )
    return values
