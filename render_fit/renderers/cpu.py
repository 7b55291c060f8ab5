"""The renderer for machines without a GPU: numba kernels under torch autograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.cameras import Camera
from render_fit.renderers.base import NEAR_M, RenderOutput, RenderSettings, check_inputs
from render_fit.renderers.kernels.contour import contour_backward, contour_forward
from render_fit.renderers.kernels.outline import trace_outline
from render_fit.renderers.kernels.rasterize import hard_pass, orient
from render_fit.renderers.kernels.topology import Topology, topology_of


@dataclass(frozen=True)
class _Frame:
    """Projected meshes and their hard pass: what all kernels share. float64 and int32 arrays."""

    xy: np.ndarray
    z: np.ndarray
    topology: Topology
    orientation: np.ndarray
    face_index: np.ndarray
    inverse_depth: np.ndarray


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(torch.float64).contiguous().numpy()


class CpuRenderer:
    """Exact soft rasterisation on the CPU, both silhouettes and part maps, forward and backward.

    Follows ``Renderer``. Works in float64 inside; the result has the vertices' dtype and is the same for any
    number of threads. The first call in a process loads the compiled kernels; the first ever compiles them
    (about a minute) and caches them on disk, in ``NUMBA_CACHE_DIR`` if that is set.
    """

    name = "cpu"

    def __call__(
        self,
        vertices_camera: Float[Tensor, "b v 3"],
        faces: Int64[Tensor, "f 3"],
        camera: Camera,
        settings: RenderSettings,
        *,
        face_parts: Int64[Tensor, "f"] | None = None,
        outputs: Sequence[str] = ("silhouette",),
    ) -> RenderOutput:
        """Draw a batch of meshes; see ``Renderer``."""
        camera = check_inputs(vertices_camera, faces, camera, face_parts, outputs)
        if vertices_camera.device.type != "cpu":
            raise ValueError(
                f"vertices_camera: the cpu renderer takes CPU tensors, got {vertices_camera.device}"
            )
        xy = camera.project(vertices_camera)
        z = vertices_camera[..., 2]
        frame = _rasterize(xy, z, faces, camera)
        drawn: dict[str, Any] = {}
        if "silhouette" in outputs:
            drawn["silhouette"] = _Contour.apply(xy, frame, settings)
        if "face_index" in outputs:
            drawn["face_index"] = torch.from_numpy(frame.face_index).to(torch.int64)
        return RenderOutput(**drawn)


def _rasterize(xy: Tensor, z: Tensor, faces: Tensor, camera: Camera) -> _Frame:
    topology = topology_of(faces.numpy())
    if topology.n_vertices > xy.shape[1]:
        raise ValueError(
            f"faces: expected indices below the {xy.shape[1]} vertices, got {topology.n_vertices - 1}"
        )
    xy_array, z_array = _array(xy), _array(z)
    orientation = orient(xy_array, z_array, topology.faces, NEAR_M)
    face_index, inverse_depth = hard_pass(
        xy_array, z_array, topology.faces, orientation, camera.height, camera.width
    )
    return _Frame(xy_array, z_array, topology, orientation, face_index, inverse_depth)


class _Contour(torch.autograd.Function):
    """Silhouette from projected vertices by the distance to the outline of the union."""

    @staticmethod
    def forward(ctx: Any, xy: Tensor, frame: _Frame, settings: RenderSettings) -> Tensor:
        radius = settings.contour_radius_px
        height, width = frame.face_index.shape[1:]
        piece, place, count = trace_outline(
            frame.xy, frame.topology, frame.orientation, height, width, radius
        )
        alpha, nearest = contour_forward(frame.face_index, place, count, settings.sigma_px, radius)
        ctx.saved = frame, settings, piece, place, alpha, nearest
        ctx.dtype = xy.dtype
        return torch.from_numpy(alpha).to(xy.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        frame, settings, piece, place, alpha, nearest = ctx.saved
        grad = contour_backward(
            _array(grads[0]), alpha, nearest, frame.face_index, frame.xy, frame.topology.edges, piece, place,
            settings.sigma_px,
        )  # fmt: skip
        return torch.from_numpy(grad).to(ctx.dtype), None, None
