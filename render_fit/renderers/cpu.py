"""Differentiable renderer for the CPU: numba kernels under torch autograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.parts import N_PARTS
from render_fit.core.threads import kernel_threads
from render_fit.renderers.base import NEAR_M, RenderOutput, RenderSettings, check_inputs, hard_normals
from render_fit.renderers.cpu_jacobian import contour_motion
from render_fit.renderers.kernels.contour import contour_backward, contour_forward
from render_fit.renderers.kernels.contour_edges import Topology, covering_faces, topology_of
from render_fit.renderers.kernels.grid import bin_soft_faces
from render_fit.renderers.kernels.outline import trace_outline
from render_fit.renderers.kernels.part_borders import borders_backward, borders_forward
from render_fit.renderers.kernels.parts import parts_backward, parts_forward
from render_fit.renderers.kernels.rasterize import depth_backward, hard_pass, orient
from render_fit.renderers.kernels.simd import triangle_records
from render_fit.renderers.kernels.softras import nearest_faces, softras_backward, softras_forward


@dataclass(frozen=True)
class _Frame:
    """Projected meshes and their hard pass, shared by the kernels."""

    xy: np.ndarray
    z: np.ndarray
    topology: Topology
    orientation: np.ndarray
    face_index: np.ndarray
    inverse_depth: np.ndarray
    settings: RenderSettings
    lines: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Arguments of ``contour_motion`` for ``contour`` outputs."""

    def bins(self, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lists of the faces within a radius (pixels) of each grid cell."""
        height, width = self.face_index.shape[1:]
        return bin_soft_faces(self.xy, self.topology.faces, self.orientation, height, width, radius)

    def outline(self, radius: float, labels: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``trace_outline`` of these meshes."""
        height, width = self.face_index.shape[1:]
        return trace_outline(self.xy, self.z, self.topology, self.orientation, height, width, radius, labels)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(torch.float64).contiguous().numpy()


class CpuRenderer:
    """Exact soft rasterisation on the CPU: both kinds of silhouettes and part maps, forward and backward.

    Follows ``Renderer``. Computes in float64; the result has the vertices' dtype and does not depend on the number
    of threads, which is torch's (``torch.set_num_threads``), in a fit on a busy machine less (`kernel_threads`). The
    first call in a process loads the compiled kernels; the first on a machine compiles them (about 20 s, with a log
    message) and caches them on disk, in ``NUMBA_CACHE_DIR`` if set. After rendering, a process must not fork and render
    in the child (GNU OpenMP aborts it, with a message): start workers with ``spawn``.
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
        """Render a batch of meshes; see ``Renderer``."""
        camera = check_inputs(vertices_camera, faces, camera, face_parts, outputs)
        if vertices_camera.device.type != "cpu":
            raise ValueError(f"vertices_camera: the cpu renderer takes CPU tensors, got {vertices_camera.device}")
        _set_kernel_threads()
        xy = camera.project(vertices_camera)
        z = vertices_camera[..., 2]
        frame = _rasterize(xy, z, faces, camera, settings, covered_only=tuple(outputs) == ("silhouette",))
        face_index = torch.from_numpy(frame.face_index)
        drawn: dict[str, Any] = {}
        if "silhouette" in outputs or "parts" in outputs:
            if settings.silhouette == "contour":
                alpha, owner = _Contour.apply(xy, frame, "parts" in outputs)
            else:
                alpha, owner = _SoftRas.apply(xy, frame, "parts" in outputs)
            if "silhouette" in outputs:
                drawn["silhouette"] = alpha
            if "parts" in outputs and face_parts is not None:
                if settings.part_borders == "contour":
                    drawn["parts"] = _BorderedParts.apply(alpha, xy, owner, face_parts, frame)
                else:
                    drawn["parts"] = _SoftmaxParts.apply(alpha, xy, z, owner, face_parts, frame)
        with_parts = "parts" in drawn and settings.part_borders == "contour"
        if "outline" in frame.lines and with_parts == ("parts" in outputs):
            drawn["motion"] = lambda: contour_motion(
                frame.lines["outline"], frame.lines.get("borders"), vertices_camera.dtype
            )
        if "depth" in outputs:
            drawn["depth"] = _Depth.apply(xy, z, frame)
        if "normals" in outputs:
            drawn["normals"] = hard_normals(vertices_camera, faces, face_index.to(torch.int64))
        if "face_index" in outputs:
            drawn["face_index"] = face_index.to(torch.int64)
        return RenderOutput(**drawn)


def _set_kernel_threads() -> None:
    """Sets numba's number of threads. Starting its pool, the first time, also changes torch's, which is set back."""
    most = numba.config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]
    before = torch.get_num_threads()
    numba.set_num_threads(min(kernel_threads(), most))
    if torch.get_num_threads() != before:
        torch.set_num_threads(before)


def _rasterize(
    xy: Tensor, z: Tensor, faces: Tensor, camera: Camera, settings: RenderSettings, covered_only: bool
) -> _Frame:
    topology = topology_of(faces.numpy())
    if topology.n_vertices > xy.shape[1]:
        raise ValueError(f"faces: expected indices below the {xy.shape[1]} vertices, got {topology.n_vertices - 1}")
    xy_array, z_array = _array(xy), _array(z)
    orientation = orient(xy_array, z_array, topology.faces, NEAR_M)
    drawn = covering_faces(topology, orientation) if covered_only else orientation
    face_index, inverse_depth = hard_pass(xy_array, z_array, topology.faces, drawn, camera.height, camera.width)
    return _Frame(xy_array, z_array, topology, orientation, face_index, inverse_depth, settings)


class _Contour(torch.autograd.Function):
    """Silhouette from the distance to the union's outline, and, for part maps, a face at its nearest piece."""

    @staticmethod
    def forward(ctx: Any, xy: Tensor, frame: _Frame, names_faces: bool) -> tuple[Tensor, Tensor]:
        sigma, radius = frame.settings.sigma_px, frame.settings.contour_radius_px
        no_parts = np.empty((len(frame.face_index), 0, 0), np.int64)
        piece, place, count = frame.outline(radius)
        alpha, nearest, owner = contour_forward(
            frame.face_index, no_parts, piece, place, count, sigma, radius, names_faces
        )
        ctx.lines = alpha, nearest, frame.face_index, frame.xy, frame.topology.edges, piece, place, sigma
        frame.lines["outline"] = ctx.lines
        ctx.dtype = xy.dtype
        owner_tensor = torch.from_numpy(owner)
        ctx.mark_non_differentiable(owner_tensor)
        return torch.from_numpy(alpha).to(xy.dtype), owner_tensor

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        grad = contour_backward(_array(grads[0]), *ctx.lines)
        return torch.from_numpy(grad).to(ctx.dtype), None, None


class _SoftRas(torch.autograd.Function):
    """Silhouette from the product over all faces, and, for part maps, the face nearest to each uncovered pixel."""

    @staticmethod
    def forward(ctx: Any, xy: Tensor, frame: _Frame, names_faces: bool) -> tuple[Tensor, Tensor]:
        sigma, radius = frame.settings.sigma_px, frame.settings.softras_radius_px
        lists = triangle_records(frame.xy, frame.topology.faces, frame.orientation), *frame.bins(radius)
        ctx.product, ctx.in_reach = softras_forward(*lists, sigma, radius, *frame.face_index.shape[1:])
        owner = nearest_faces(ctx.in_reach, *lists, radius, frame.face_index) if names_faces else np.empty(0, np.int32)
        ctx.lists = *lists, sigma, radius
        ctx.faces, ctx.n_vertices, ctx.dtype = frame.topology.faces, xy.shape[1], xy.dtype
        owner_tensor = torch.from_numpy(owner)
        ctx.mark_non_differentiable(owner_tensor)
        return torch.from_numpy(1 - 1 / ctx.product).to(xy.dtype), owner_tensor

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        grad = softras_backward(_array(grads[0]), ctx.product, ctx.in_reach, ctx.faces, ctx.n_vertices, *ctx.lists)
        return torch.from_numpy(grad).to(ctx.dtype), None, None


class _BorderedParts(torch.autograd.Function):
    """Part maps from alpha and the distance to the nearest border between visible parts."""

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, xy: Tensor, owner: Tensor, face_parts: Tensor, frame: _Frame) -> Tensor:
        batch, height, width = alpha.shape
        radius, sigma = frame.settings.part_radius_px, frame.settings.resolved_part_sigma_px
        labels = face_parts.contiguous().numpy()
        piece, place, count = frame.outline(radius, labels)
        # The distance is positive everywhere: a border has no inside.
        everywhere = np.zeros(alpha.shape, np.int32)
        face = np.where(frame.face_index >= 0, frame.face_index, owner.numpy())
        own = np.where(face >= 0, labels[face], -1) if len(labels) else np.full(face.shape, -1)
        keep, nearest, pair = contour_forward(everywhere, own, piece, place, count, sigma, radius, True)
        ctx.inputs = _array(alpha), own, keep, pair
        ctx.lines = keep, nearest, everywhere, frame.xy, frame.topology.edges, piece, place, sigma
        frame.lines["borders"] = *ctx.lines, own, pair
        ctx.dtype = alpha.dtype
        parts = torch.zeros(batch, N_PARTS, height, width, dtype=alpha.dtype)
        borders_forward(*ctx.inputs, parts.numpy())
        return parts

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_alpha, grad_keep = borders_backward(grads[0].to(ctx.dtype).contiguous().numpy(), *ctx.inputs)
        grad = contour_backward(grad_keep, *ctx.lines)
        return torch.from_numpy(grad_alpha).to(ctx.dtype), torch.from_numpy(grad).to(ctx.dtype), None, None, None


