"""Lengths and heights of one body."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.measurements.girths import CERVICALE, WAIST, Point, Surface, Tape
from render_fit.measurements.landmarks import ray_hit
from render_fit.measurements.tape import on_surface, open_length, stretched

BACKWARDS = (0.0, 0.0, -1.0)

IN_FRONT_M = 1.0
"""Distance in front of a joint from which the surface behind it is searched, metres."""


def heights(upper: str, lower: str) -> Callable[[Surface], Tape]:
    """Vertical distance of two landmarks; the tape hangs from the upper one."""

    def measured(surface: Surface) -> Tape:
        top, low = surface.landmarks[upper], surface.landmarks[lower]
        foot = torch.stack([top[0], low[1], top[2]])
        return Tape(top[1] - low[1], torch.stack([top, foot]), closed=False)

    return measured


def straight(*points: Point) -> Callable[[Surface], Tape]:
    """Length of straight lines from point to point."""

    def measured(surface: Surface) -> Tape:
        places = torch.stack([surface.point(point) for point in points])
        return Tape(open_length(places), places, closed=False)

    return measured


def shoulder_width(surface: Surface) -> Tape:
    """Tape between the shoulder points, across the back over the seventh neck vertebra."""
    left, right = surface.landmarks["left_shoulder_point"], surface.landmarks["right_shoulder_point"]
    back = _back(surface, surface.point(CERVICALE))
    normal = torch.nn.functional.normalize(torch.linalg.cross(left - back, right - back), dim=0)
    return _tape_between(surface, left, right, normal, surface.point(CERVICALE))


def back_length(surface: Surface) -> Tape:
    """Tape from the seventh neck vertebra down to the waist, along the back's middle."""
    neck, waist = (_back(surface, surface.point(level)) for level in (CERVICALE, WAIST))
    sideways = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    return _tape_between(surface, neck, waist, sideways, surface.point({"spine2": 1.0}))


def arm_length(side: str) -> Callable[[Surface], Tape]:
    """Shoulder point to elbow to wrist, of an arm that hangs straight down."""

    def measured(surface: Surface) -> Tape:
        top, shoulder = surface.landmarks[f"{side}_shoulder_point"], surface.landmarks[f"{side}_shoulder"]
        elbow, wrist = surface.landmarks[f"{side}_elbow"], surface.landmarks[f"{side}_wrist"]
        down = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
        hanging = torch.stack([top, shoulder + (elbow - shoulder).norm() * down])
        length = open_length(hanging) + (wrist - elbow).norm()
        return Tape(length, torch.stack([top, elbow, wrist]), closed=False)

    return measured


def _back(surface: Surface, level: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """The rearmost point of the body on the line through a point from front to back."""
    start = level.detach().numpy() - IN_FRONT_M * np.array(BACKWARDS)  # spine joints of odd shapes lie behind the back
    face, _, _ = ray_hit(surface.vertices, surface.body.faces, start, np.array(BACKWARDS), last=True)
    if face < 0:
        raise InputError("this body cannot be measured: the mesh has no back behind its spine")
    corners = surface.body.some_vertices(surface.betas, surface.body.faces[face])
    return on_surface(corners, level, torch.tensor(BACKWARDS, dtype=torch.float64))


def _tape_between(surface: Surface, start: Tensor, end: Tensor, normal: Tensor, inside: Tensor) -> Tape:
    """Tape stretched along the back from one point of the surface to another, in a plane through both."""
    plane, origin = normal.detach().numpy(), start.detach().numpy()
    loop = surface.loop(origin, plane, inside.detach().numpy())
    if loop is None:
        raise InputError("this body cannot be measured: a tape's plane does not cut the mesh")
    across = np.cross(plane, end.detach().numpy() - origin)
    across /= np.linalg.norm(across)
    along = np.cross(across, plane)
    axes = np.stack([along, across])
    side = 1 if float(across @ np.array(BACKWARDS)) > 0 else -1
    places = (loop.points - origin) @ axes.T
    touched = stretched(places, np.zeros(2), axes @ (end.detach().numpy() - origin), side)
    points = torch.cat([start[None], surface.cut_points(loop, touched, start, normal), end[None]])
    return Tape(open_length(points), points, closed=False)


LENGTHS: Mapping[str, Callable[[Surface], Tape]] = {
    "stature": heights("crown", "sole"),
    "inside_leg": heights("crotch", "sole"),
    "shoulder_width": shoulder_width,
    "shoulder_breadth": straight({"left_shoulder_point": 1.0}, {"right_shoulder_point": 1.0}),
    "back_length": back_length,
    "arm_length": arm_length("right"),
}
"""Lengths by name; the arm's on the right side."""

LEFT_LENGTHS: Mapping[str, Callable[[Surface], Tape]] = {"arm_length": arm_length("left")}
"""Those that differ on the left side."""
