"""mmhuman3d's HumanData npz: Human3.6M, MPI-INF-3DHP, 3DPW, COCO and others, one row a person.

Files have ``image_path``, and as available ``bbox_xywh`` (N, 5), ``keypoints2d`` (N, 190, 3) and ``keypoints3d``
(N, 190, 4) with ``…_mask`` (190,) of the points that the data set has, ``smpl`` (dictionary), ``meta`` with ``gender``,
and ``config``, the data set's name. With ``__keypoints_compressed__`` only the points of the mask are stored. Later
versions name keypoints by their origin: ``keypoints2d_original``, ``keypoints3d_smpl``.

Dictionaries in it are pickles; they are read without executing them (`core.safe_pickle`).

Source: open-mmlab/mmhuman3d, docs/human_data.md, data/data_structures/human_data.py (commit 02d792c),
core/conventions/keypoints_mapping/human_data.py (commit 057e588).
"""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.core.safe_pickle import read_object_array
from render_fit.core.skeletons import COCO_17, H36M_17, LSP_14, SMPL_24, Skeleton
from render_fit.datasets.benchmarks.annotated_person import (
    AnnotatedPerson,
    SmplTruth,
    checked_rows,
    found_image,
    gender_named,
)

_SMPL_NAMES = (
    *("pelvis", "left_hip", "right_hip", "spine_1", "left_knee", "right_knee", "spine_2", "left_ankle"),
    *("right_ankle", "spine_3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
)
_PLACES: dict[str, int] = {
    **{name: place for place, name in enumerate(_SMPL_NAMES)},
    "nose": 55,
    "right_eye": 56,
    "left_eye": 57,
    "right_ear": 58,
    "left_ear": 59,
    "right_hip_extra": 144,
    "left_hip_extra": 145,
    "neck_extra": 146,
    "headtop": 147,
    "pelvis_extra": 148,
    "thorax_extra": 149,
    "spine_extra": 150,
    "jaw_extra": 151,
    "head_extra": 152,
    "nose_openpose": 153,
    "head_h36m": 185,
    "headtop_h36m": 186,
    "left_hand": 188,
    "right_hand": 189,
}
"""Places of the points used here among the 190 of the convention."""

_OTHER_NAMES = {
    "pelvis": ("pelvis_extra", "pelvis"),
    "left_hip": ("left_hip_extra", "left_hip"),
    "right_hip": ("right_hip_extra", "right_hip"),
    "spine": ("spine_extra",),
    "spine1": ("spine_1",),
    "spine2": ("spine_2",),
    "spine3": ("spine_3",),
    "thorax": ("neck_extra", "thorax_extra"),
    "jaw": ("head_extra", "jaw_extra", "head_h36m"),
    "head_top": ("headtop", "headtop_h36m"),
    "neck": ("neck_extra", "neck"),
}
"""Names in the convention of joints that are called otherwise here, the likeliest first."""

N_POINTS = 190


def looks_like_human_data(path: Path) -> bool:
    """Whether a file is an npz with HumanData's arrays."""
    if path.suffix != ".npz" or not path.is_file():
        return False
    try:
        names = read_arrays(path, ()).keys()
    except InputError:
        return False
    return "image_path" in names and ("__key_strict__" in names or "bbox_xywh" in names)


def read_human_data(path: Path) -> list[AnnotatedPerson]:
    """Reads a file; images are looked for beside it and in the two folders above.

    Raises:
        InputError: if it is missing, damaged, or lacks an array or has one of another shape.
    """
    content = _content(path)
    if content.get("image_path") is None:
        raise InputError(f"{path}: not HumanData; it lacks image_path")
    images = [str(image) for image in content["image_path"]]
    n = len(images)
    config = str(content.get("config", ""))
    boxes = content.get("bbox_xywh")
    points, joints = _points(path, content, "keypoints2d", 3), _points(path, content, "keypoints3d", 4)
    smpl = content.get("smpl") if isinstance(content.get("smpl"), dict) else None
    genders = content["meta"].get("gender") if isinstance(content.get("meta"), dict) else None
    try:
        checked_rows(path, "HumanData", n, bbox_xywh=boxes, keypoints2d=points, keypoints3d=joints)
        truths = [None] * n if not smpl else _smpl(path, smpl, genders, n)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not HumanData ({type(error).__name__}: {error})") from None
    people = []
    count: Counter[str] = Counter()
    for row, image in enumerate(images):
        two_d = None if points is None else chosen(points[row], keypoint_set_of(config))
        three_d = None if joints is None else chosen(joints[row], joint_set_of(config))
        people.append(
            AnnotatedPerson(
                image=image,
                image_path=found_image(path.parent, image),
                person=count[image],
                box_xywh=None if boxes is None else np.asarray(boxes[row][:4], dtype=np.float64),
                keypoint_set=None if two_d is None else keypoint_set_of(config),
                keypoints_px=None if two_d is None else two_d[0],
                keypoints_known=None if two_d is None else two_d[1],
                joint_set=None if three_d is None else joint_set_of(config),
                joints=None if three_d is None else three_d[0],
                joints_known=None if three_d is None else three_d[1],
                smpl=truths[row],
            )
        )
        count[image] += 1
    return people


def joint_set_of(config: str) -> Skeleton:
    """3D joint set of a data set by its name: Human3.6M's, or SMPL's."""
    return H36M_17 if "h36m" in config or "3dhp" in config else SMPL_24


def keypoint_set_of(config: str) -> Skeleton:
    """2D joint set of a data set by its name."""
    if "h36m" in config or "3dhp" in config:
        return H36M_17
    if "coco" in config:
        return COCO_17
    return LSP_14 if any(name in config for name in ("lsp", "up3d")) else SMPL_24


def chosen(points: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Points of one person in a skeleton's order, and whether each is known, from the 190 with confidences."""
    found, known = np.zeros((len(skeleton), points.shape[1] - 1)), np.zeros(len(skeleton), dtype=bool)
    for row, joint in enumerate(skeleton.joints):
        for name in _OTHER_NAMES.get(joint, (joint,)) if skeleton is not SMPL_24 else (_smpl_name(joint),):
            place = _PLACES[name]
            if points[place, -1] > 0 and not known[row]:
                found[row], known[row] = points[place, :-1], True
    return found, known


def _smpl_name(joint: str) -> str:
    return joint.replace("spine", "spine_")


def _content(path: Path) -> dict[str, Any]:
    """All entries of the file, also its dictionaries and lists."""
    found: dict[str, Any] = {}
    for name in read_arrays(path, ()):
        try:
            value = read_arrays(path, (name,))[name]
            found[name] = value.item() if value.ndim == 0 else value
        except InputError as error:
            if "Python objects" not in str(error):
                raise
            with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
                found[name] = read_object_array(file, path)
    return found


def _points(path: Path, content: dict[str, Any], name: str, size: int) -> np.ndarray | None:
    """(N, 190, size) points with confidences, the stored ones in their places; None without any."""
    key = next((key for key in (name, f"{name}_original", f"{name}_smpl") if key in content), None)
    if key is None:
        return None
    points, mask = np.asarray(content[key], dtype=np.float64), content.get(f"{key}_mask")
    if points.ndim != 3 or points.shape[2] != size:
        raise InputError(f"{path}: not HumanData; {key} has the shape {points.shape}, expected N × {N_POINTS} × {size}")
    places = np.arange(N_POINTS) if mask is None else np.flatnonzero(np.asarray(mask).ravel() > 0)
    if points.shape[1] == N_POINTS:
        points = points[:, places]
    if len(places) != points.shape[1] or (len(places) and places.max() >= N_POINTS):
        raise InputError(f"{path}: not HumanData; {key} has {points.shape[1]} points, and its mask {len(places)}")
    full = np.zeros((len(points), N_POINTS, size))
    full[:, places] = points
    return full


def _smpl(path: Path, smpl: dict[str, Any], genders: Any, n: int) -> list[SmplTruth | None]:
    poses = np.concatenate(
        [np.asarray(smpl[key], dtype=np.float64).reshape(n, -1, 3) for key in ("global_orient", "body_pose")], axis=1
    )
    betas = np.asarray(smpl["betas"], dtype=np.float64).reshape(n, -1)
    transl = None if smpl.get("transl") is None else np.asarray(smpl["transl"], dtype=np.float64).reshape(n, 3)
    names = ["neutral"] * n if genders is None else [gender_named(one) for one in np.asarray(genders).ravel()]
    if len(names) != n:
        raise InputError(f"{path}: not HumanData; {len(names)} genders for {n} images")
    return [SmplTruth(poses[i], betas[i], names[i], None if transl is None else transl[i]) for i in range(n)]
