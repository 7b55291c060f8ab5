"""How far from the truth may a fit begin? Basins of convergence of losses, soft edges and resolutions.

A synthetic person with exact mask, part map and keypoints, drawn by an independent rasteriser. The fit begins at the
truth, moved in one way: to the side, turned about the vertical axis, or with a limb turned. Then the variable that was
moved is free (of a limb: the whole pose), and nothing but the loss holds the body. A fit has converged if its joints
are within `CONVERGED_M` of the true ones on average; after a shift, in the image.

Source of the losses: `losses.pixels`, `losses.keypoints`; soft edges: Liu et al., ICCV 2019 (SoftRas), and the signed
distance to the outline (`renderers.base.RenderSettings`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies import open_body
from render_fit.bodies.body import Body
from render_fit.evaluation.experiments.runner import run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.fitting.landscapes import Direction, compose, joint_turn, moved, shift
from render_fit.fitting.solvers import make_solver
from render_fit.fitting.variables import Variables
from render_fit.renderers.base import RenderSettings
from render_fit.synthesis.poses.named import everyday_pose
from render_fit.synthesis.scene import SyntheticScene, synthetic_scene

PEOPLE = 12
CONVERGED_M = 0.02
"""Mean joint error below which a fit has converged, metres: the width of a finger."""

POSES = ("standing", "walking", "sitting")
YAWS = (0.0, 0.6, -1.2, 3.1)
"""Poses and directions of the people, in turn; 0 faces the camera, radians."""

MOVES: dict[str, tuple[float, ...]] = {
    "shift": (0.05, 0.1, 0.2, 0.4),  # metres, to either side
    "turn": (15.0, 30.0, 60.0, 120.0),  # degrees, about the vertical axis, either way
    "limb": (15.0, 30.0, 60.0, 90.0),  # degrees, an upper arm or a thigh, in the plane of the trunk or out of it
}
FREE: dict[str, tuple[str, ...]] = {"shift": ("position",), "turn": ("orient",), "limb": ("pose",)}


@dataclass(frozen=True)
class Setting:
    """A loss, a soft edge and a resolution."""

    terms: Mapping[str, float]
    sigma_px: float = 1.0
    size: int = 96
    silhouette: Literal["contour", "softras"] = "contour"

    @property
    def name(self) -> str:
        """What a row of the table says."""
        return f"{' + '.join(self.terms)}, {self.silhouette}, σ {self.sigma_px:g} px, {self.size} px"


L2, IOU, DISTANCE, PARTS = "silhouette_l2", "silhouette_iou", "silhouette_distance", "parts"
SETTINGS = (
    *(Setting({L2: 200.0}, sigma) for sigma in (0.5, 1.0, 2.0, 4.0)),
    Setting({L2: 200.0}, 4.0, silhouette="softras"),
    *(Setting({L2: 200.0}, 1.0, size) for size in (48, 192)),
    Setting({IOU: 50.0}),
    Setting({DISTANCE: 200.0}),
    Setting({L2: 200.0, DISTANCE: 200.0}),
    Setting({PARTS: 100.0}),
    Setting({L2: 200.0, PARTS: 100.0}),
    Setting({"keypoints": 1.0}),
)


def convergence_basin(config: ExperimentConfig) -> ExperimentResult:
    """How far from the truth a fit may begin, by loss, soft edge and resolution: share of fits that converge."""
    rows = run_all(_of_person, [config.seed + number for number in range(config.limit or PEOPLE)], config)
    table = []
    for setting in SETTINGS:
        values: dict[str, Any] = {"what": setting.name}
        for kind, sizes in MOVES.items():
            for size in sizes:
                found = torch.tensor([row.values[f"{setting.name}: {kind} {size:g}"] for row in rows])
                values[f"{kind} {size:g}"] = round(100 * float((found < CONVERGED_M).float().mean()), 1)
        table.append(Metrics(values))
    columns = ("what", *(f"{kind} {size:g}" for kind, sizes in MOVES.items() for size in sizes))
    summary = {
        "people": len(rows),
        "in a cell": f"% of fits within {1000 * CONVERGED_M:g} mm; shift in m, turn and limb in degrees",
        "iterations": config.iterations,
    }
    return ExperimentResult("convergence-basin", table, summary, columns)


def _of_person(seed: int, config: ExperimentConfig) -> Metrics:
    """Final joint errors of all fits to one person, metres: setting and move → a list."""
    body = open_body()
    pose = everyday_pose(POSES[seed % len(POSES)])
    scene = synthetic_scene(body, pose, seed, jitter=0.0, yaw_rad=YAWS[seed % len(YAWS)])
    truth = Variables.from_parameters(body, scene.parameters)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        edge = RenderSettings(setting.silhouette, setting.sigma_px)
        problem = compose(scene.observation(), setting.terms, body=body, settings=edge, size=setting.size)
        for kind, sizes in MOVES.items():
            begins = [begin for size in sizes for begin in displaced(body, truth, kind, size)]
            together = functools.reduce(Variables.joined, begins)
            solved, _ = problem.minimise(together, FREE[kind], make_solver("lbfgs"), config.iterations)
            errors = _joint_errors(body, solved, scene, kind).view(len(sizes), -1).tolist()
            values |= {f"{setting.name}: {kind} {size:g}": error for size, error in zip(sizes, errors, strict=True)}
    return Metrics(values)


def displaced(body: Body, truth: Variables, kind: str, size: float) -> list[Variables]:
    """The true state, moved by a size in both directions.

    Args:
        body: Body model.
        truth: One state (B = 1).
        kind: Key of `MOVES`.
        size: Metres for ``shift``, degrees otherwise.
    """
    if kind == "shift":
        directions: list[Direction] = [shift(truth, (1.0, 0.0, 0.0))]
    elif kind == "turn":
        size, directions = math.radians(size), [{"orient": torch.tensor([0.0, 1.0, 0.0])}]
    else:
        size = math.radians(size)
        directions = [
            joint_turn(body, "left_shoulder", (0.0, 0.0, 1.0)),
            joint_turn(body, "right_hip", (1.0, 0.0, 0.0)),
        ]
    return [moved(truth, (direction, sign * size)) for direction in directions for sign in (1, -1)]


@torch.no_grad()
def _joint_errors(body: Body, solved: Variables, scene: SyntheticScene, kind: str) -> Float[Tensor, "b"]:
    """Mean distance of the joints of B states from the true ones, metres; after a shift that in the image, at the depth
    of the true joints.
    """
    joints, true = body.kinematics(solved.parameters(body)).joints, scene.joints_camera
    if kind == "shift":
        return (joints / joints[..., 2:] * true[:, 2:] - true).norm(dim=-1).mean(dim=1)
    return (joints - true).norm(dim=-1).mean(dim=1)
