"""Builds the open body's asset from MakeHuman's (needs the extra ``open-body``): `build`."""

from render_fit.bodies.building.assemble import build

__all__ = ["build"]
