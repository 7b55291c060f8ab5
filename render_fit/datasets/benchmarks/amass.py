"""AMASS's motions as the truth of a video: poses of SMPL-H or SMPL-X, without images and without a camera.

DATASET is an ``.npz`` or a folder of them. Frames are numbered from 0, and belong to the images of a folder of the
motion's name: ``<motion>/000012``. The world has z up and no camera, so only what does not depend on the view is
compared: local rotations, and joints after Procrustes alignment.

Source: Mahmood et al. 2019, AMASS; `datasets.amass`.
"""

from __future__ import annotations

from pathlib import Path

from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.datasets.amass import read_amass
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, SmplTruth, gender_named


def looks_like_amass(path: Path) -> bool:
    """Whether a path is an ``.npz`` with AMASS's arrays, or a folder with one."""
    file = path if path.is_file() else next(path.rglob("*_poses.npz"), None)
    if file is None or file.suffix != ".npz":
        return False
    try:
        names = read_arrays(file, ()).keys()
    except InputError:
        return False
    return {"poses", "trans", "betas"} <= names and bool({"mocap_framerate", "mocap_frame_rate"} & names)


def read_amass_truth(path: Path) -> list[AnnotatedPerson]:
    """Reads one motion or all of a folder, a person for each frame.

    Raises:
        InputError: if there is none, or one is damaged.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.npz"))
    if not files:
        raise InputError(f"{path}: contains no motion (.npz) of AMASS")
    people = []
    for file in files:
        motion = read_amass(file)
        for frame, poses in enumerate(motion.poses):
            smpl = SmplTruth(poses, motion.betas, gender_named(motion.gender), in_camera=False)
            people.append(
                AnnotatedPerson(image=f"{file.stem}/{frame:06d}.jpg", smpl=smpl, sequence=file.stem, frame=frame)
            )
    return people
