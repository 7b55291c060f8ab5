"""Renderer that uses PyTorch3D: for CUDA, and for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from render_fit.core.cameras import Camera
from render_fit.core.errors import MissingDependencyError
from render_fit.core.parts import N_PARTS
from render_fit.renderers.base import NEAR_M, RenderOutput, RenderSettings, check_inputs, hard_normals
from render_fit.renderers.cpu import CpuRenderer

INSTALL = (
    "It has no wheels for current torch; build it with "
    "pip install --no-build-isolation git+https://github.com/facebookresearch/pytorch3d (docs/rendering.md), "
    "or use the cpu renderer"
)


class PyTorch3DRenderer:
    """``softras`` silhouettes and ``softmax`` part maps by PyTorch3D's rasterizer, on the vertices' device, in float32.

    Follows ``Renderer``, but uses only the ``faces_per_pixel`` nearest faces at a pixel, where the other
    backends use all: with fine meshes or large σ, alpha is too low and its gradient has another direction.
    PyTorch3D has no ``contour`` silhouettes and borders: these are rendered by the ``cpu`` renderer, on any device.
    Softness is set by ``RenderSettings``; the settings below are the rasterizer's, with its names and defaults
    except for ``faces_per_pixel``.

    Attributes:
        faces_per_pixel: Faces kept at a pixel, nearest first; PyTorch3D's CUDA code takes at most 150.
        bin_size: Side of the bins of the coarse pass on CUDA, pixels. 0: no coarse pass, slower, never loses faces.
            None: chosen by PyTorch3D.
        max_faces_per_bin: Capacity of a bin, faces; more are lost, with a warning. None: chosen by PyTorch3D.
        device: Device to render on; outputs are on the vertices' device. None: the vertices' device.
    """

    name = "pytorch3d"

    def __init__(
        self,
        faces_per_pixel: int = 100,
        bin_size: int | None = None,
        max_faces_per_bin: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        """Check the rasterizer's settings and that PyTorch3D is installed.

        Raises:
            ValueError: if a number is too small.
            MissingDependencyError: if PyTorch3D is not installed or cannot be imported.
        """
        for name, value, least in (
            ("faces_per_pixel", faces_per_pixel, 1),
            ("bin_size", bin_size, 0),
            ("max_faces_per_bin", max_faces_per_bin, 1),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        try:
            import pytorch3d.renderer  # noqa: F401
        except ImportError as error:
            is_missing = isinstance(error, ModuleNotFoundError) and error.name in ("pytorch3d", "pytorch3d.renderer")
            what = "is not installed" if is_missing else f"cannot be imported ({error})"
            raise MissingDependencyError(f"pytorch3d {what}. {INSTALL}") from error
        self.faces_per_pixel = faces_per_pixel
        self.bin_size = bin_size
        self.max_faces_per_bin = max_faces_per_bin
        self.device = device

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
        if settings.silhouette == "contour" or ("parts" in outputs and settings.part_borders == "contour"):
            return _drawn_on_cpu(vertices_camera, faces, camera, settings, face_parts, outputs)
        camera = check_inputs(vertices_camera, faces, camera, face_parts, outputs)
        home, dtype = vertices_camera.device, vertices_camera.dtype
        device = home if self.device is None else self.device
        vertices_camera, faces, camera = vertices_camera.to(device), faces.to(device), camera.to(device)
        drawn: dict[str, Any] = {}
        bins = self.bin_size, self.max_faces_per_bin
        scene = _Scene(vertices_camera.float(), faces, camera)
        if "silhouette" in outputs or "parts" in outputs:
            radius_px = settings.softras_radius_px
            if "parts" in outputs:
                radius_px = max(radius_px, settings.part_radius_px)
            fragments = scene.rasterize(radius_px, self.faces_per_pixel, bins)
            alpha = _alpha(fragments, settings, scene.pixels_per_unit)
            if "silhouette" in outputs:
                drawn["silhouette"] = alpha.to(dtype)
            if "parts" in outputs and face_parts is not None:
                share = _shares(fragments, settings, scene, face_parts.to(device))
                drawn["parts"] = (alpha[:, None] * share).to(dtype)
        if {"depth", "normals", "face_index"} & set(outputs):
            hard = scene.rasterize(0.0, 1, bins)
            face_index = scene.face_of(hard.pix_to_face[..., 0])
            if "depth" in outputs:
                drawn["depth"] = torch.where(face_index >= 0, hard.zbuf[..., 0], 0.0).to(dtype)
            if "normals" in outputs:
                drawn["normals"] = hard_normals(vertices_camera, faces, face_index)
            if "face_index" in outputs:
                drawn["face_index"] = face_index
        return RenderOutput(**{name: image.to(home) for name, image in drawn.items()})


def _drawn_on_cpu(
    vertices_camera: Tensor,
    faces: Tensor,
    camera: Camera,
    settings: RenderSettings,
    face_parts: Tensor | None,
    outputs: Sequence[str],
) -> RenderOutput:
    device = vertices_camera.device
    drawn = CpuRenderer()(
        vertices_camera.cpu(),
        faces.cpu(),
        camera.to("cpu"),
        settings,
        face_parts=None if face_parts is None else face_parts.cpu(),
        outputs=outputs,
    )
    return RenderOutput(**{name: getattr(drawn, name).to(device) for name in outputs})


class _Scene:
    """A batch of meshes in PyTorch3D's convention: x left, y up, z forward; 2 units across the shorter side."""

    def __init__(self, vertices: Tensor, faces: Tensor, camera: Camera) -> None:
        from pytorch3d.renderer import PerspectiveCameras
        from pytorch3d.structures import Meshes

        self.size = (camera.height, camera.width)
        self.pixels_per_unit = min(self.size) / 2
        K = camera.K.float()
        self.cameras = PerspectiveCameras(
            focal_length=torch.stack([K[:, 0, 0], K[:, 1, 1]], dim=-1),
            principal_point=K[:, :2, 2],
            in_ndc=False,
            image_size=torch.tensor([self.size], device=K.device).expand(len(K), 2),
            device=K.device,
        )
        far_enough = (vertices[..., 2] >= NEAR_M)[:, faces].all(-1)
        kept = [row.nonzero()[:, 0] for row in far_enough]
        # Packed index → index in `faces`: a mesh that is partly too near has fewer faces than the others.
        self.original = torch.cat(kept) if kept else faces.new_zeros(0)
        flip = vertices.new_tensor([-1.0, -1.0, 1.0])
        self.meshes = Meshes(verts=list(vertices * flip), faces=[faces[k] for k in kept])

    def rasterize(self, radius_px: float, faces_per_pixel: int, bins: tuple[int | None, int | None]) -> Any:
        """PyTorch3D's fragments; with squared distances, in its units."""
        from pytorch3d.renderer import MeshRasterizer, RasterizationSettings

        settings = RasterizationSettings(
            image_size=self.size,
            blur_radius=(radius_px / self.pixels_per_unit) ** 2,
            faces_per_pixel=faces_per_pixel,
            bin_size=bins[0],
            max_faces_per_bin=bins[1],
            # Exact depth for the hard pass only. In the soft one, outside a face seen edge-on, the corrected
            # barycentric coordinates grow without bounds and change sign. The other backends do the same.
            perspective_correct=radius_px == 0,
            # Without this, slivers whose depth extrapolates to below zero are lost.
            clip_barycentric_coords=True,
        )
        return MeshRasterizer(cameras=self.cameras, raster_settings=settings)(self.meshes)

    def face_of(self, packed: Tensor) -> Tensor:
        """Index in ``faces`` of packed indices; −1 stays."""
        if len(self.original) == 0:
            return packed
        return torch.where(packed >= 0, self.original[packed.clamp(min=0)], -1)


