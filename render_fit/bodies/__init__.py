"""M, the body: parameters in, mesh and joints out."""

from __future__ import annotations

from pathlib import Path

from render_fit.bodies.body import Body
from render_fit.bodies.open_body import open_body
from render_fit.bodies.parameters import BodyOutput, BodyParameters
from render_fit.bodies.pickles import BodyFileError
from render_fit.bodies.smpl_files import load_body, smpl_arrays

__all__ = [
    "Body",
    "BodyFileError",
    "BodyOutput",
    "BodyParameters",
    "body_named",
    "load_body",
    "open_body",
    "smpl_arrays",
]


def body_named(name: str | Path, gender: str | None = None, n_betas: int = 10) -> Body:
    """Gives the body that a recipe or the command line names.

    Args:
        name: ``open``, or the path of a SMPL-family file or folder.
        gender: See `load_body`; the open body has both sexes in its shape space and ignores it.
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
    return load_body(name, gender, n_betas)
