"""Executes the notebooks of notebooks/ in kernels of their own and writes their figures.

    python scripts/run_notebooks.py                                  # all, thumbnails of docs/notebooks.md
    python scripts/run_notebooks.py 02 05 --figures out/notebooks    # two of them, every figure as a PNG file

The thumbnail of a notebook is the last figure of the cell with the tag ``picture``.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import resource
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
THUMBNAILS = FOLDER.parent / "docs" / "images" / "notebooks"

THUMBNAIL_PX = (1200, 680)
"""Largest width and height of a thumbnail."""

LIMIT_S = 600
"""Wall time of one cell on a busy machine; nothing of it is expected to be used."""


def read(path: Path) -> nbformat.NotebookNode:
    """The cells of a notebook in jupytext's percent format."""
    return jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")


def execute(path: Path, check: str = "") -> tuple[nbformat.NotebookNode, float]:
    """Runs a notebook from top to bottom in its own folder.

    Args:
        path: The notebook.
        check: Code that is run as one more cell after the others.

    Returns:
        The notebook with outputs, without that cell, and the CPU time of its kernel in seconds.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell, or the check, raises.
    """
    notebook = read(path)
    if check:
        notebook.cells.append(nbformat.v4.new_code_cell(check))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    before = _cpu_seconds_of_children()
    client = NotebookClient(
        notebook, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute(env=environment)
    seconds = _cpu_seconds_of_children() - before
    if check:
        notebook.cells.pop()
    return notebook, seconds


def figures(notebook: nbformat.NotebookNode, tag: str | None = None) -> list[bytes]:
    """PNG files of the figures of an executed notebook, or of those of its cells that have a tag."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    chosen = [cell for cell in cells if tag is None or tag in cell.metadata.get("tags", [])]
    data = [output.get("data", {}) for cell in chosen for output in cell.outputs]
    return [base64.b64decode(one["image/png"]) for one in data if "image/png" in one]


def write_thumbnail(picture: bytes, path: Path) -> None:
    """Reduces a figure to `THUMBNAIL_PX` and a palette of 128 colours."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail(THUMBNAIL_PX, Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", help="beginnings of names, such as 02; all if none is given")
    parser.add_argument("--figures", type=Path, help="folder for every figure, in place of thumbnails")
    options = parser.parse_args()
    chosen = [path for path in NOTEBOOKS if not options.numbers or path.stem.startswith(tuple(options.numbers))]
    if not chosen:
        known = ", ".join(path.stem for path in NOTEBOOKS)
        sys.exit(f"no notebook begins with {' or '.join(options.numbers)}; there are: {known}")
    for path in chosen:
        notebook, seconds = execute(path)
        print(f"{path.stem}: {seconds:.0f} s of CPU time, {len(figures(notebook))} figures", flush=True)
        if options.figures is None:
            write_thumbnail(figures(notebook, "picture")[-1], THUMBNAILS / f"{path.stem}.png")
            continue
        options.figures.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(figures(notebook), 1):
            (options.figures / f"{path.stem}_{number}.png").write_bytes(picture)


if __name__ == "__main__":
    main()
