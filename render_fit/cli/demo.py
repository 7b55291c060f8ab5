"""``render-fit demo``: a synthetic person with known truth, and a real photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli.logging import show_messages


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Another seed, another synthetic person.")] = 0,
    photo: Annotated[bool, typer.Option("--photo/--no-photo", help="Fit the real photo too.")] = True,
) -> None:
    """Fit a drawn person whose true body is known, and a real photo, each from the image alone.

    Prints silhouette IoU and the distance from the truth in millimetres; writes everything that a fit writes.
    """
    show_messages()
    from rich.console import Console
    from rich.markup import escape

    from render_fit.cli.progress import progress_bar, say
    from render_fit.pipelines.demo import demonstrate

    console = Console(highlight=False, soft_wrap=True)
    with progress_bar(console) as bar:
        task = bar.add_task("drawing a person", total=None)

        def step(stage: str, done: int, total: int) -> None:
            bar.update(task, description=escape(stage), completed=done, total=total)

        synthetic, truth, real = demonstrate(out, seed, photo, step)
    say(synthetic, console)
    console.print(f"  against the truth: silhouette IoU {truth.iou:.3f} (clothes included)")
    console.print(
        f"  joints {truth.pa_mpjpe_mm:.0f} mm (PA-MPJPE), {truth.mpjpe_mm:.0f} mm (MPJPE); "
        f"surface {truth.pve_mm:.0f} mm (scale and translation aligned)"
    )
    if real is not None:
        say(real, console)
    elif photo:
        console.print('the real photo comes with scikit-image: pip install "render-fit\\[photo]"')
    console.print(f"look at {escape(str(out / 'index.html'))} and {escape(str(synthetic.folder / 'comparison.png'))}")
