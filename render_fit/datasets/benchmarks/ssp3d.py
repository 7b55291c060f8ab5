"""SSP-3D: 311 sports photos with silhouettes, SMPL parameters and 2D joints, for the shape.

DATASET is the folder with ``labels.npz``, ``images`` and ``silhouettes``, or ``labels.npz`` itself.

Source: akashsengupta1997/SSP-3D, data/ssp3d_dataset.py, utils/cam_utils.py (commit f15b4b0): images of 512², focal
length 5000 pixels, global rotation and translation in the frame of the camera.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17
from render_fit.datasets.benchmarks.annotated_person import (
    AnnotatedPerson,
    MaskSource,
    SmplTruth,
    checked_rows,
    gender_named,
)

_KEYS = ("fnames", "shapes", "poses", "cam_trans", "joints2D", "bbox_centres", "bbox_whs", "genders")
SIDE_PX, FOCAL_PX = 512, 5000.0


def looks_like_ssp3d(path: Path) -> bool:
    """Whether a path is SSP-3D's folder or its ``labels.npz``."""
    file = path / "labels.npz" if path.is_dir() else path
    if file.name != "labels.npz" or not file.is_file():
        return False
    try:
        return {"fnames", "shapes", "cam_trans"} <= read_arrays(file, ()).keys()
    except InputError:
        return False


def read_ssp3d(path: Path) -> list[AnnotatedPerson]:
    """Reads the data set.

    Raises:
        InputError: if ``labels.npz`` is missing, damaged, or lacks an array.
    """
    file = path / "labels.npz" if path.is_dir() else path
    arrays = read_arrays(file, _KEYS)
    missing = [name for name in _KEYS if arrays.get(name) is None]
    if missing:
        raise InputError(f"{file}: not SSP-3D's labels; it lacks {', '.join(missing)}")
    n = len(arrays["fnames"])
    checked_rows(file, "SSP-3D's labels", n, **{name: arrays[name] for name in _KEYS})
    K = np.array([[FOCAL_PX, 0, SIDE_PX / 2], [0, FOCAL_PX, SIDE_PX / 2], [0, 0, 1]])
    people = []
    for row in range(n):
        name = str(arrays["fnames"][row])
        image, mask = file.parent / "images" / name, file.parent / "silhouettes" / name
        joints = arrays["joints2D"][row].astype(np.float64)
        centre = arrays["bbox_centres"][row].astype(np.float64)  # row, column
        size = np.broadcast_to(arrays["bbox_whs"][row], 2).astype(np.float64)
        smpl = SmplTruth(
            arrays["poses"][row].astype(np.float64).reshape(-1, 3),
            arrays["shapes"][row].astype(np.float64),
            gender_named(arrays["genders"][row]),
            arrays["cam_trans"][row].astype(np.float64),
        )
        people.append(
            AnnotatedPerson(
                image=f"images/{name}",
                image_path=image if image.is_file() else None,
                image_size=(SIDE_PX, SIDE_PX),
                box_xywh=np.array([*(centre[::-1] - size / 2), *size]),
                keypoint_set=COCO_17,
                keypoints_px=joints[:, :2],
                keypoints_known=joints[:, 2] > 0 if joints.shape[1] > 2 else np.ones(len(joints), dtype=bool),
                K=K,
                smpl=smpl,
                mask=MaskSource(path=mask) if mask.is_file() else None,
            )
        )
    return people
