"""The pose in which bodies are measured, and bodies in it as linear functions of betas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.errors import InputError
from render_fit.measurements.landmarks import NEEDED, Weights, surface_points

LOWERED_DEG = 50.0
"""Angle by which the arms are lowered from the zero pose, in which they are horizontal. Chest and shoulders then are
those of a standing person, and the arms do not touch the trunk. The legs stay as in SMPL's zero pose, slightly apart.
"""


@dataclass(frozen=True, eq=False)
class MeasuredBody:
    """A body in the measuring pose, without clothes.

    Rotations are fixed, so that vertices and landmarks are linear in betas, exactly.

    Attributes:
        template: (V, 3) mean shape, metres, y up, float64.
        directions: (S, V, 3) change per shape coefficient.
        faces: (F, 3) vertex indices.
        names: Names of the L landmarks: joints, and points of the surface.
        landmarks_template: (L, 3) landmarks of the mean shape.
        landmarks_directions: (S, L, 3) their change per coefficient.
    """

    template: Float[Tensor, "v 3"]
    directions: Float[Tensor, "s v 3"]
    faces: Int[np.ndarray, "f 3"]
    names: tuple[str, ...]
    landmarks_template: Float[Tensor, "l 3"]
    landmarks_directions: Float[Tensor, "s l 3"]

    def vertices(self, betas: Float[Tensor, "s"]) -> Float[Tensor, "v 3"]:
        """Vertices of one shape, metres."""
        return self.template + torch.tensordot(betas, self.directions[: len(betas)], 1)

    def some_vertices(self, betas: Float[Tensor, "s"], chosen: Int[np.ndarray, "..."]) -> Float[Tensor, "... 3"]:
        """Chosen vertices of one shape, metres."""
        index = torch.from_numpy(chosen)
        return self.template[index] + torch.tensordot(betas, self.directions[: len(betas), index], 1)

    def landmarks(self, betas: Float[Tensor, "s"]) -> dict[str, Float[Tensor, "3"]]:
        """Landmarks of one shape by name, metres."""
        points = self.landmarks_template + torch.tensordot(betas, self.landmarks_directions[: len(betas)], 1)
        return dict(zip(self.names, points, strict=True))

    @cached_property
    def edges(self) -> tuple[Int[np.ndarray, "e 2"], Int[np.ndarray, "f 3"]]:
        """Edges of the mesh as vertices, and the three edges of each face."""
        pairs = np.sort(self.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        edges, of_faces = np.unique(pairs, axis=0, return_inverse=True)
        return edges, of_faces.reshape(-1, 3)


_MEASURED: WeakKeyDictionary[Body, tuple[Tensor, MeasuredBody]] = WeakKeyDictionary()


def measured_body(body: Body) -> MeasuredBody:
    """The body in the measuring pose; computed once for each body.

    Raises:
        InputError: if the body lacks SMPL's joints, or points of the surface.
    """
    known = _MEASURED.get(body)
    if known is None or known[0] is not body.v_template:  # a body that was moved to another device has new tensors
        known = _MEASURED[body] = (body.v_template, _posed(body))
    return known[1]


@torch.no_grad()
def _posed(body: Body) -> MeasuredBody:
    missing = [name for name in NEEDED if name not in body.joint_names]
    if missing:
        raise InputError(
            f"body {body.name!r} cannot be measured: it has no joint {', '.join(missing[:3])}"
            f"{f' and {len(missing) - 3} more' if len(missing) > 3 else ''}; expected SMPL's joints"
        )
    like = body.v_template
    shapes = torch.eye(body.n_betas + 1, dtype=like.dtype, device=like.device)[:, 1:]  # the mean, and one of each
    pose = like.new_zeros(len(shapes), len(body.joint_names), 3)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        pose[:, body.joint_names.index(f"{side}_shoulder"), 2] = sign * math.radians(LOWERED_DEG)
    posed = body(BodyParameters.from_rotvec(pose, shapes, like.new_zeros(len(shapes), 3)))
    vertices, joints = posed.vertices.double().cpu(), posed.joints.double().cpu()
    faces = body.faces.cpu().numpy()
    template = vertices[0].numpy()
    found = surface_points(template, faces, dict(zip(body.joint_names, joints[0].numpy(), strict=True)))
    points = torch.cat([joints, _between(vertices, found)], 1)
    return MeasuredBody(
        vertices[0],
        vertices[1:] - vertices[0],
        faces,
        (*body.joint_names, *found),
        points[0],
        points[1:] - points[0],
    )


def _between(vertices: Float[Tensor, "n v 3"], points: Mapping[str, Weights]) -> Float[Tensor, "n l 3"]:
    """Points of the surface as weighted means of vertices."""
    sums = [
        torch.stack([share * vertices[:, vertex] for vertex, share in weights.items()]).sum(0)
        for weights in points.values()
    ]
    return torch.stack(sums, 1)
