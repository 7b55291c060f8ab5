"""``render-fit demo``: a synthetic person with known truth, and a real photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Another seed, another synthetic person.")] = 0,
    photo: Annotated[bool, typer.Option("--photo/--no-photo", help="Fit the real photo too.")] = True,
) -> None:
    """Fit a drawn person whose true body is known, and a real photo, each from the image alone.

    Prints silhouette IoU and the distance from the truth in millimetres; writes everything that a fit writes.
    """
    from render_fit.cli.demonstration import demonstrate

    demonstrate(out, seed=seed, with_photo=photo)
