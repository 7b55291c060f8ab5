"""R: differentiable renderers. One protocol (``base``), several backends."""

from __future__ import annotations

import importlib.util

import torch

from render_fit.core.errors import InputError
from render_fit.renderers.base import Renderer, RenderOutput, RenderSettings
from render_fit.renderers.cpu import CpuRenderer
from render_fit.renderers.pytorch3d import PyTorch3DRenderer
from render_fit.renderers.reference import ReferenceRenderer

__all__ = [
    "CpuRenderer",
    "PyTorch3DRenderer",
    "ReferenceRenderer",
    "RenderOutput",
    "RenderSettings",
    "Renderer",
    "make_renderer",
]

RENDERERS = {"cpu": CpuRenderer, "pytorch3d": PyTorch3DRenderer, "reference": ReferenceRenderer}
"""Every backend by its name."""


def make_renderer(name: str = "auto") -> Renderer:
    """The renderer that a recipe or the command line calls by name.

    Args:
        name: A key of ``RENDERERS``, or ``auto``: ``pytorch3d`` where both CUDA and PyTorch3D are there, else
            ``cpu``.

    Returns:
        The renderer. ``pytorch3d`` draws on CUDA where there is one, wherever the vertices are.

    Raises:
        InputError: for an unknown name.
        MissingDependencyError: for ``pytorch3d`` where it is not installed.
    """
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        name = "pytorch3d" if has_cuda and importlib.util.find_spec("pytorch3d") is not None else "cpu"
    if name not in RENDERERS:
        raise InputError(f"renderer: expected {', '.join(RENDERERS)} or auto, got {name!r}")
    if name == "pytorch3d":
        return PyTorch3DRenderer(device="cuda" if has_cuda else None)
    return RENDERERS[name]()
