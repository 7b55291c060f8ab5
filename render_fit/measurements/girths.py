"""Where the tape lies for each girth, and girths of one body."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.core.skeletons import mirrored_name
from render_fit.measurements.pose import MeasuredBody
from render_fit.measurements.tape import Loop, closed_length, cut, cut_points

Point = Mapping[str, float]
"""A weighted sum of landmarks."""

COARSE_STEPS = 12
"""Levels that are tried before the best one is refined."""

LEVEL_TOLERANCE_M = 2e-4
"""Accuracy of the level of a largest or smallest girth; the girth itself hardly changes there."""


@dataclass(frozen=True)
class Girth:
    """Definition of a girth: a plane at ``start + t (end − start)``, for t at the level that is wanted.

    Attributes:
        start: The plane's origin at t = 0.
        end: The plane's origin at t = 1.
        levels: Lowest and highest t.
        which: ``at``: both levels are one; ``largest`` or ``smallest`` between the levels.
        axis: Direction of the plane's normal, or None for a horizontal plane.
        tilt_deg: Angle by which a horizontal plane is turned about the x axis, so that it is lower in front.
        inside: Point in the limb or trunk; None: the plane's origin.
        outside: Point in another limb: levels at which the tape would go around it as well do not count.
    """

    start: Point
    end: Point
    levels: tuple[float, float]
    which: Literal["at", "largest", "smallest"] = "at"
    axis: Point | None = None
    tilt_deg: float = 0.0
    inside: Point | None = None
    outside: Point | None = None

    def mirrored(self) -> Girth:
        """The girth of the other side."""

        def other(point: Point | None) -> Point | None:
            return None if point is None else {mirrored_name(name): weight for name, weight in point.items()}

        start, end = other(self.start), other(self.end)
        assert start is not None and end is not None
        points = {name: other(getattr(self, name)) for name in ("axis", "inside", "outside")}
        return replace(self, start=start, end=end, **points)


NECK_TILT_DEG = 18.0
"""Inclination of the neck to the front. On the open body its front and back rise at 15° and 21°. SMPL's own neck and
head joints are inclined by 38°; they are not on the neck's axis."""

WAIST = {"pelvis": 0.3, "spine1": 0.7}
"""Level of the waist: 61.4 % of the stature on the open body. ISO's is midway between the lowest rib and the top of the
hip bone, which the surface does not show. In soldiers (ANSUR II, Gordon et al. 2014) that is 62 % of the stature."""

NIPPLES = {"left_nipple": 0.5, "right_nipple": 0.5}
CERVICALE = {"neck": 0.7, "head": 0.3}
"""Level of the seventh neck vertebra: 86.3 % of the stature on the open body; ANSUR II: 86.6 % of men, 86.1 % of
women."""

_UPPER_ARM, _FOREARM, _THIGH, _SHIN = (
    {"right_shoulder": -1.0, "right_elbow": 1.0},
    {"right_elbow": -1.0, "right_wrist": 1.0},
    {"right_hip": -1.0, "right_knee": 1.0},
    {"right_knee": -1.0, "right_ankle": 1.0},
)

GIRTHS: Mapping[str, Girth] = {
    "head": Girth({"head": 1.0}, {"crown": 1.0}, (0.5, 0.85), "largest", inside={"head": 0.5, "crown": 0.5}),
    "neck": Girth({"neck": 1.0}, {"head": 1.0}, (-0.1, 0.6), "smallest", tilt_deg=NECK_TILT_DEG),
    "bust": Girth(NIPPLES, NIPPLES, (0.0, 0.0), inside={"spine2": 1.0}),
    "under_bust": Girth(NIPPLES, WAIST, (1 / 3, 1 / 3), inside={"spine2": 1.0}),
    "waist": Girth(WAIST, WAIST, (0.0, 0.0)),
    "hip": Girth({"crotch": 1.0}, {"pelvis": 1.0}, (0.1, 0.95), "largest", inside={"pelvis": 1.0}),
    "upper_arm": Girth({"right_shoulder": 1.0}, {"right_elbow": 1.0}, (0.5, 0.5), "at", _UPPER_ARM),
    "wrist": Girth({"right_elbow": 1.0}, {"right_wrist": 1.0}, (0.9, 1.02), "smallest", _FOREARM),
    "thigh": Girth(
        {"crotch": 1.0},
        {"crotch": 1.0, **_THIGH},
        (0.08, 0.4),
        "largest",
        _THIGH,
        inside={"right_hip": 0.6, "right_knee": 0.4},
        outside={"left_hip": 0.6, "left_knee": 0.4},
    ),
    "knee": Girth(
        {"right_knee": 1.0}, {"right_ankle": 1.0}, (0.08, 0.08), "at", {"right_hip": -1.0, "right_ankle": 1.0}
    ),
    "calf": Girth({"right_knee": 1.0}, {"right_ankle": 1.0}, (0.2, 0.5), "largest", _SHIN),
    "ankle": Girth({"right_knee": 1.0}, {"right_ankle": 1.0}, (0.7, 0.98), "smallest", _SHIN),
}
"""Girths by name; those of limbs on the right side, as the standard has them."""


