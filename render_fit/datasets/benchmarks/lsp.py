"""Leeds Sports Pose and its extended training set: ``joints.mat`` with 14 clicked joints, and ``images``.

Source: READMEs of LSP (joints 3 × 14 × 2000; third row: whether occluded) and of LSPET (14 × 3 × 10000; third column:
whether visible; joints that are not visible were not clicked); nkolot/SPIN, datasets/preprocess/lsp_dataset.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from render_fit.core.errors import InputError
from render_fit.core.skeletons import LSP_14
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, box_of_points


def looks_like_lsp(path: Path) -> bool:
    """Whether a path is ``joints.mat`` or a folder with it."""
    return (path / "joints.mat").is_file() if path.is_dir() else path.name == "joints.mat"


def read_lsp(path: Path) -> list[AnnotatedPerson]:
    """Reads the data set.

    Raises:
        InputError: if ``joints.mat`` is missing, damaged, or has another shape.
    """
    import scipy.io

    file = path / "joints.mat" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    try:
        joints = np.asarray(scipy.io.loadmat(file, variable_names=["joints"])["joints"], dtype=np.float64)
    except Exception as error:  # scipy reports damaged files in many ways
        raise InputError(f"{file}: not LSP's joints.mat ({type(error).__name__}: {error})") from None
    extended = joints.ndim == 3 and joints.shape[:2] == (14, 3)
    if not extended and (joints.ndim != 3 or joints.shape[:2] not in ((3, 14), (2, 14))):
        raise InputError(f"{file}: not LSP's joints.mat; joints has the shape {joints.shape}, expected 3 × 14 × N")
    rows = joints.transpose(2, 0, 1) if extended else joints.transpose(2, 1, 0)
    people = []
    for number, row in enumerate(rows, start=1):
        name = f"images/im{number:05d}.jpg" if extended else f"images/im{number:04d}.jpg"
        known = row[:, 2] > 0 if extended else np.ones(14, dtype=bool)
        people.append(
            AnnotatedPerson(
                image=name,
                image_path=file.parent / name if (file.parent / name).is_file() else None,
                box_xywh=box_of_points(row[:, :2], known),
                keypoint_set=LSP_14,
                keypoints_px=row[:, :2],
                keypoints_known=known,
            )
        )
    return people
