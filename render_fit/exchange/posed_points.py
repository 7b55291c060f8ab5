"""Points of a skinned body, and how they move with its joints, its shape and its place.

Linear blend skinning makes the derivatives simple. A small turn about a joint moves of each point the share that hangs
on the joint; with the rotations held, points are linear in the shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.kinematics import Tree
from render_fit.core.rotations import roma


@dataclass(frozen=True)
class Shaped:
    """A body's zero pose for one shape, and how it changes with the shape.

    Attributes:
        points: Zero-pose points, metres.
        point_directions: Their derivatives by each shape coefficient, metres.
        joints: Zero-pose joints, metres.
        joint_directions: Their derivatives by each shape coefficient, metres.
    """

    points: Float[Tensor, "n 3"]
    point_directions: Float[Tensor, "n 3 s"]
    joints: Float[Tensor, "j 3"]
    joint_directions: Float[Tensor, "j 3 s"]


@dataclass(frozen=True)
class Posed:
    """Pose, shape and place of one body.

    Attributes:
        rotations: Local rotations, the root's first.
        shape: Shape coefficients.
        transl: Translation added after posing, metres.
    """

    rotations: Float[Tensor, "j 3 3"]
    shape: Float[Tensor, "s"]
    transl: Float[Tensor, "3"]

    def moved(self, step: Float[Tensor, "p"]) -> Posed:
        """The state after a step: translation, a turn of each joint in its parent's frame, shape."""
        n = 3 * len(self.rotations)
        turns = roma.rotvec_to_rotmat(step[3 : 3 + n].reshape(-1, 3))
        return Posed(turns @ self.rotations, self.shape + step[3 + n :], self.transl + step[:3])


@runtime_checkable
class SkinnedSurface(Protocol):
    """A body whose surface can be fitted: a tree of joints, skinning weights, faces, and a zero pose for each shape.

    Attributes:
        tree: Kinematic tree, in float64.
        weights: (v, j) skinning weights.
        faces: (f, 3) triangles.
        shape_mean: (s,) coefficients of an average person.
        shape_sigma: (s,) standard deviation of each coefficient among people.
    """

    tree: Tree
    weights: Tensor
    faces: Tensor
    shape_mean: Tensor
    shape_sigma: Tensor

    def shaped(self, state: Posed, vertices: Int64[Tensor, "n"] | None = None) -> Shaped:
        """Zero pose of some vertices, or of all, for a state's shape (and, for pose correctives, its rotations)."""
        ...


class BodySurface:
    """A body in SMPL's form as a `SkinnedSurface`."""

    def __init__(self, body: Body, offsets: Float[Tensor, "v 3"] | None = None) -> None:
        """Takes the arrays of a body in float64; ``offsets`` are added to the zero pose, metres."""
        self.body = body
        double = torch.float64
        template = body.v_template.to(double)
        self.template = template if offsets is None else template + offsets.to(double)
        self.directions = body.shapedirs.to(double)
        correctives = body.posedirs is not None and bool(body.posedirs.any())
        self.posedirs = body.posedirs.to(double) if correctives and body.posedirs is not None else None
        self.joints, self.joint_directions = body.J_template.to(double), body.J_shapedirs.to(double)
        self.weights, self.faces = body.weights.to(double), body.faces
        self.tree = Tree(body.parents).to(template)
        self.shape_mean = torch.zeros(body.n_betas, dtype=double)
        self.shape_sigma = torch.ones(body.n_betas, dtype=double)

    def shaped(self, state: Posed, vertices: Int64[Tensor, "n"] | None = None) -> Shaped:
        """See `SkinnedSurface`."""
        chosen = slice(None) if vertices is None else vertices
        directions = self.directions[chosen]
        points = self.template[chosen] + directions @ state.shape
        if self.posedirs is not None:
            eye = torch.eye(3, dtype=points.dtype)
            points = points + self.posedirs[chosen] @ (state.rotations[1:] - eye).flatten()
        joints = self.joints + self.joint_directions @ state.shape
        return Shaped(points, directions, joints, self.joint_directions)


def posed_vertices(surface: SkinnedSurface, state: Posed) -> Float[Tensor, "v 3"]:
    """All vertices of a posed body, metres."""
    shaped = surface.shaped(state)
    world, joints = surface.tree.pose(state.rotations[None], shaped.joints[None])
    shift = joints[0] - (world[0] @ shaped.joints[..., None])[..., 0]
    blended = (surface.weights @ world[0].flatten(1)).unflatten(1, (3, 3))
    return (blended @ shaped.points[..., None])[..., 0] + surface.weights @ shift + state.transl


def posed_points(
    surface: SkinnedSurface, state: Posed, vertices: Int64[Tensor, "n"]
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3 p"]]:
    """Some vertices of a posed body, and their derivatives by what `Posed.moved` takes.

    Args:
        surface: The body.
        state: Pose, shape and place.
        vertices: Which vertices.

    Returns:
        Points, metres, and derivatives by the translation, the turn of each joint and the shape. Pose correctives are
        held while joints turn.
    """
    tree, weights = surface.tree, surface.weights[vertices]
    shaped = surface.shaped(state, vertices)
    world, joints = (value[0] for value in tree.pose(state.rotations[None], shaped.joints[None]))
    shift = joints - (world @ shaped.joints[..., None])[..., 0]
    by_joint = weights[..., None] * (torch.einsum("jab,nb->nja", world, shaped.points) + shift)  # (n, j, 3)
    points = by_joint.sum(1) + state.transl

    hanging = tree.descendants @ by_joint
    arms = hanging - (weights @ tree.descendants.T)[..., None] * joints  # what a turn about each joint moves
    parents = tree.parents_of(world[None])[0]
    axes = parents.mT[None]  # rows: the axes of each parent's frame in the world
    turning = torch.cross(axes.expand(len(points), -1, -1, -1), arms[:, :, None].expand(-1, -1, 3, -1), dim=-1)

    n_shape = len(state.shape)
    rest = shaped.joint_directions.permute(2, 0, 1)
    _, moved = tree.pose(state.rotations.expand(n_shape, -1, -1, -1), rest.contiguous())
    blended = torch.einsum("nj,jab->nab", weights, world)
    held = moved.permute(1, 2, 0) - world @ shaped.joint_directions
    shaping = blended @ shaped.point_directions + torch.einsum("nj,jcs->ncs", weights, held)

    eye = torch.eye(3, dtype=points.dtype).expand(len(points), 3, 3)
    return points, torch.cat([eye, turning.flatten(1, 2).mT, shaping], dim=-1)