@dataclass(frozen=True)
class Tape:
    """A tape on a body.

    Attributes:
        length: () its length, metres.
        points: (N, 3) where it touches the body, in order, metres.
        closed: Whether it goes around.
    """

    length: Float[Tensor, ""]
    points: Float[Tensor, "n 3"]
    closed: bool = True


class Surface:
    """One shape of a measured body: vertices for the search, landmarks with gradients to betas.

    Args:
        body: Body in the measuring pose.
        betas: (S,) shape coefficients, float64.
    """

    def __init__(self, body: MeasuredBody, betas: Float[Tensor, "s"]) -> None:
        self.body, self.betas = body, betas
        self.vertices = body.vertices(betas.detach()).numpy()
        self.landmarks = body.landmarks(betas)

    def point(self, weights: Point) -> Float[Tensor, "3"]:
        """A weighted sum of landmarks."""
        return torch.stack([weight * self.landmarks[name] for name, weight in weights.items()]).sum(0)

    def loop(self, origin: np.ndarray, normal: np.ndarray, inside: np.ndarray) -> Loop | None:
        """The loop of a plane's cut around a point."""
        return cut(self.vertices, *self.body.edges, origin, normal, inside)

    def cut_points(self, loop: Loop, chosen: np.ndarray, origin: Tensor, normal: Tensor) -> Float[Tensor, "n 3"]:
        """Chosen points of a loop, with gradients to betas."""
        return cut_points(self.body.some_vertices(self.betas, loop.edges[chosen]), origin, normal)


def tape_around(surface: Surface, girth: Girth) -> Tape:
    """Lays a tape around one body.

    Args:
        surface: The body.
        girth: Where the tape lies.

    Raises:
        InputError: if the plane does not cut the body.

    Differentiability: in betas, exact as long as the tape touches the same edges. The level of a largest or smallest
    girth is held fixed, at which its derivative is zero.
    """
    start, end = surface.point(girth.start), surface.point(girth.end)
    normal = _normal(surface, girth)
    ends = start.detach().numpy(), end.detach().numpy()
    plane = normal.detach().numpy()
    inside = None if girth.inside is None else surface.point(girth.inside).detach().numpy()
    outside = None if girth.outside is None else surface.point(girth.outside).detach().numpy()

    def loop_at(level: float) -> Loop | None:
        origin = ends[0] + level * (ends[1] - ends[0])
        loop = surface.loop(origin, plane, origin if inside is None else inside)
        return None if loop is not None and outside is not None and loop.surrounds(outside) else loop

    level = (
        girth.levels[0]
        if girth.which == "at"
        else _best_level(girth, loop_at, float(np.linalg.norm(np.subtract(*ends))))
    )
    loop = loop_at(level)
    hull = np.empty(0, int) if loop is None else loop.hull()
    if loop is None or not len(hull):
        raise InputError("this body cannot be measured: a tape's plane does not cut the mesh")
    points = surface.cut_points(loop, hull, start + level * (end - start), normal)
    return Tape(closed_length(points), points)


def _normal(surface: Surface, girth: Girth) -> Float[Tensor, "3"]:
    if girth.axis is None:
        tilt = math.radians(girth.tilt_deg)
        return torch.tensor([0.0, math.cos(tilt), math.sin(tilt)], dtype=torch.float64)
    return torch.nn.functional.normalize(surface.point(girth.axis), dim=0)


def _best_level(girth: Girth, loop_at: Callable[[float], Loop | None], span_m: float) -> float:
    """The level of the largest or smallest girth."""
    sign = -1.0 if girth.which == "largest" else 1.0

    def cost(level: float) -> float:
        loop = loop_at(level)
        return np.inf if loop is None else sign * loop.girth()

    low, high = girth.levels
    grid = np.linspace(low, high, COARSE_STEPS)
    costs = [cost(level) for level in grid.tolist()]
    best = int(np.argmin(costs))
    bounds = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    level = _golden_section(cost, *bounds, LEVEL_TOLERANCE_M / span_m)
    return level if cost(level) <= costs[best] else float(grid[best])


def _golden_section(cost: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Where a function with one minimum between two points is smallest."""
    share = (math.sqrt(5) - 1) / 2
    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = cost(left), cost(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = cost(right)
    return (low + high) / 2
