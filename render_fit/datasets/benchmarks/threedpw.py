"""3DPW's sequences: pickles with SMPL parameters, 3D joints, 2D keypoints and cameras of each frame.

DATASET is a ``.pkl`` of ``sequenceFiles``, a folder of them, or 3DPW's folder with ``imageFiles`` and
``sequenceFiles`` (its ``test`` part). Frames whose camera is not valid are left out, as in published evaluations.

Source: 3DPW's readme_and_demo; nkolot/SPIN, datasets/preprocess/pw3d.py; mmhuman3d, data_converters/pw3d.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from render_fit.core.errors import InputError
from render_fit.core.safe_pickle import PickleFileError, as_array, read_pickle_file
from render_fit.core.skeletons import COCO_17, SMPL_24, Skeleton
from render_fit.datasets.benchmarks.annotated_person import (
    AnnotatedPerson,
    SmplTruth,
    box_of_points,
    found_image,
    gender_named,
)

_COCO_18 = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
_LANDMARKS = dict(zip(COCO_17.joints, COCO_17.landmarks, strict=True)) | {"neck": "neck_base"}
COCO_18 = Skeleton(
    "coco18", _COCO_18, tuple(_LANDMARKS[joint] for joint in _COCO_18), (), frozenset(),
    "OpenPose's COCO model; 3DPW's poses2d",
)  # fmt: skip


def looks_like_3dpw(path: Path) -> bool:
    """Whether a path is 3DPW's folder, or a ``.pkl`` in its ``sequenceFiles``."""
    if path.is_file():
        return path.suffix == ".pkl" and "sequenceFiles" in path.absolute().parts
    return (path / "sequenceFiles").is_dir() or "sequenceFiles" in path.absolute().parts


def read_3dpw(path: Path) -> list[AnnotatedPerson]:
    """Reads one sequence or all of a folder.

    Raises:
        InputError: if there is none, or one is damaged.
    """
    folder = next((one for one in (path / "sequenceFiles/test", path / "sequenceFiles", path) if one.is_dir()), path)
    files = [path] if path.is_file() else sorted(folder.rglob("*.pkl"))
    if not files:
        raise InputError(f"{path}: contains no sequence (.pkl) of 3DPW")
    return [person for file in files for person in _sequence(file)]


def _sequence(file: Path) -> list[AnnotatedPerson]:
    content = read_pickle_file(file, "a sequence of 3DPW")
    needed = ("sequence", "poses", "betas", "poses2d", "cam_poses", "campose_valid", "cam_intrinsics", "genders")
    missing = [name for name in needed if name not in content]
    if missing:
        raise InputError(f"{file}: not a sequence of 3DPW; it lacks {', '.join(missing)}")
    try:
        return _people(file, content)
    except (PickleFileError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: not a sequence of 3DPW; its entries do not belong together ({error})") from None


def _people(file: Path, content: dict[str, Any]) -> list[AnnotatedPerson]:
    name = str(content["sequence"])
    cameras = as_array(content["cam_poses"], f"{file}: cam_poses").reshape(-1, 4, 4)
    K = as_array(content["cam_intrinsics"], f"{file}: cam_intrinsics").astype(np.float64).reshape(3, 3)
    people = []
    for person, valid in enumerate(content["campose_valid"]):
        poses, betas, points, positions = (
            None if key not in content else as_array(content[key][person], f"{file}: {key}").astype(np.float64)
            for key in ("poses", "betas", "poses2d", "jointPositions")
        )
        assert poses is not None and betas is not None and points is not None
        for frame in np.flatnonzero(as_array(valid, f"{file}: campose_valid")):
            R, t = cameras[frame, :3, :3], cameras[frame, :3, 3]
            rotvecs = poses[frame].reshape(24, 3).copy()
            rotvecs[0] = (Rotation.from_matrix(R) * Rotation.from_rotvec(rotvecs[0])).as_rotvec()
            keypoints = points[frame].reshape(3, 18).T
            known = keypoints[:, 2] > 0
            joints = None if positions is None else positions[frame].reshape(24, 3) @ R.T + t
            image = f"imageFiles/{name}/image_{frame:05d}.jpg"
            people.append(
                AnnotatedPerson(
                    image=image,
                    image_path=found_image(file.parent, image),
                    person=person,
                    box_xywh=box_of_points(keypoints[:, :2], known),
                    keypoint_set=COCO_18,
                    keypoints_px=keypoints[:, :2],
                    keypoints_known=known,
                    joint_set=None if joints is None else SMPL_24,
                    joints=joints,
                    joints_known=None if joints is None else np.ones(24, dtype=bool),
                    K=K,
                    smpl=SmplTruth(rotvecs, betas.ravel()[:10], gender_named(content["genders"][person])),
                    sequence=name,
                    frame=int(frame),
                )
            )
    return people
