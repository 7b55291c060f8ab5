"""Fits of a body to points that belong to its vertices."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.core.rotations import roma
from render_fit.exchange.posed_points import Posed, SkinnedSurface, posed_vertices
from render_fit.exchange.surface_fit import fit_surface, known_pairs

SIGMA_M = 0.002
"""Standard deviation of points that belong together, metres."""

PAIRS = 1400
"""Pairs of points of which a fit uses no more."""

SPREAD_M = 0.005
"""Spread of a joint's points below which its turn is rather that of its parent, metres."""


def fitted_to_points(
    surface: SkinnedSurface,
    vertices: Int64[Tensor, "n"],
    targets: Float[Tensor, "n 3"],
    start: Posed | None = None,
) -> Posed:
    """Fits a body to points that belong to its vertices.

    Without a start two are tried: the zero pose, turned as a whole, which leads to the nearest shape if the pose is
    near, and each bone turned as its own points are, which leads to the pose if it is far.

    Args:
        surface: The body.
        vertices: Vertices of the body.
        targets: Points where they should be, metres.
        start: Where to start, if that is known.
    """
    targets = targets.double()
    chosen = slice(None, None, max(1, len(vertices) // PAIRS))
    known = known_pairs(vertices[chosen], targets[chosen], SIGMA_M)
    starts = [whole(surface, vertices, targets), by_bone(surface, vertices, targets)] if start is None else [start]

    def distance(state: Posed) -> float:
        return float((posed_vertices(surface, state)[vertices] - targets).norm(dim=1).mean())

    return min((fit_surface(surface, one, known) for one in starts), key=distance)


def zero_pose(surface: SkinnedSurface) -> Posed:
    """The zero pose of an average person, at the origin."""
    eye = torch.eye(3, dtype=torch.float64).repeat(surface.weights.shape[1], 1, 1)
    return Posed(eye, surface.shape_mean, torch.zeros(3, dtype=torch.float64))


def whole(surface: SkinnedSurface, vertices: Int64[Tensor, "n"], targets: Float[Tensor, "n 3"]) -> Posed:
    """The zero pose, turned and moved so that vertices are as near to points as a rigid body's can be."""
    zero = zero_pose(surface)
    turn, shift = roma.rigid_points_registration(surface.shaped(zero).points[vertices][None], targets[None])[:2]
    rotations, root = zero.rotations.clone(), surface.shaped(zero).joints[0]
    rotations[0] = turn[0]
    return Posed(rotations, zero.shape, shift[0] + turn[0] @ root - root)


def by_bone(surface: SkinnedSurface, vertices: Int64[Tensor, "n"], targets: Float[Tensor, "n 3"]) -> Posed:
    """Turns each joint as its points are turned from the zero pose: those that hang on it more than on all others.

    The turn is that of Procrustes, with the parent's turn as a weak prior; a joint without points follows its parent.

    Source: Schönemann 1966, the orthogonal Procrustes problem, per bone.
    """
    zero = zero_pose(surface)
    rest, owner = surface.shaped(zero).points[vertices], surface.weights[vertices].argmax(1)
    world, rotations = torch.empty_like(zero.rotations), torch.empty_like(zero.rotations)
    trunk = whole(surface, vertices, targets).rotations[0]
    for joint, parent in enumerate(surface.tree.parents):
        before = world[parent] if parent >= 0 else trunk
        own = owner == joint
        world[joint] = _turn(rest[own], targets[own], before)
        rotations[joint] = before.mT @ world[joint] if parent >= 0 else world[joint]
    turned = Posed(rotations, zero.shape, zero.transl)
    return Posed(rotations, zero.shape, (targets - posed_vertices(surface, turned)[vertices]).mean(0))


def _turn(rest: Float[Tensor, "n 3"], wanted: Float[Tensor, "n 3"], before: Float[Tensor, "3 3"]) -> Tensor:
    """Rotation from points to where they should be; ``before`` where they do not tell."""
    if not len(rest):
        return before
    moment = (wanted - wanted.mean(0)).mT @ (rest - rest.mean(0)) / len(rest)
    found = roma.special_procrustes(moment + SPREAD_M**2 * before)
    assert isinstance(found, Tensor)  # gradients are not asked for
    return found
