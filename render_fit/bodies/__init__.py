"""M, the body: parameters in, mesh and joints out."""

from __future__ import annotations

from render_fit.bodies.body import Body, BodyOutput, BodyParameters
from render_fit.bodies.open_body import open_body

__all__ = ["Body", "BodyOutput", "BodyParameters", "open_body"]