def _alpha(fragments: Any, settings: RenderSettings, pixels_per_unit: float) -> Tensor:
    from pytorch3d.renderer import BlendParams, SoftSilhouetteShader

    far = fragments.dists > (settings.softras_radius_px / pixels_per_unit) ** 2
    # `fragments` is a named tuple or a dataclass, depending on PyTorch3D's version; both have these four.
    within = type(fragments)(
        pix_to_face=torch.where(far, -1, fragments.pix_to_face),
        zbuf=fragments.zbuf,
        bary_coords=fragments.bary_coords,
        dists=fragments.dists,
    )
    blend = BlendParams(sigma=(settings.sigma_px / pixels_per_unit) ** 2)
    return SoftSilhouetteShader(blend)(within, None)[..., 3]


def _shares(fragments: Any, settings: RenderSettings, scene: _Scene, face_parts: Tensor) -> Tensor:
    """Part shares (B, 24, H, W): softmax over the kept faces' depth; the nearest face's part where none is in reach.

    Equals ``pytorch3d.renderer.blending.softmax_rgb_blend`` with the parts' indicators as colours, three at a time,
    except for its background of 1e-10.
    """
    sigma = (settings.resolved_part_sigma_px / scene.pixels_per_unit) ** 2
    hit = fragments.pix_to_face >= 0
    within = hit & (fragments.dists <= (settings.part_radius_px / scene.pixels_per_unit) ** 2)
    logits = functional.logsigmoid(-fragments.dists / sigma) - fragments.zbuf / settings.gamma_m
    alone = ~within.any(-1, keepdim=True)
    weight = torch.where(within, logits, -torch.inf).masked_fill(alone, 0.0).softmax(-1)
    nearest = torch.where(hit, fragments.dists, torch.inf).argmin(-1, keepdim=True)
    first = torch.zeros_like(weight).scatter(-1, nearest, 1.0)
    weight = torch.where(alone, first, weight) * hit
    part = face_parts[scene.face_of(fragments.pix_to_face).clamp(min=0)] if len(face_parts) else weight.long() * 0
    share = weight.new_zeros(*weight.shape[:3], N_PARTS).scatter_add(-1, part, weight)
    return share.permute(0, 3, 1, 2)
