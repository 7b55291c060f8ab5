"""R: differentiable renderers. One protocol (``base``), several backends."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.registry import Registry, check_callable
from render_fit.renderers.base import Renderer, RenderOutput, RenderSettings
from render_fit.renderers.cpu import CpuRenderer
from render_fit.renderers.pytorch3d import PyTorch3DRenderer
from render_fit.renderers.reference import ReferenceRenderer

__all__ = [
    "CpuRenderer",
    "PyTorch3DRenderer",
    "RENDERERS",
    "ReferenceRenderer",
    "RenderOutput",
    "RenderSettings",
    "Renderer",
    "checked_renderer",
    "make_renderer",
    "render",
]


def _pytorch3d() -> Renderer:
    return PyTorch3DRenderer(device="cuda" if torch.cuda.is_available() else None)


RENDERERS: Registry[Renderer] = Registry(
    "renderer",
    "render_fit.renderers",
    {"cpu": CpuRenderer, "pytorch3d": _pytorch3d, "reference": ReferenceRenderer},
)
"""Renderers by name."""


def make_renderer(name: str = "auto") -> Renderer:
    """Makes a renderer by name.

    Args:
        name: ``cpu``, ``reference``, ``pytorch3d`` (which renders on CUDA if available, wherever the vertices are), a
            name that another package registers, or ``auto``: ``pytorch3d`` where CUDA and PyTorch3D are available,
            else ``cpu``.

    Raises:
        InputError: for an unknown name.
        MissingDependencyError: for ``pytorch3d`` where it is not installed.
    """
    if name == "auto":
        has_pytorch3d = importlib.util.find_spec("pytorch3d") is not None
        name = "pytorch3d" if torch.cuda.is_available() and has_pytorch3d else "cpu"
    return RENDERERS[name]()


def checked_renderer(renderer: Any) -> Renderer:
    """The renderer, if it is an object that is called as a `Renderer` is.

    Raises:
        InputError: if it is not.
    """
    check_callable("renderer", renderer, ("vertices", "faces", "camera", "settings"), ("face_parts", "outputs"))
    return renderer


def render(
    vertices_camera: Float[Tensor, "b v 3"],
    faces: Int64[Tensor, "f 3"],
    camera: Camera,
    *,
    outputs: Sequence[str] = ("silhouette",),
    face_parts: Int64[Tensor, "f"] | None = None,
    settings: RenderSettings | None = None,
    renderer: Renderer | str = "auto",
) -> RenderOutput:
    """Renders a batch of meshes with one topology, differentiably.

    Args:
        vertices_camera: (B, V, 3) vertices in camera coordinates, metres.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.
        camera: B cameras, or one for all; it has the image size.
        outputs: Fields of the output to fill: ``silhouette``, ``parts``, ``depth``, ``normals``, ``face_index``.
        face_parts: (F,) part of each face, 0 to 23; needed for ``parts``.
        settings: Softness of edges; the defaults of `RenderSettings` if None.
        renderer: A renderer, or its name; see `make_renderer`.

    Differentiability: see `Renderer`.
    """
    if isinstance(renderer, str):
        renderer = make_renderer(renderer)
    return renderer(
        vertices_camera, faces, camera, settings or RenderSettings(), face_parts=face_parts, outputs=outputs
    )
