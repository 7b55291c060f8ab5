"""The command line: parse, call the library, write. Commands import what they need when they run.

``render-fit --help`` has to answer at once, so nothing here imports torch.
"""

from __future__ import annotations

from render_fit.cli.app import app


def main() -> None:
    """Entry point of ``render-fit``."""
    app()


__all__ = ["app", "main"]
