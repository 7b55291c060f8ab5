"""``render-fit summary``: summary and gallery of an output folder, or the page of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from render_fit.core.errors import InputError


def summary(
    out: Annotated[Path, typer.Argument(help="Output folder of render-fit fit, or of a training.", show_default=False)],
) -> None:
    """Write summary.csv and index.html of all fits in an output folder, and count those that are missing.

    A run over a folder writes both at its end; runs with [bold]--shard[/bold] leave it to this command. It may run at
    any time, also while others still fit.

    [bold]Example[/bold]

      render-fit fit photos/ --shard 1/2 --out out   [dim]# on one machine[/dim]

      render-fit fit photos/ --shard 2/2 --out out   [dim]# on another[/dim]

      render-fit summary out

    For the folder of a training (render-fit train or finetune) it draws the training's page, index.html: plots of
    log.jsonl, and the predictions that were drawn with [bold]--plot[/bold]. The training may still run.

      render-fit summary training/lifter

    Exit code: 0 if every photo was fitted, 1 if some failed or are missing, 2 for a mistake in the arguments.
    """
    from rich.console import Console
    from rich.markup import escape

    from render_fit.datasets.photo_search import shortened
    from render_fit.pipelines.overview import LISTING, write_overview
    from render_fit.pipelines.training_page.requirements import check_matplotlib
    from render_fit.training.figure_log import LOG

    if not out.is_dir():
        raise InputError(f"{out}: no such folder; expected the --out of render-fit fit or train")
    if (out / LOG).is_file():
        check_matplotlib()
        from render_fit.pipelines.training_page.page import TrainingPage

        print(TrainingPage(out).write())
        return
    if not (out / LISTING).exists() and next(out.glob("*/report.json"), None) is None:
        raise InputError(f"{out}: contains no fits; expected the --out of render-fit fit or train")
    found = write_overview(out)
    console, place = Console(highlight=False, soft_wrap=True), escape(str(out))
    statuses = {name: found.statuses.get(name, 0) for name in ("ok", "poor", "failed")}
    counts = ", ".join(f"{number:,} {status}" for status, number in statuses.items() if number)
    console.print(f"{counts or 'nothing yet'}; see {place}/index.html and {place}/summary.csv")
    if found.missing:
        names = escape(shortened(found.missing))
        where = shortened(f"{shard}: {number:,}" for shard, number in found.shards.items())
        console.print(f"{len(found.missing):,} of {found.photos:,} photos have no result: {names}; by shard: {where}")
    elif found.photos:
        console.print(f"all {found.photos:,} photos have a result")
    if found.missing or statuses["failed"]:
        raise typer.Exit(1)
