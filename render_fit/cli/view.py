"""``render-fit view``: a fit in the browser, in 3D."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli import checks
from render_fit.core.errors import InputError, MissingDependencyError


def view(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT|FOLDER",
            help="Folder or params.npz of a fit, or an output folder with many.",
            show_default=False,
        ),
    ],
    compare: Annotated[
        Path | None,
        typer.Option(help="Another result, or output folder, to show beside it or on top of it.", show_default=False),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a web page instead of serving it.", show_default=False),
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="Body model: open, or a file. Default: the one named in params.npz.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all who reach this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port; the next free one if it is in use.")] = 8080,
    browser: Annotated[bool, typer.Option("--open/--no-browser", help="Open the page in the browser.")] = True,
) -> None:
    """Show a fit in the browser: photo, body, clothes, skeleton, camera, stages of the fit, frames of a person.

    [bold]Examples[/bold]

      render-fit fit photo.jpg --save obj,glb,stages --out out

      render-fit view out/photo   [dim]# with a slider through the stages of the fit[/dim]

      render-fit view out/photo --compare other/photo   [dim]# two recipes[/dim]

      render-fit view out   [dim]# all fits of a folder, one at a time[/dim]

      render-fit view anna   [dim]# of fit-person: a slider through images, or frames[/dim]

      render-fit view out/photo --export photo.html

    It needs viser: pip install 'render-fit\\[view]'. Ctrl-C ends it. docs/viewer.md has the controls.
    """
    for path in (result, compare):
        if path is not None:
            checks.check_result(path)
    checks.check_body(body)
    if export is not None:
        _check_page(export)
    _check_viser()
    from render_fit.export.viewer.server import open_viewer

    viewer = open_viewer(result, compare=compare, body=body, host=host, port=port)
    if export is not None:
        print(viewer.write_html(export))
        viewer.stop()
        return
    print(f"{viewer.url}   (Ctrl-C ends it)", flush=True)
    if browser:
        import webbrowser

        webbrowser.open(viewer.url)
    try:
        viewer.wait()
    except KeyboardInterrupt:
        viewer.stop()


def _check_page(file: Path) -> None:
    """Checks the name of the page to write."""
    if file.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--export {file}: expected a name that ends with .html")
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise InputError(f"--export {file}: expected the name of a file in a folder that exists")


def _check_viser() -> None:
    """Checks that viser is installed, before torch is imported."""
    from importlib.util import find_spec

    if find_spec("viser") is None:
        raise MissingDependencyError("the viewer needs viser: pip install 'render-fit[view]'")
