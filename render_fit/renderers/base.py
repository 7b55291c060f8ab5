"""The renderer interface: settings, outputs, and the protocol that every backend follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.parts import N_PARTS
from render_fit.renderers.image_jacobian import Motion

Silhouette = Literal["contour", "softras"]
PartBorders = Literal["contour", "softmax"]

OUTPUTS = ("silhouette", "parts", "depth", "normals", "face_index")
"""Valid names in a renderer's ``outputs``: the fields of ``RenderOutput``."""


NEAR_M = 0.05
"""Near plane, metres of depth: a face with a nearer vertex is not rendered and receives no gradient. No camera
focuses so close; without a limit the projection of such a vertex is unbounded."""

SIGMOID_FLOOR = 1e-4
"""A sigmoid below this counts as 0, above 1 − this as 1; sets the default blur radius.
As in PyTorch3D's tutorials: blur_radius = log(1 / 1e-4 − 1) · sigma."""

_FLOOR_LOGIT = math.log((1 - SIGMOID_FLOOR) / SIGMOID_FLOOR)


@dataclass(frozen=True)
class RenderSettings:
    """Softness of the silhouette and of the borders between parts.

    Attributes:
        silhouette: ``contour``: sigmoid(d / σ) of the signed distance d to the outline of the union of all
            faces. Unbiased. ``softras``: 1 − Π (1 − sigmoid(± d² / σ²)) over all faces (Liu et al. 2019,
            eq. 1 and 4). Dilates the shape, has gradients inside it, and is PyTorch3D's silhouette.
        sigma_px: σ, pixels. For ``softras`` PyTorch3D's ``BlendParams.sigma`` is
            (2 · sigma_px / min(H, W))², because its image is 2 units across its shorter side.
        gamma_m: Temperature of the softmax over depth, metres; for ``part_borders`` ``softmax`` only.
        blur_radius_px: Distance from the outline (``contour``) or from a face (``softras``) beyond which a pixel is
            hard, pixels. None: where the sigmoid is within 1e-4 of 0 or 1, which is 9.21 σ for ``contour`` and
            3.03 σ for ``softras``.
        part_sigma_px: σ of the borders between parts, pixels. None: half of ``sigma_px``.
        part_borders: How alpha is divided among parts. ``contour``: by the distance to the nearest border
            between visible parts, as the ``contour`` silhouette; unbiased. ``softmax``: by a softmax over the
            depth of all faces in reach (SoftRas, eq. 3; depth beside a face as in PyTorch3D); parts in front are
            dilated to the end of the reach, where the map jumps, so most of its change has no gradient.
    """

    silhouette: Silhouette = "contour"
    sigma_px: float = 1.0
    gamma_m: float = 0.02
    blur_radius_px: float | None = None
    part_sigma_px: float | None = None
    part_borders: PartBorders = "contour"

    def __post_init__(self) -> None:
        if self.silhouette not in get_args(Silhouette):
            raise ValueError(f"silhouette: expected one of {get_args(Silhouette)}, got {self.silhouette!r}")
        if self.part_borders not in get_args(PartBorders):
            raise ValueError(f"part_borders: expected one of {get_args(PartBorders)}, got {self.part_borders!r}")
        for name in ("sigma_px", "gamma_m", "blur_radius_px", "part_sigma_px"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: expected a positive finite number, got {value}")

    @property
    def contour_radius_px(self) -> float:
        """Distance from the outline beyond which a ``contour`` silhouette is exactly 0 or 1, pixels."""
        return self.blur_radius_px or _FLOOR_LOGIT * self.sigma_px

    @property
    def softras_radius_px(self) -> float:
        """Distance from a face beyond which it does not affect a ``softras`` silhouette, pixels."""
        return self.blur_radius_px or math.sqrt(_FLOOR_LOGIT) * self.sigma_px

    @property
    def resolved_part_sigma_px(self) -> float:
        """``part_sigma_px``, or its default if None, pixels."""
        return self.part_sigma_px or self.sigma_px / 2

    @property
    def part_radius_px(self) -> float:
        """Distance from a border (``contour``) or a face (``softmax``) beyond which it has no effect, pixels."""
        logit = _FLOOR_LOGIT if self.part_borders == "contour" else math.sqrt(_FLOOR_LOGIT)
        return logit * self.resolved_part_sigma_px


@dataclass(frozen=True)
class RenderOutput:
    """Rendered images; None for outputs that were not requested.

    Attributes:
        silhouette: (B, H, W) alpha in [0, 1].
        parts: (B, 24, H, W) P(part) = alpha × the part's share of the pixel. Sums to alpha;
            P(background) = 1 − alpha.
        depth: (B, H, W) metres along z of the nearest face at the pixel centre; 0 where there is none.
        normals: (B, 3, H, W) unit normal of that face in camera axes, outward by the faces' winding (its z is
            negative where a closed mesh is seen from outside); 0 where there is none.
        face_index: (B, H, W) index of that face; −1 where there is none.
        motion: Function that computes the Jacobian of silhouette and parts as rows; None if the renderer or the
            kind of silhouette has none. It is not among ``outputs``: renderers that have it always set it.
    """

    silhouette: Float[Tensor, "b h w"] | None = None
    parts: Float[Tensor, "b p h w"] | None = None
    depth: Float[Tensor, "b h w"] | None = None
    normals: Float[Tensor, "b 3 h w"] | None = None
    face_index: Int64[Tensor, "b h w"] | None = None
    motion: Callable[[], Motion] | None = None


@runtime_checkable
class Renderer(Protocol):
    """A differentiable renderer of triangle meshes.

    Every backend takes the same arguments and follows the same definitions; ``reference`` is the
    specification, in plain torch.
    """

    name: str

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
        """Render a batch of meshes with one topology.

        Args:
            vertices_camera: (B, V, 3) vertices in camera coordinates, metres.
            faces: (F, 3) vertex indices, wound counter-clockwise seen from outside.
            camera: B cameras, or one for all, with the image size.
            settings: Softness of the outputs.
            face_parts: (F,) part of each face, 0 to 23; needed for ``parts``.
            outputs: Names of the outputs to render.

        Returns:
            The requested outputs, in the dtype of the vertices.

        Raises:
            ValueError: if an argument has a wrong shape, type or value; the message names it.

        Differentiability:
            ``silhouette``, ``parts``, ``depth`` and ``normals`` in the vertices and in K. Visibility is
            constant: ``depth`` and ``normals`` have no gradient through which face is nearest.
        """
        ...


def check_inputs(
    vertices_camera: Tensor,
    faces: Tensor,
    camera: Camera,
    face_parts: Tensor | None,
    outputs: Sequence[str],
) -> Camera:
    """Check a renderer's inputs (ValueError that names the argument), and return one camera per mesh.

    Args:
        vertices_camera: Vertices as in ``Renderer``, metres.
        faces: Faces as in ``Renderer``.
        camera: Cameras as in ``Renderer``.
        face_parts: Parts of the faces as in ``Renderer``.
        outputs: Names of the outputs as in ``Renderer``.

    Returns:
        ``camera`` expanded to the batch and cast to the vertices' dtype and device.
    """
    unknown = [name for name in outputs if name not in OUTPUTS]
    if isinstance(outputs, str) or unknown:
        raise ValueError(f"outputs: expected names among {OUTPUTS}, got {outputs!r}")
    if vertices_camera.ndim != 3 or vertices_camera.shape[-1] != 3 or not vertices_camera.is_floating_point():
        raise ValueError(
            f"vertices_camera: expected floats of shape (B, V, 3), got {vertices_camera.dtype} "
            f"{tuple(vertices_camera.shape)}"
        )
    if faces.ndim != 2 or faces.shape[-1] != 3 or faces.dtype != torch.int64:
        raise ValueError(f"faces: expected int64 of shape (F, 3), got {faces.dtype} {tuple(faces.shape)}")
    if "parts" in outputs:
        if face_parts is None:
            raise ValueError("face_parts: needed to render parts; pass the body's face_parts")
        if face_parts.shape != faces.shape[:1] or face_parts.dtype != torch.int64:
            raise ValueError(
                f"face_parts: expected int64 of shape ({len(faces)},), got {face_parts.dtype} {tuple(face_parts.shape)}"
            )
        if len(face_parts) and not (int(face_parts.min()) >= 0 and int(face_parts.max()) < N_PARTS):
            raise ValueError(
                f"face_parts: expected parts from 0 to {N_PARTS - 1}, got {int(face_parts.min())} to "
                f"{int(face_parts.max())}"
            )
    batch = len(vertices_camera)
    if len(camera) not in (1, batch):
        raise ValueError(f"camera: expected 1 or {batch} cameras, as many as meshes, got {len(camera)}")
    if camera.height < 1 or camera.width < 1:
        raise ValueError(f"camera: expected a positive image size, got {camera.height} × {camera.width}")
    return camera.expand(batch).to(vertices_camera)


def hard_normals(
    vertices_camera: Float[Tensor, "b v 3"], faces: Int64[Tensor, "f 3"], face_index: Int64[Tensor, "b h w"]
) -> Float[Tensor, "b 3 h w"]:
    """Unit normal of the visible face at each pixel; 0 where there is none or the face has no area.

    Args:
        vertices_camera: (B, V, 3) vertices, metres.
        faces: (F, 3) vertex indices.
        face_index: (B, H, W) visible face at each pixel, −1 where there is none.

    Returns:
        (B, 3, H, W) normals in camera axes.

    Differentiability:
        In the vertices; zero for faces without area.
    """
    batch, height, width = face_index.shape
    if len(faces) == 0:
        return vertices_camera.new_zeros(batch, 3, height, width)
    seen = faces[face_index.clamp(min=0).flatten(1)]
    rows = torch.arange(batch, device=faces.device)[:, None]
    a, b, c = (vertices_camera[rows, seen[..., k]] for k in range(3))
    across = torch.linalg.cross(b - a, c - a)
    # Scaled first, to avoid NaN gradients: areas of a body's faces are around 1e-4 m², far above this limit.
    length = across.square().sum(-1, keepdim=True).clamp(min=1e-24).sqrt()
    normals = torch.where(face_index.flatten(1)[..., None] >= 0, across / length, 0.0)
    return normals.mT.reshape(batch, 3, height, width)
