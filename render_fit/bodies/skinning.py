"""Linear blend skinning of a shaped mesh, laid out for speed.

A vertex is a weighted mean over joints of rotated and shifted rest vertices; a rest vertex is linear in shape
coefficients and pose correctives. Both are matrix products, and their layout determines their cost: coordinates are
stored separately, so that every step runs along contiguous vertices, and the directions are cut into blocks.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from render_fit.bodies.parameters import BodyParameters

BLOCK = 2304
"""Vertices in a block. The product of a few bodies with several such blocks takes about half the time of one with all
vertices, which BLAS libraries split badly; blocks of a tenth of that are slow again for one body."""


class Skin(NamedTuple):
    """A mesh that can be shaped and posed.

    Attributes:
        template: (n, 1, w) blocks of the template, coordinate by coordinate, metres.
        directions: (n, s + p, w) blocks of the shape directions, then of the pose correctives if any, metres.
        weights: (j, v) skinning weights.
        n_betas: Number s of shape directions.
    """

    template: Tensor
    directions: Tensor
    weights: Tensor
    n_betas: int


def skin_of(
    template: Float[Tensor, "v 3"],
    shapedirs: Float[Tensor, "v 3 s"],
    posedirs: Float[Tensor, "v 3 p"] | None,
    weights: Float[Tensor, "v j"],
) -> Skin:
    """Arranges the arrays of a body, or of some of its vertices, for `skinned`."""
    n_vertices, _, n_betas = shapedirs.shape
    parts = [template[..., None], shapedirs, *([] if posedirs is None else [posedirs])]
    flat = torch.cat(parts, -1).permute(2, 1, 0)
    per_coordinate = max(1, -(-n_vertices // BLOCK))
    width = max(1, -(-n_vertices // per_coordinate))
    flat = pad(flat, (0, per_coordinate * width - n_vertices))
    blocks = flat.reshape(len(flat), 3 * per_coordinate, width).transpose(0, 1)
    return Skin(blocks[:, :1].contiguous(), blocks[:, 1:].contiguous(), weights.T.contiguous(), n_betas)


def skinned(skin: Skin, parameters: BodyParameters, transforms: Float[Tensor, "b j 12"]) -> Float[Tensor, "b v 3"]:
    """Shapes and poses vertices.

    Args:
        skin: Arrays of the vertices to pose.
        parameters: Pose, shape, and zero-pose offsets of the same vertices. ``betas`` may have fewer columns than there
            are shape directions: the rest are zero.
        transforms: Skinning transforms of the joints: a rotation's rows, then the shift.

    Returns:
        Posed vertices (b, v, 3), metres.

    Differentiability: smooth in all parameters.

    Source: Loper et al. 2015, equations 2 to 9; offsets as in Alldieck et al. 2018 (SMPL+D).
    """
    betas, rotations = parameters.betas, parameters.rotations
    n_bodies, (n_blocks, n_directions, width) = len(betas), skin.directions.shape
    features = pad(betas, (0, skin.n_betas - betas.shape[1]))
    if n_directions > skin.n_betas:
        eye = torch.eye(3, dtype=betas.dtype, device=betas.device)
        features = torch.cat([features, (rotations[:, 1:] - eye).flatten(1)], 1)
    blocks = torch.baddbmm(skin.template, features.expand(n_blocks, -1, -1), skin.directions)
    rest = blocks.view(3, -1, n_bodies, width).permute(2, 0, 1, 3).reshape(n_bodies, 3, -1)
    rest = rest[:, None, :, : skin.weights.shape[1]]
    if parameters.offsets is not None:
        rest = rest + parameters.offsets.transpose(1, 2)[:, None]
    blended = transforms.transpose(1, 2) @ skin.weights  # (b, 12, v): a rotation's rows, then the shift
    turns, shifts = blended.split([9, 3], 1)
    return ((turns.unflatten(1, (3, 3)) * rest).sum(2) + shifts).transpose(1, 2)
