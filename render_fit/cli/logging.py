"""Which log messages a command shows."""

from __future__ import annotations

import logging


def show_messages(verbose: bool = False) -> None:
    """Keep other libraries quiet, and say what takes long.

    Args:
        verbose: Show what is logged from INFO on, whoever logs it.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.CRITICAL, format="%(message)s")
    # The renderer warns that it compiles its kernels, for which the first run waits about 20 s.
    logging.getLogger("render_fit.renderers").setLevel(logging.WARNING)
