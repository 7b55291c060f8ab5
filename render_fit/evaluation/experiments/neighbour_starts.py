"""Fits that start from another system's result: errors before and after refinement, of thin and heavy people too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.rotations import roma
from render_fit.evaluation.experiments.clothed_people import clothed_views
from render_fit.evaluation.experiments.runner import Row, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.stand_in_bodies import nearest_betas, remeshed, write_smpl_stand_in
from render_fit.evaluation.tables import ExperimentResult, Metrics, mean_of, median_of
from render_fit.exchange.mesh_results import MHR_KEYPOINTS
from render_fit.exchange.smpl_results import PELVIS_M
from render_fit.exchange.starting import starting_results
from render_fit.fitting.fit import fit_resolved
from render_fit.fitting.result import FitResult
from render_fit.measurements.measure import measure
from render_fit.synthesis import synthetic_scene
from render_fit.synthesis.scene import SyntheticScene, sample_betas

N_PEOPLE = 30

BUILDS = {"thin": -2.0, "average": 0.0, "heavy": 2.0}
"""Groups of people: standard deviations along the shapes' direction of mass."""

STARTS = {
    "mhr": "mesh of another topology (SAM 3D Body's file)",
    "smpl": "SMPL stand-in with its mesh (4D-Humans' file)",
    "smplx": "SMPL-X parameters alone (smplx's names)",
    "regressor": "the recipe's own regressor",
}
"""What each fit starts from; suffixes of the columns."""

SHRUNK = 0.35
"""Share of the true shape that the other system finds: regressors make people average."""

POSE_ERROR_RAD, ORIENT_ERROR_RAD, SHAPE_ERROR = 0.12, 0.07, 0.2
"""Standard deviations of the other system's errors: of each joint's rotation and of the body's (each component), and of
each shape coefficient."""

DEPTH_ERROR, SIDE_ERROR_M = 0.05, 0.02
"""Standard deviations of the pelvis's error: along the ray, as a share of the depth, and across, metres."""

FIGURES = {
    "pa_mpjpe": "PA-MPJPE, mm",
    "mpjpe": "MPJPE, mm",
    "pve_t": "PVE of the rest pose, mm",
    "pve_t_sc": "PVE-T-SC, mm",
    "waist": "waist, absolute error, cm",
    "bmi": "body mass index, error, kg/m²",
}
"""Columns of each start, before and after refinement."""


@dataclass(frozen=True)
class Neighbour:
    """Number, pose and build of one person."""

    number: int
    pose: Float[Tensor, "24 3"]
    build: str


def neighbour_starts(config: ExperimentConfig) -> ExperimentResult:
    """30 unclothed synthetic people, a third thin, a third heavy: fits from perturbed results of other systems."""
    views = clothed_views(config)[:N_PEOPLE]
    tasks = [Neighbour(view.number, view.pose, list(BUILDS)[index % 3]) for index, view in enumerate(views)]
    people = run_all(_person, list(config.limited(tasks)), config)
    summary: Row = {"people": len(people)}
    for name, words in FIGURES.items():
        for start, how in STARTS.items():
            summary[f"{words}, {how}"] = {
                when: {"mean": mean_of(people, f"{name}_{start}_{when}", 2)}
                | {"median": median_of(people, f"{name}_{start}_{when}", 2)}
                for when in ("before", "after")
            }
    for build in BUILDS:
        own = [person for person in people if person.values["build"] == build]
        for name in ("pve_t", "waist", "bmi"):
            summary[f"{build} people, {FIGURES[name]}, mean"] = {"people": len(own)} | {
                start: {when: mean_of(own, f"{name}_{start}_{when}", 2) for when in ("before", "after")}
                for start in STARTS
            }
    columns = tuple(
        f"{name}_{start}_{when}" for name in ("mpjpe", "pve_t") for start in STARTS for when in ("before", "after")
    )
    return ExperimentResult("neighbour-starts", people, summary, ("number", "build", *columns))


def _mass_direction(body: Body) -> Float[Tensor, "s"]:
    """Unit vector of shape coefficients along which mass grows fastest."""
    zero = torch.zeros(1, body.n_betas)
    steps = torch.cat([zero, zero + 0.5 * torch.eye(body.n_betas)])
    mass = measure(body, steps, ("mass",))["mass"]
    slope = mass[1:] - mass[0]
    return slope / slope.norm()


