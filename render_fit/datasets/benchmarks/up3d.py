"""UP-3D: photos with 14 keypoints and SMPL parameters, one set of files a person.

DATASET is the folder with ``00000_image.png``, ``00000_joints.npy`` (3 × 14: x, y, confidence) and ``00000_body.pkl``.

Source: Lassner et al., Unite the People, CVPR 2017; mmhuman3d, data_converters/up3d.py (commit 07fd671).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from render_fit.core.errors import InputError
from render_fit.core.safe_pickle import PickleFileError, as_array, read_pickle_file
from render_fit.core.skeletons import LSP_14
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, SmplTruth, box_of_points

_IMAGE = "_image.png"


def looks_like_up3d(path: Path) -> bool:
    """Whether a folder has photos with UP-3D's names, and bodies or joints to them."""
    return path.is_dir() and any(
        next(path.glob(f"[0-9]*_{ending}"), None) is not None for ending in ("body.pkl", "joints.npy")
    )


def read_up3d(path: Path) -> list[AnnotatedPerson]:
    """Reads all people of the folder.

    Raises:
        InputError: if there are none, or a file is damaged.
    """
    names = sorted({file.name.rpartition("_")[0] for file in path.glob("[0-9]*_*") if file.is_file()})
    if not names:
        raise InputError(f"{path}: contains no file of UP-3D such as 00000_body.pkl")
    return [_person(path, name) for name in names]


def _person(folder: Path, name: str) -> AnnotatedPerson:
    image, joints, body = (folder / f"{name}{ending}" for ending in (_IMAGE, "_joints.npy", "_body.pkl"))
    points, known, smpl = None, None, None
    if joints.is_file():
        try:
            array = np.load(joints, allow_pickle=False).astype(np.float64)
        except Exception as error:  # numpy reads the header as Python, which fails in many ways
            raise InputError(f"{joints}: damaged, or no array ({error})") from None
        if array.ndim != 2 or array.shape[0] not in (2, 3) or array.shape[1] < 14:
            raise InputError(f"{joints}: expected 3 × 14 joints, got the shape {array.shape}")
        points = array[:2, :14].T
        known = array[2, :14] > 0 if len(array) == 3 else np.ones(14, dtype=bool)
    if body.is_file():
        content = read_pickle_file(body, "a body of UP-3D")
        try:
            pose, betas = (as_array(content[key], f"{body}: {key}").astype(np.float64) for key in ("pose", "betas"))
            smpl = SmplTruth(pose.reshape(24, 3), betas.ravel()[:10])
        except (KeyError, PickleFileError, ValueError) as error:
            raise InputError(f"{body}: not a body of UP-3D ({error})") from None
    return AnnotatedPerson(
        image=image.name,
        image_path=image if image.is_file() else None,
        box_xywh=None if points is None or known is None else box_of_points(points, known),
        keypoint_set=None if points is None else LSP_14,
        keypoints_px=points,
        keypoints_known=known,
        smpl=smpl,
    )
