"""R: differentiable renderers. One protocol (``base``), several backends."""

from __future__ import annotations

from render_fit.renderers.base import Renderer, RenderOutput, RenderSettings
from render_fit.renderers.cpu import CpuRenderer

__all__ = ["CpuRenderer", "RenderOutput", "RenderSettings", "Renderer", "renderer_named"]


def renderer_named(name: str = "auto") -> Renderer:
    """The renderer that a recipe or the command line calls by name.

    Args:
        name: ``cpu`` or ``auto``.

    Returns:
        The renderer.

    Raises:
        ValueError: for an unknown name.
    """
    if name in ("cpu", "auto"):
        return CpuRenderer()
    raise ValueError(f"renderer: expected cpu or auto, got {name!r}")
