"""M, the body: parameters in, mesh and joints out."""

from __future__ import annotations

from pathlib import Path

from render_fit.bodies.body import Body
from render_fit.bodies.open_body import open_body
from render_fit.bodies.parameters import BodyOutput, BodyParameters
from render_fit.bodies.safe_pickle import BodyFileError
from render_fit.bodies.smpl_files import load_smpl_file, smpl_arrays
from render_fit.core.errors import InputError

__all__ = [
    "Body",
    "BodyFileError",
    "BodyOutput",
    "BodyParameters",
    "load_smpl_file",
    "open_body",
    "smpl_arrays",
]


def load_body(name: str | Path, gender: str | None = None, n_betas: int = 10) -> Body:
    """Gives the body that a recipe or the command line names.

    Args:
        name: ``open``, or the path of a SMPL-family file or folder.
        gender: See `load_smpl_file`; the open body has both sexes in its shape space and ignores it.
        n_betas: Shape coefficients to use.

    Returns:
        The body.

    Raises:
        FileNotFoundError: If it is neither.
        BodyFileError: If the file is no body model.
    """
    if str(name) == "open":
        return open_body(n_betas)
    if not Path(name).exists():
        raise FileNotFoundError(f"no body {str(name)!r}: give 'open', or the path of a SMPL, SMPL-H or SMPL-X file")
    return load_smpl_file(name, gender, n_betas)


def load_body_or_fail(name: str, n_betas: int = 10) -> Body:
    """``load_smpl_file`` for names that a user gave.

    Raises:
        InputError: if there is no such body, or the file is no body model.
    """
    try:
        return load_body(name, n_betas=n_betas)
    except (FileNotFoundError, ValueError) as error:
        raise InputError(str(error)) from error
