"""M, the body: parameters in, mesh and joints out."""

from __future__ import annotations

from pathlib import Path

from render_fit.bodies.body import Body
from render_fit.bodies.file_checks import BodyFileError
from render_fit.bodies.open_body import open_body
from render_fit.bodies.parameters import BodyOutput, BodyParameters
from render_fit.bodies.smpl_files import load_smpl_file, smpl_arrays
from render_fit.core.errors import InputError
from render_fit.core.registry import Registry

__all__ = [
    "BODIES",
    "Body",
    "BodyFileError",
    "BodyOutput",
    "BodyParameters",
    "load_body",
    "load_smpl_file",
    "open_body",
    "smpl_arrays",
]

BODIES: Registry[Body] = Registry("body", "render_fit.bodies", {"open": open_body})
"""Bodies by name. A factory takes ``n_betas``, the number of shape coefficients to use."""


def load_body(name: str | Path, gender: str | None = None, n_betas: int = 10) -> Body:
    """Loads a body by name or from a file.

    Args:
        name: ``open``, the path of a SMPL-family file or folder, or a name that another package registers.
        gender: See `load_smpl_file`; only files use it.
        n_betas: Number of shape coefficients to use.

    Returns:
        The body.

    Raises:
        FileNotFoundError: If it is none of these.
        BodyFileError: If the file is no body model.
    """
    if str(name) == "open" or (not Path(name).exists() and str(name) in BODIES):
        body = BODIES[str(name)](n_betas=n_betas)
        body.origin = str(name)
        return body
    if not Path(name).exists():
        known = " or ".join(repr(known) for known in BODIES)
        raise FileNotFoundError(f"no body {str(name)!r}: give {known}, or the path of a SMPL, SMPL-H or SMPL-X file")
    return load_smpl_file(name, gender, n_betas)


def load_body_or_fail(name: str | Path, n_betas: int = 10) -> Body:
    """``load_body`` for names that a user gave.

    Raises:
        InputError: if there is no such body, or the file is no body model.
    """
    try:
        return load_body(name, n_betas=n_betas)
    except (FileNotFoundError, ValueError) as error:
        raise InputError(str(error)) from error