@torch.no_grad()
def _person(person: Neighbour, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body = components.body
    seed = int(np.random.SeedSequence([config.seed, person.number]).generate_state(1)[0])
    rng = np.random.default_rng(seed)
    betas = sample_betas(body, rng)
    direction = _mass_direction(body)
    betas = betas - (betas @ direction) * direction + BUILDS[person.build] * direction
    scene = synthetic_scene(body, person.pose, seed, betas=betas)
    observation = scene.observation(parts=False)
    wrong = perturbed(body, scene.parameters, rng)
    values: Row = {"number": person.number, "build": person.build}
    with TemporaryDirectory() as folder:
        files = write_starts(Path(folder), body, wrong, scene)
        for start in STARTS:
            given = starting_results(files[start], "photo.png") if start in files else None
            with torch.enable_grad():
                fit = fit_resolved(observation, components.resolved, clothing="none", seed=config.seed, start=given)
            values |= _errors(body, fit, scene, start)
            values[f"seconds_{start}"] = number(fit.report.seconds["total"], 2)
    return Metrics(values)


def perturbed(body: Body, true: BodyParameters, rng: np.random.Generator) -> BodyParameters:
    """A person as another system might find it: a nearly right pose, a place off along the ray, an average shape."""
    noise = rng.standard_normal((len(body.joint_names), 3)) * POSE_ERROR_RAD
    noise[0] = rng.standard_normal(3) * ORIENT_ERROR_RAD
    turns = roma.rotvec_to_rotmat(torch.from_numpy(noise).float())[None]
    betas = SHRUNK * true.betas + SHAPE_ERROR * torch.from_numpy(rng.standard_normal(true.betas.shape)).float()
    pelvis = true.transl + body.rest_joints(true.betas)[:, 0]
    side = torch.tensor([*(SIDE_ERROR_M * rng.standard_normal(2)), 0.0]).float()
    moved = pelvis * (1 + DEPTH_ERROR * float(rng.standard_normal())) + side
    return BodyParameters(turns @ true.rotations, betas, moved - body.rest_joints(betas)[:, 0])


def write_starts(folder: Path, body: Body, wrong: BodyParameters, scene: SyntheticScene) -> dict[str, Path]:
    """The person's result as files of three systems; start → path."""
    output, K = body(wrong), scene.camera.K[0].numpy()
    vertices, pelvis = output.vertices[0].double().numpy(), output.joints[0, 0].double().numpy()
    pose, rotations = wrong.pose[0].double().numpy(), wrong.rotations.numpy()
    mesh, faces = remeshed(vertices, body.faces.numpy())
    landmarks = (body.landmark_regressor @ output.vertices[0]).double().numpy()
    rows = dict(zip(body.landmark_names, landmarks, strict=True))
    keypoints = np.tile(pelvis, (70, 1))
    for index, name in MHR_KEYPOINTS.items():
        keypoints[index] = rows[name]
    files = {name: folder / f"{name}.npz" for name in ("mhr", "smpl", "smplx")}
    np.savez(
        files["mhr"], pred_vertices=mesh - pelvis, pred_cam_t=pelvis, pred_keypoints_3d=keypoints - pelvis,
        pred_keypoints_2d=np.zeros((70, 2)), focal_length=K[0, 0], body_pose_params=np.zeros(133), faces=faces,
    )  # fmt: skip
    model, betas = nearest_betas(write_smpl_stand_in(folder / "SMPL_NEUTRAL.npz"), wrong.betas[0])
    posed = model(replace(wrong, betas=betas[None], transl=torch.zeros(1, 3)))
    shift = pelvis - np.asarray(PELVIS_M["smpl"])
    np.savez(
        files["smpl"], global_orient=rotations[:, :1], body_pose=rotations[:, 1:], betas=betas[None].numpy(),
        pred_cam_t_full=shift[None], focal_length=K[0, 0], pred_cam=np.zeros((1, 3)),
        pred_vertices=posed.vertices.numpy(),
    )  # fmt: skip
    np.savez(
        files["smplx"], global_orient=pose[:1], body_pose=pose[1:22].reshape(1, 63), betas=betas[None].numpy(),
        expression=np.zeros((1, 10)), transl=(pelvis - np.asarray(PELVIS_M["smplx"]))[None], K=K,
    )  # fmt: skip
    return files


def _errors(body: Body, fit: FitResult, scene: SyntheticScene, start: str) -> Row:
    """Columns of one start, see `FIGURES`."""
    values: Row = {}
    assert fit.before is not None
    joints_true, betas_true = scene.joints_camera[None], scene.parameters.betas
    rest_true = body.rest_vertices(betas_true)
    size_true = measure(body, betas_true, ("stature", "mass", "waist"))
    for when, parameters in (("before", fit.before), ("after", fit.parameters)):
        joints, betas = body(parameters).joints, parameters.betas
        rest, size = body.rest_vertices(betas), measure(body, betas, ("stature", "mass", "waist"))
        bmi, bmi_true = (float(one["mass"][0] / one["stature"][0] ** 2) for one in (size, size_true))
        moved = joints - joints[:, :1] + joints_true[:, :1]
        values |= {
            f"pa_mpjpe_{start}_{when}": number(1000 * metrics.pa_mpjpe(joints, joints_true), 2),
            f"mpjpe_{start}_{when}": number(1000 * (moved - joints_true).norm(dim=-1).mean(), 2),
            f"pve_t_{start}_{when}": number(1000 * metrics.pve(rest, rest_true, "translation"), 2),
            f"pve_t_sc_{start}_{when}": number(1000 * metrics.pve_t_sc(rest, rest_true), 2),
            f"waist_{start}_{when}": number(100 * (size["waist"] - size_true["waist"]).abs(), 2),
            f"bmi_{start}_{when}": round(bmi - bmi_true, 2),
        }
    return values
