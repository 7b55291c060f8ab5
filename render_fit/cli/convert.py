"""``render-fit convert``: a result of any system as the parameters of another body."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output

TARGETS = ("open", "anny", "smpl:FILE", "smplh:FILE", "smplx:FILE")


def convert(
    result: Annotated[
        Path,
        typer.Argument(help="Result: of render-fit (folder or params.npz), or of another system.", show_default=False),
    ],
    to: Annotated[str, typer.Option(metavar="|".join(TARGETS), help="Body to convert to.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write. Default: <result>_<body>.npz beside it.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Model file that the result's parameters are of, where it has no mesh (SMPL_NEUTRAL.npz).",
            show_default=False,
        ),
    ] = None,
    person: Annotated[int, typer.Option(min=0, help="Which of several people in the result, counted from 0.")] = 0,
    frame: Annotated[
        int | None, typer.Option(min=0, help="Which of several frames, counted from 0.", show_default=False)
    ] = None,
    n_betas: Annotated[int, typer.Option(min=1, max=300, help="Shape coefficients of the body.")] = 10,
) -> None:
    """Convert a result to the parameters of another body with the same surface.

    [bold]Examples[/bold]

      render-fit convert out/photo --to smplx:SMPLX_NEUTRAL.npz   [dim]# a fit, for tools that take SMPL-X[/dim]

      render-fit convert sam3d/photo.npz --to open   [dim]# a mesh of another topology: fitted by nearness[/dim]

      render-fit convert hmr2.npz --from SMPL_NEUTRAL.pkl --to anny --out anny.npz

    The file has smplx's names (global_orient, body_pose, betas, transl) or Anny's arguments, and residual_mm: what is
    left between the two surfaces, which is printed too. Exit code: 2 for a mistake in the arguments.

    Which meshes correspond and how the others are fitted: docs/other_systems.md
    """  # fmt: skip
    _check_target(to)
    if not result.exists():
        raise InputError(f"{result}: no such file or folder; expected the result of a system")
    stem = result.name if result.is_dir() else result.stem
    path = out or result.parent / f"{stem}_{to.partition(':')[0]}.npz"
    if path.suffix != ".npz":
        raise InputError(f"--out {path}: expected a name that ends with .npz")
    prepare_output(path.parent)
    import torch

    from render_fit.exchange.conversion import convert as convert_surface
    from render_fit.exchange.converted_files import write_converted
    from render_fit.exchange.results import read_results
    from render_fit.exchange.sources import model_path, source_surface

    people = read_results(result, frame=frame)
    if person >= len(people):
        raise InputError(f"{result}: has {len(people)} people; there is no person {person} (they are counted from 0)")
    one = people[person]
    with torch.no_grad():
        source = source_surface(one, None if model is None else model_path(model))
        converted = convert_surface(source, to, n_betas)
        write_converted(path, converted, one, result)
    what = "points that belong together" if converted.corresponding else "the two surfaces"
    print(
        f"{path}: {converted.target}; {what} are {converted.mean_mm:.2f} mm apart (largest {converted.max_mm:.1f} mm)"
    )
    for note in (*one.notes, *source.notes):
        print(f"  {one.system}: {note}")


def _check_target(to: str) -> None:
    """Finds a mistake in ``--to`` before torch is imported.

    Raises:
        InputError: if it is no body, or its file does not exist.
    """
    family, colon, path = to.partition(":")
    if to in ("open", "anny"):
        return
    if not colon or f"{family}:FILE" not in TARGETS:
        raise InputError(f"--to {to}: expected {', '.join(TARGETS[:-1])} or {TARGETS[-1]}")
    if not path or not Path(path).exists():
        raise InputError(f"--to {to}: {path or 'the file'}: no such model file")