class _SoftmaxParts(torch.autograd.Function):
    """Part maps from alpha and a softmax over depth."""

    @staticmethod
    def forward(
        ctx: Any, alpha: Tensor, xy: Tensor, z: Tensor, owner: Tensor, face_parts: Tensor, frame: _Frame
    ) -> Tensor:
        batch, height, width = alpha.shape
        parts = torch.zeros(batch, N_PARTS, height, width, dtype=alpha.dtype)
        settings = frame.settings
        ctx.inputs = (
            _array(alpha), owner.numpy(), frame.face_index, frame.xy, frame.z, frame.topology.faces,
            face_parts.contiguous().numpy(), *frame.bins(settings.part_radius_px),
            settings.resolved_part_sigma_px, settings.part_radius_px, settings.gamma_m,
        )  # fmt: skip
        ctx.dtype = alpha.dtype
        parts_forward(*ctx.inputs, parts.numpy())
        return parts

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_alpha, grad = parts_backward(grads[0].to(ctx.dtype).contiguous().numpy(), *ctx.inputs)
        total = torch.from_numpy(grad.sum(axis=1)).to(ctx.dtype)
        return torch.from_numpy(grad_alpha).to(ctx.dtype), total[..., :2], total[..., 2], None, None, None


class _Depth(torch.autograd.Function):
    """Depth of the nearest face at each pixel centre."""

    @staticmethod
    def forward(ctx: Any, xy: Tensor, z: Tensor, frame: _Frame) -> Tensor:
        ctx.frame = frame
        ctx.dtype = xy.dtype
        covered = frame.face_index >= 0
        depth = np.divide(1.0, frame.inverse_depth, where=covered, out=np.zeros(covered.shape))
        return torch.from_numpy(depth).to(xy.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        frame = ctx.frame
        grad = depth_backward(_array(grads[0]), frame.face_index, frame.xy, frame.z, frame.topology.faces)
        total = torch.from_numpy(grad).to(ctx.dtype)
        return total[..., :2], total[..., 2], None
