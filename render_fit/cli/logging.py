"""Log messages that a command prints."""

from __future__ import annotations

import logging


def show_messages(verbose: bool = False) -> None:
    """Prints warnings of the renderers, and nothing from other libraries.

    Args:
        verbose: Whether messages of all libraries from level INFO on are printed.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.CRITICAL, format="%(message)s")
    # The renderer warns while it compiles its kernels, which takes about 20 s at the first run.
    logging.getLogger("render_fit.renderers").setLevel(logging.WARNING)
