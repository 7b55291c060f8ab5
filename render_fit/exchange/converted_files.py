"""Files of converted bodies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from render_fit.core.array_files import write_arrays
from render_fit.core.rotations import roma
from render_fit.exchange.conversion import Converted, parameters_of
from render_fit.exchange.posed_points import BodySurface
from render_fit.exchange.result import BodyResult, PinholeView
from render_fit.export.parameters import read_params


def write_converted(path: Path, converted: Converted, result: BodyResult, source: Path) -> Path:
    """Writes a converted body.

    A fit of ours on a body in SMPL's form becomes a ``params.npz`` of the other body, which every command takes. Others
    get smplx's names, or Anny's arguments, and ``K`` where the result has a camera.

    Args:
        path: File to write.
        converted: The body.
        result: What was converted.
        source: Its file.
    """
    arrays = parameters_of(converted)
    if isinstance(result.view, PinholeView) and result.view.centre_px is not None:
        focal, (x, y) = result.view.focal_px, result.view.centre_px
        arrays["K"] = np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]], np.float32)
    file = source / "params.npz" if source.is_dir() else source
    if result.system != "render-fit" or converted.body is None:
        return write_arrays(path, **arrays)
    saved, state = read_params(file), converted.state
    index = 0 if len(saved.poses) == 1 else _index(saved.trans, result)
    surface = BodySurface(converted.body)
    _, joints = surface.tree.pose(state.rotations[None], surface.shaped(state).joints[None])
    pose = roma.rotmat_to_rotvec(state.rotations).reshape(1, -1)
    changed = replace(
        saved.frame(index),
        poses=pose.numpy().astype(np.float32),
        betas=state.shape.numpy().astype(np.float32),
        trans=arrays["transl"],
        joints=(joints + state.transl).numpy().astype(np.float32),
        body=converted.body.origin,
        offsets=None,
        betas_covariance=None,
        joints_covariance=None,
    )
    content = {key: np.asarray(value) for key, value in vars(changed).items() if value is not None}
    return write_arrays(path, **content, residual_mm=arrays["residual_mm"], residual_max_mm=arrays["residual_max_mm"])


def _index(trans: np.ndarray, result: BodyResult) -> int:
    """Frame of a fit of several that a result was read from."""
    return int(np.abs(trans - result.transl).sum(1).argmin())
