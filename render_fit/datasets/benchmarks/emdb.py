"""EMDB's sequences: pickles with SMPL parameters, projected joints and the camera of each frame.

DATASET is a ``*_data.pkl``, the folder of a sequence or participant, or EMDB's folder with ``P0`` to ``P9``. Frames
that are not good (``good_frames_mask``) are left out. True 3D joints need the body model of the truth.

Source: eth-ait/emdb, dataset.md (commit 415faa8).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from render_fit.core.errors import InputError
from render_fit.core.safe_pickle import PickleFileError, as_array, read_pickle_file
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, SmplTruth, gender_named

_PATTERN = "P*_data.pkl"


def looks_like_emdb(path: Path) -> bool:
    """Whether a path is one of EMDB's pickles or a folder with some."""
    if path.is_file():
        return path.match(_PATTERN)
    return any(next(path.glob(f"{above}{_PATTERN}"), None) is not None for above in ("", "*/", "P*/*/"))


def read_emdb(path: Path) -> list[AnnotatedPerson]:
    """Reads one sequence or all of a folder.

    Raises:
        InputError: if there is none, or one is damaged.
    """
    files = [path] if path.is_file() else sorted(path.rglob(_PATTERN))
    if not files:
        raise InputError(f"{path}: contains no {_PATTERN} of EMDB")
    people: list[AnnotatedPerson] = []
    for file in files:
        content = read_pickle_file(file, "a sequence of EMDB")
        try:
            people += _frames(file, content)
        except (PickleFileError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{file}: not a sequence of EMDB; {type(error).__name__}: {error}") from None
    return people


def _frames(file: Path, content: dict[str, Any]) -> list[AnnotatedPerson]:
    def array(value: Any, name: str) -> np.ndarray:
        return as_array(value, f"{file}: {name}").astype(np.float64)

    camera, smpl = content["camera"], content["smpl"]
    extrinsics = array(camera["extrinsics"], "extrinsics").reshape(-1, 4, 4)
    K = array(camera["intrinsics"], "intrinsics").reshape(3, 3)
    root, body = array(smpl["poses_root"], "poses_root"), array(smpl["poses_body"], "poses_body")
    points = array(content["kp2d"], "kp2d").reshape(len(root), 24, 2)
    boxes = array(content["bboxes"]["bboxes"], "bboxes").reshape(len(root), 4)
    betas = array(smpl["betas"], "betas").ravel()[:10]
    sequence = "/".join(file.absolute().parts[-3:-1])
    people = []
    for frame in np.flatnonzero(array(content["good_frames_mask"], "good_frames_mask")):
        rotation = Rotation.from_matrix(extrinsics[frame, :3, :3]) * Rotation.from_rotvec(root[frame])
        name = f"images/{frame:05d}.jpg"
        left, top, right, bottom = boxes[frame]
        people.append(
            AnnotatedPerson(
                image=f"{sequence}/{name}",
                image_path=file.parent / name if (file.parent / name).is_file() else None,
                image_size=(int(camera["height"]), int(camera["width"])),
                box_xywh=np.array([left, top, right - left, bottom - top]),
                keypoint_set=SMPL_24,
                keypoints_px=points[frame],
                keypoints_known=np.ones(24, dtype=bool),
                K=K,
                smpl=SmplTruth(
                    np.concatenate([rotation.as_rotvec()[None], body[frame].reshape(23, 3)]),
                    betas,
                    gender_named(content["gender"]),
                ),
                sequence=sequence,
                frame=int(frame),
            )
        )
    return people
