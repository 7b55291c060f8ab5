"""The body of a saved fit."""

from __future__ import annotations

from pathlib import Path

from render_fit.bodies import Body, load_body_or_fail
from render_fit.core.errors import InputError
from render_fit.export.parameters import SavedFit


def body_of(saved: SavedFit, path: Path, name: str | None = None) -> Body:
    """Loads the body that a fit was made with.

    Args:
        saved: Content of ``params.npz``.
        path: Its path, for messages.
        name: Name or path of the body, where it has moved; None: as the fit says.

    Returns:
        The body, with as many shape coefficients as the fit has.

    Raises:
        InputError: if it is not found, or is not the body of the fit: other joints or vertices.
    """
    body = load_body_or_fail(name or saved.body, len(saved.betas))
    if saved.poses.shape[1] != 3 * len(body.joint_names):
        raise InputError(
            f"{path}: the poses are for a body of {saved.poses.shape[1] // 3} joints, not {len(body.joint_names)}; "
            "give the body of the fit with --body"
        )
    if saved.offsets is not None and len(saved.offsets) != body.n_vertices:
        raise InputError(
            f"{path}: the offsets are for a body of {len(saved.offsets)} vertices, not {body.n_vertices}; "
            "give the body of the fit with --body"
        )
    return body
