"""The command line: parse arguments, call the library, print results.

Commands import the library when they run: ``render-fit --help`` must not wait for torch.
"""

from __future__ import annotations

from render_fit.cli.app import app
from render_fit.cli.streams import tell_what_streams_can_take


def main() -> None:
    """Entry point of ``render-fit``."""
    tell_what_streams_can_take()
    app()


__all__ = ["app", "main"]
