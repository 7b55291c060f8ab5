"""``render-fit body``: what a body model holds, and making the open body anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

body_app = typer.Typer(help="Look into a body model, or build the open body.", no_args_is_help=True)


@body_app.command("info")
def info(
    body: Annotated[str, typer.Argument(help="open, or the path of an SMPL, SMPL-H or SMPL-X file.")] = "open",
) -> None:
    """Vertices, joints, shape components, height and which keypoint sets a body can give."""
    from rich.console import Console
    from rich.table import Table

    from render_fit.bodies import load_body_or_fail
    from render_fit.core.skeletons import SKELETONS

    model = load_body_or_fail(body)
    rest = model(model.zero_parameters()).vertices[0]
    extent = rest.amax(dim=0) - rest.amin(dim=0)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("body", model.name)
    table.add_row("vertices, faces", f"{model.n_vertices}, {len(model.faces)}")
    table.add_row("joints", f"{len(model.joint_names)}: {' '.join(model.joint_names)}")
    table.add_row("shape components", str(model.n_betas))
    table.add_row("pose correctives", "no" if model.posedirs is None else "yes")
    table.add_row("mean shape, zero pose", f"{extent[1]:.3f} m tall, {extent[0]:.3f} m from hand to hand")
    for skeleton in SKELETONS.values():
        supported = model.supports(skeleton)
        missing = [name for name, known in zip(skeleton.joints, supported.tolist(), strict=True) if not known]
        what = "all keypoints" if not missing else f"all keypoints but {', '.join(missing)}"
        table.add_row(skeleton.name, what)
    Console().print(table)


@body_app.command("build")
def build(
    out: Annotated[Path, typer.Argument(help="Where to write the asset (.npz).")],
) -> None:
    """Build the open body from MakeHuman's CC0 assets (needs the extra open-body; takes minutes)."""
    from render_fit.bodies.building import build as build_open_body

    build_open_body(out)
    print(out)
