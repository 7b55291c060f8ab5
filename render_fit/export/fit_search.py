"""Where fits are: the folders that a path stands for. It imports nothing heavy, so that mistakes are told at once."""

from __future__ import annotations

from pathlib import Path

from render_fit.core.errors import InputError

PARAMS, REPORT = "params.npz", "report.json"


def find_results(path: Path) -> list[Path]:
    """The folders of the fits that a path stands for: one, or all of an output folder.

    Raises:
        InputError: if there is none.
    """
    folder = path.parent if path.name == PARAMS else path
    if (folder / PARAMS).is_file():
        return [folder]
    found = sorted(file.parent for file in folder.glob(f"*/{PARAMS}"))
    if not found:
        failed = (folder / REPORT).is_file()
        why = "did the fit fail?" if failed else "expected the folder of a fit, or one with several"
        raise InputError(f"{path}: no {PARAMS}; {why}")
    return found
