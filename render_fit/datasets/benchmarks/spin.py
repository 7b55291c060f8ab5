"""SPIN's npz files: Human3.6M, MPI-INF-3DHP, 3DPW, LSP and others, one row an image.

Files have ``imgname``, ``center`` and ``scale`` (box of 200 · scale pixels), and as available ``S`` (N, 24, 4: 3D
joints relative to the pelvis, metres, and whether each is known), ``part`` (N, 24, 3: 2D joints), ``pose`` and
``shape`` (SMPL, in the frame of the camera), ``has_smpl``, ``gender``, ``maskname``, ``partname``.

Source: nkolot/SPIN, datasets/base_dataset.py and datasets/preprocess/*.py (commit 277892a).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.core.skeletons import Skeleton
from render_fit.datasets.benchmarks.annotated_person import (
    AnnotatedPerson,
    MaskSource,
    SmplTruth,
    checked_rows,
    found_image,
    gender_named,
)
from render_fit.datasets.benchmarks.joint_sets import SPIN_3DHP, SPIN_CLICKED, SPIN_COCO, SPIN_H36M

_KEYS = ("imgname", "center", "scale", "part", "S", "pose", "shape", "has_smpl", "gender", "maskname", "partname")
_SHAPES = {"center": (2,), "part": (24, 3), "S": (24, 4), "pose": (72,), "shape": (10,)}


def looks_like_spin(path: Path) -> bool:
    """Whether a file is an npz with SPIN's arrays."""
    if path.suffix != ".npz" or not path.is_file():
        return False
    try:
        return {"imgname", "center", "scale"} <= read_arrays(path, ()).keys()
    except InputError:
        return False


def read_spin(path: Path) -> list[AnnotatedPerson]:
    """Reads a file; images are looked for beside it and in the two folders above.

    Raises:
        InputError: if it is missing, damaged, or lacks an array or has one of another shape.
    """
    arrays = {name: array for name, array in read_arrays(path, _KEYS).items() if array is not None}
    missing = [name for name in ("imgname", "center", "scale") if name not in arrays]
    if missing:
        raise InputError(f"{path}: not SPIN's npz; it lacks {', '.join(missing)}")
    n = len(arrays["imgname"])
    checked_rows(path, "SPIN's npz", n, **arrays)
    for name, shape in _SHAPES.items():
        if name in arrays and arrays[name].shape[1:] != shape:
            raise InputError(f"{path}: not SPIN's npz; {name} has the shape {arrays[name].shape}, expected N × {shape}")
    people: list[AnnotatedPerson] = []
    count: dict[str, int] = {}
    for row in range(n):
        image = str(arrays["imgname"][row])
        people.append(_person(path.parent, {name: array[row] for name, array in arrays.items()}, count.get(image, 0)))
        count[image] = count.get(image, 0) + 1
    return people


def _person(folder: Path, row: dict[str, Any], number: int) -> AnnotatedPerson:
    image = str(row["imgname"])
    size = 200.0 * float(row["scale"])
    centre = np.asarray(row["center"], dtype=np.float64)
    three_d = joint_set_of(image)
    part, joints = row.get("part"), row.get("S")
    smpl = None
    if "pose" in row and "shape" in row and bool(row.get("has_smpl", True)):
        poses, betas = row["pose"].astype(np.float64).reshape(24, 3), row["shape"].astype(np.float64)
        smpl = SmplTruth(poses, betas, gender_named(row.get("gender", "n")))
    mask, labels = (found_image(folder, str(row[name])) if name in row else None for name in ("maskname", "partname"))
    return AnnotatedPerson(
        image=image,
        image_path=found_image(folder, image, Path(image).name, f"images/{Path(image).name}"),
        person=number,
        box_xywh=np.array([*(centre - size / 2), size, size]),
        keypoint_set=None if part is None else three_d or (SPIN_COCO if "2014" in image else SPIN_CLICKED),
        keypoints_px=None if part is None else part[:, :2].astype(np.float64),
        keypoints_known=None if part is None else part[:, 2] > 0,
        joint_set=None if joints is None else three_d or SPIN_H36M,
        joints=None if joints is None else joints[:, :3].astype(np.float64),
        joints_known=None if joints is None else joints[:, 3] > 0,
        smpl=smpl,
        mask=MaskSource(path=mask, labels=labels) if mask or labels else None,
        **_frame_of(image),
    )


def joint_set_of(image: str) -> Skeleton | None:
    """3D joint set of an image by its name; None for data sets that have none."""
    if "mpi_inf_3dhp" in image or "/Seq" in image or "/TS" in image:
        return SPIN_3DHP
    folders = Path(image).name.split("_")[0]
    return SPIN_H36M if folders[:1] == "S" and folders[1:].isdigit() else None


def _frame_of(image: str) -> dict[str, Any]:
    """Motion and frame of an image whose name ends with a number: ``S9_Walking.60457274_000431.jpg``."""
    stem, _, number = Path(image).stem.rpartition("_")
    if not stem or not number.isdigit():
        return {}
    return {"sequence": str(Path(image).parent / stem), "frame": int(number)}
