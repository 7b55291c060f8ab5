"""Volume and mass of a body, and the volume as a polynomial of betas for terms that need it thousands of times."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.measurements.pose import MeasuredBody, measured_body


def enclosed_volume(vertices: Float[Tensor, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[Tensor, ""]:
    """Volume of a closed mesh, cubic metres.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.

    Returns:
        Signed volume: the sum of the tetrahedra of all faces and one point. Where a mesh intersects itself, the
        common volume counts twice. Holes are closed by cones to the mean of the vertices.

    Differentiability: smooth.
    """
    corners = (vertices - vertices.mean(0))[torch.from_numpy(faces)]
    return (corners[:, 0] * torch.linalg.cross(corners[:, 1], corners[:, 2])).sum() / 6


_CUBES: WeakKeyDictionary[MeasuredBody, dict[int, Tensor]] = WeakKeyDictionary()


def volumes(body: Body, betas: Float[Tensor, "b s"]) -> Float[Tensor, "b"]:
    """Volume of many shapes of one body in the measuring pose, cubic metres.

    Vertices are linear in betas, so the volume is a polynomial of third degree. Its coefficients are computed once.

    Args:
        body: Body model.
        betas: (B, S) shape coefficients.

    Returns:
        (B,) volumes, of the dtype and on the device of ``betas``.

    Raises:
        InputError: if the body cannot be measured.

    Differentiability: smooth.
    """
    measured, n = measured_body(body), betas.shape[1]
    cubes = _CUBES.setdefault(measured, {})
    if n not in cubes:
        cubes[n] = _cube(measured, n)
    homogeneous = torch.cat([torch.ones_like(betas[:, :1]), betas], 1)
    cube = cubes[n].to(betas)
    once = (homogeneous @ cube.flatten(1)).view(len(betas), n + 1, n + 1)
    return ((once @ homogeneous[:, :, None])[..., 0] * homogeneous).sum(1)


@torch.no_grad()
def _cube(body: MeasuredBody, n: int) -> Float[Tensor, "n n n"]:
    """Coefficients of the volume in (1, betas), three times."""
    shapes = torch.cat([body.template[None], body.directions[:n]])
    shapes = shapes - shapes.mean(1, keepdim=True)
    faces = torch.from_numpy(body.faces)
    first, second, third = (shapes[:, faces[:, corner]] for corner in range(3))
    slices = [first.flatten(1) @ torch.linalg.cross(one.expand_as(third), third).flatten(1).T for one in second]
    return torch.stack(slices, 1) / 6
