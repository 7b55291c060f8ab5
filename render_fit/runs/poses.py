"""Poses as the command line asks for them."""

from __future__ import annotations

from pathlib import Path

from render_fit.errors import InputError
from render_fit.training.poses import PoseBank


def pose_bank(motion: Path | None, split: str = "train") -> PoseBank:
    """Poses from a folder of motion capture, or from the prior that ships if none is given.

    Raises:
        InputError: if the folder is not one.
    """
    if motion is None:
        return PoseBank.from_prior(seed=0 if split == "train" else 1)
    try:
        return PoseBank.from_motion_capture(motion, split)
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise InputError(
            f"{motion}: expected the CMU motion capture (mocap/*.npz, smpl_rest_bones.json): {error}"
        ) from error
