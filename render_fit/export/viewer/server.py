"""The viewer itself: a web server on this machine that shows one fit or several."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from render_fit.bodies import load_body_or_fail
from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.core.files import write_bytes
from render_fit.export.fit_search import find_results
from render_fit.export.viewer.viewed import Viewed, read_viewed, viewed_result
from render_fit.fitting.result import FitResult

if TYPE_CHECKING:
    from render_fit.export.viewer.panel import Panel

Read = Callable[[], Viewed]


class Viewer:
    """A running viewer.

    Args:
        fits: Name of each fit → what reads it.
        others: The same for results to compare with, by the same names; may be empty.
        host: Address to listen on; 127.0.0.1 is this machine only.
        port: Port; the next free one is taken if it is in use.

    Raises:
        MissingDependencyError: if viser is not installed.
        InputError: if nothing can listen there.
    """

    def __init__(
        self, fits: dict[str, Read], others: dict[str, Read], host: str = "127.0.0.1", port: int = 8080
    ) -> None:
        viser = _viser()
        from render_fit.export.viewer.panel import Panel

        try:
            with redirect_stdout(io.StringIO()):  # its banner; the address is told by the caller
                self.server = viser.ViserServer(host=host, port=port, label="render-fit", verbose=False)
        except OSError as error:
            raise InputError(f"--host {host} --port {port}: cannot listen there: {error.strerror or error}") from None
        self.host = host
        self.panel: Panel = Panel(self.server, fits, others)

    @property
    def url(self) -> str:
        """Address to open in a browser."""
        return f"http://{'localhost' if self.host in ('0.0.0.0', '::') else self.host}:{self.server.get_port()}"

    def write_html(self, path: Path) -> Path:
        """Writes the scene as it is shown now as one HTML file that needs neither server nor network."""
        return write_bytes(path, self.server.scene.as_html().encode())

    def wait(self) -> None:
        """Serves until it is interrupted."""
        while True:
            time.sleep(3600)

    def stop(self) -> None:
        """Ends the server."""
        self.panel.stop()
        self.server.stop()


def open_viewer(
    result: FitResult | Path | str,
    *,
    compare: FitResult | Path | str | None = None,
    body: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
) -> Viewer:
    """Starts the viewer in the background.

    Args:
        result: A result, the folder or ``params.npz`` of a fit, or an output folder with several.
        compare: Another one, which is shown beside it or on top of it; of output folders the fits of the same name.
        body: Body of the fits, if not the one named in them.
        host: Address to listen on; 127.0.0.1 is this machine only.
        port: Port; the next free one is taken if it is in use.

    Returns:
        The running viewer, with its address and ``stop``.

    Raises:
        MissingDependencyError: if viser is not installed.
        InputError: if a result cannot be read, or nothing can listen there.
    """
    _viser()
    fits = _readers(result, body)
    others = {} if compare is None else _readers(compare, body)
    if len(fits) == 1 and len(others) == 1:
        others = dict(zip(fits, others.values(), strict=True))
    elif others and not fits.keys() & others.keys():
        raise InputError(f"{compare}: has no fit of a name that {result} has ({', '.join(list(fits)[:4])})")
    return Viewer(fits, others, host, port)


def view(
    result: FitResult | Path | str,
    *,
    compare: FitResult | Path | str | None = None,
    body: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
) -> Viewer:
    """Shows a fit in the browser: starts a viewer, opens its address, and returns at once.

    Args:
        result: As the other arguments in `open_viewer`.
        compare: Another result.
        body: Body of the fits.
        host: Address to listen on.
        port: Port.

    Returns:
        The running viewer; ``viewer.stop()`` ends it.

    Raises:
        MissingDependencyError: if viser is not installed.
        InputError: if a result cannot be read, or nothing can listen there.
    """
    import webbrowser

    viewer = open_viewer(result, compare=compare, body=body, host=host, port=port)
    webbrowser.open(viewer.url)
    return viewer


def _readers(result: FitResult | Path | str, body: str | None) -> dict[str, Read]:
    """Name of each fit, and what reads it."""
    if isinstance(result, FitResult):
        model = load_body_or_fail(body or result.body_name, result.parameters.betas.shape[1])
        return {"fit": lambda: viewed_result(result, model)}
    folders: Sequence[Path] = find_results(Path(result))
    return {folder.resolve().name: lambda folder=folder: read_viewed(folder, body) for folder in folders}


def _viser():
    try:
        import viser
    except ImportError as error:
        raise MissingDependencyError(f"the viewer needs {error.name}: pip install 'render-fit[view]'") from error
    return viser
