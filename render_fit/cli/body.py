"""``render-fit body``: properties of a body model, and the build of the open body."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli import checks

body_app = typer.Typer(help="Print properties of a body model, or build the open body.", no_args_is_help=True)


@body_app.command("info")
def info(
    body: Annotated[str, typer.Argument(help="Body model: open, or an SMPL, SMPL-H or SMPL-X file.")] = "open",
) -> None:
    """Print vertices, joints, shape components, height and supported keypoint sets of a body model."""
    checks.check_body(body)
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
    table.add_row("mean shape, zero pose", f"{extent[1]:.3f} m tall, {extent[0]:.3f} m arm span")
    for skeleton in SKELETONS.values():
        supported = model.supports(skeleton)
        missing = [name for name, known in zip(skeleton.joints, supported.tolist(), strict=True) if not known]
        what = "all keypoints" if not missing else f"all keypoints except {', '.join(missing)}"
        table.add_row(skeleton.name, what)
    Console().print(table)


@body_app.command("build")
def build(
    out: Annotated[Path, typer.Argument(help="Output file (.npz).")],
) -> None:
    """Build the open body from MakeHuman's CC0 assets. Needs the extra open-body; takes minutes."""
    from render_fit.bodies.building import build as build_open_body

    build_open_body(out)
    print(out)
