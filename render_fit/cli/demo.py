"""``render-fit demo``: a synthetic person with ground truth, and a real photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the synthetic person and of the fits.")] = 0,
    photo: Annotated[bool, typer.Option("--photo/--no-photo", help="Whether a real photo is fitted too.")] = True,
) -> None:
    """Fit a synthetic person with ground truth and a real photo, each from the image alone.

    Prints the errors of the synthetic person's fit: silhouette IoU, MPJPE, PA-MPJPE and per-vertex error in mm. Writes
    the files of a fit for each image, and comparison.png for the synthetic person.
    """
    from rich.markup import escape

    from render_fit.cli.progress import print_fit
    from render_fit.core.progress_bar import ProgressBar
    from render_fit.pipelines.demo import run_demo

    with ProgressBar() as bar:
        synthetic, errors, real = run_demo(out, seed, photo, bar.show)
    console = bar.console
    print_fit(synthetic, console)
    console.print(f"  errors: silhouette IoU {errors.iou:.3f} (clothing included)")
    console.print(
        f"  joints {errors.pa_mpjpe_mm:.0f} mm (PA-MPJPE), {errors.mpjpe_mm:.0f} mm (MPJPE); "
        f"vertices {errors.pve_mm:.0f} mm (PVE, scale and translation aligned)"
    )
    if real is not None:
        print_fit(real, console)
    elif photo:
        console.print('the real photo needs scikit-image: pip install "render-fit\\[photo]"')
    console.print(f"see {escape(str(out / 'index.html'))} and {escape(str(synthetic.folder / 'comparison.png'))}")
