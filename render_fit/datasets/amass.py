"""Motions of AMASS and of tools that write its files: poses of SMPL-H or SMPL-X, z up.

Source: Mahmood et al. 2019, AMASS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.core.plausibility import check_fps

_RATES = ("mocap_framerate", "mocap_frame_rate")
"""SMPL-H's files have the first name, SMPL-X's the second."""


@dataclass(frozen=True)
class AmassMotion:
    """Content of an AMASS file.

    Attributes:
        poses: (N, J, 3) local axis-angle, radians, in smplx's order: 52 joints of SMPL-H, 55 of SMPL-X, 24 of SMPL.
        trans: (N, 3) metres, z up, added after posing.
        betas: (S,) shape coefficients.
        gender: ``neutral``, ``male`` or ``female``.
        fps: Frames a second.
    """

    poses: Float[np.ndarray, "n j 3"]
    trans: Float[np.ndarray, "n 3"]
    betas: Float[np.ndarray, "s"]
    gender: str
    fps: float


def read_amass(path: Path) -> AmassMotion:
    """Reads an AMASS file.

    Raises:
        InputError: if it is missing, damaged, or lacks an array or has one of another shape.
    """
    arrays = read_arrays(path, ("poses", "trans", "betas", "gender", *_RATES))
    rates = [arrays[name] for name in _RATES if name in arrays]
    missing = [name for name in ("poses", "trans", "betas") if name not in arrays]
    missing += [] if rates else [_RATES[0]]
    if missing:
        raise InputError(f"{path}: not a motion of AMASS; it lacks {', '.join(missing)}")
    try:
        poses, trans, betas = (arrays[name].astype(np.float64) for name in ("poses", "trans", "betas"))
        fps = float(rates[0])
    except (TypeError, ValueError):
        raise InputError(f"{path}: not a motion of AMASS; its entries are of other types") from None
    check_fps(fps, f"{path}: {_RATES[0]}")
    shapes_fit = poses.ndim == 2 and poses.shape[1] % 3 == 0 and poses.size > 0 and betas.ndim == 1
    if not shapes_fit or trans.shape != (len(poses), 3):
        raise InputError(
            f"{path}: not a motion of AMASS; poses {poses.shape}, trans {trans.shape} and betas {betas.shape} do not "
            "belong together"
        )
    if not all(np.isfinite(array).all() for array in (poses, trans, betas)):
        raise InputError(f"{path}: contains values that are not finite")
    gender = arrays.get("gender", np.array("neutral"))
    if gender.dtype.kind == "S":  # some files hold bytes
        gender = np.char.decode(gender)
    return AmassMotion(poses.reshape(len(poses), -1, 3), trans, betas, str(gender), fps)
