"""A motion as an npz file in the form of AMASS, which tools for SMPL-family bodies read.

Source: Mahmood et al. 2019, AMASS: ``poses`` of SMPL-H (156 numbers) or SMPL-X (165), z up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from render_fit.bodies.smpl_paths import gender_of
from render_fit.core.errors import InputError
from render_fit.export.motion import Y_UP_TO_Z_UP, Motion, as_array

SHARED_JOINTS = 22
"""Joints that SMPL, SMPL-H and SMPL-X share: the first ones of each."""

N_BETAS = 16
"""Shape coefficients in AMASS's files."""

N_DMPLS = 8
"""Soft-tissue coefficients in AMASS's files."""

_SMPL, _SMPLH, _SMPLX = 24, 52, 55  # joints


def amass_arrays(motion: Motion) -> dict[str, np.ndarray]:
    """Converts a motion to the arrays of an AMASS file.

    SMPL's 24 joints become SMPL-H's 52: the first 22 are the same, SMPL's two rigid hands have no counterpart, and the
    fingers are straight. Shape coefficients of a body outside the SMPL family mean nothing to its tools: they are
    written as ``betas_<body>``, and ``betas`` are zero.

    Args:
        motion: The motion, with y up; an AMASS file has z up.

    Returns:
        ``poses`` (N, 156), for SMPL-X (N, 165), axis-angle in radians; ``trans`` (N, 3) metres; ``betas`` (16,) or
        more; ``dmpls`` (N, 8), zero; ``gender``; ``mocap_framerate`` and ``mocap_frame_rate``, of which readers of
        SMPL-H and SMPL-X expect one each; ``surface_model_type``; ``body``, by which the body is found again.

    Raises:
        InputError: if the body does not have the joints of SMPL, SMPL-H or SMPL-X.
    """
    body, parameters = motion.body, motion.turned(Y_UP_TO_Z_UP).parameters
    n_joints = len(body.joint_names)
    if n_joints not in (_SMPL, _SMPLH, _SMPLX):
        raise InputError(
            f"an AMASS file holds poses of SMPL's, SMPL-H's or SMPL-X's joints, and {body.name} has {n_joints} joints; "
            "write .glb or .bvh"
        )
    poses = as_array(parameters.pose)
    if n_joints == _SMPL:
        shared = poses[:, :SHARED_JOINTS]
        poses = np.zeros((len(motion), _SMPLH, 3), dtype=np.float32)
        poses[:, :SHARED_JOINTS] = shared
    own = as_array(parameters.betas[0])
    is_smpl = body.name in ("smpl", "smplh", "smplx")
    betas = np.zeros(max(N_BETAS, len(own)), dtype=np.float32)
    if is_smpl:
        betas[: len(own)] = own
    return {
        "poses": poses.reshape(len(motion), -1),
        "trans": as_array(parameters.transl),
        "betas": betas,
        "dmpls": np.zeros((len(motion), N_DMPLS), dtype=np.float32),
        "gender": np.array(gender_of(Path(body.origin)) or "neutral"),
        "mocap_framerate": np.array(motion.fps),
        "mocap_frame_rate": np.array(motion.fps),
        "surface_model_type": np.array("smplx" if n_joints == _SMPLX else "smplh"),
        "body": np.array(body.origin),
        **({} if is_smpl else {f"betas_{body.name}": own}),
    }
