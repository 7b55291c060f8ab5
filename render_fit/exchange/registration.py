"""The pose of a body whose points are known: the start of a fit to points that belong together."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.core.rotations import roma
from render_fit.exchange.posed_points import Posed, SkinnedSurface, posed_vertices

SPREAD_M = 0.005
"""Spread of a joint's points below which its turn is rather that of its parent, metres."""


def registered(
    surface: SkinnedSurface, zero: Posed, vertices: Int64[Tensor, "n"], targets: Float[Tensor, "n 3"]
) -> Posed:
    """Turns each joint as its points are turned from the zero pose: those that hang on it more than on all others.

    The turn is that of Procrustes, with the parent's turn as a weak prior; a joint without points follows its parent.
    So it finds poses that are far from the zero pose, from which a fit by small steps may end in a local minimum.

    Args:
        surface: The body.
        zero: Its zero pose, with the shape from which the turns are measured.
        vertices: Vertices of the body.
        targets: Points where they should be, metres.

    Source: Schönemann 1966, the orthogonal Procrustes problem, per bone.
    """
    rest, wanted = surface.shaped(zero).points[vertices], targets.to(zero.transl)
    owner = surface.weights[vertices].argmax(1)
    world = torch.empty_like(zero.rotations)
    rotations = torch.empty_like(zero.rotations)
    whole = roma.rigid_points_registration(rest[None], wanted[None])[0][0]
    for joint, parent in enumerate(surface.tree.parents):
        before = world[parent] if parent >= 0 else whole
        own = owner == joint
        world[joint] = _turn(rest[own], wanted[own], before)
        rotations[joint] = before.mT @ world[joint] if parent >= 0 else world[joint]
    turned = Posed(rotations, zero.shape, torch.zeros_like(zero.transl))
    shift = (wanted - posed_vertices(surface, turned)[vertices]).mean(0)
    return Posed(rotations, zero.shape, shift)


def _turn(rest: Float[Tensor, "n 3"], wanted: Float[Tensor, "n 3"], before: Float[Tensor, "3 3"]) -> Tensor:
    """Rotation from points to where they should be; ``before`` where they do not tell."""
    if not len(rest):
        return before
    moment = (wanted - wanted.mean(0)).mT @ (rest - rest.mean(0)) / len(rest)
    found = roma.special_procrustes(moment + SPREAD_M**2 * before)
    assert isinstance(found, Tensor)  # gradients are not asked for
    return found
