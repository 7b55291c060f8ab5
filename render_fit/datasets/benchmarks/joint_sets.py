"""Joint sets of the benchmark formats that are no skeletons of their own: unions of several data sets' joints.

The same name is another point in another data set, so a union exists once for each origin of its joints.
"""

from __future__ import annotations

from render_fit.core.skeletons import COCO_17, H36M_17, LSP_14, MPI_INF_3DHP_17, Skeleton

LIMBS = tuple(
    f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)
"""The 12 joints that all data sets have."""

PUBLISHED_14 = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist", "right_elbow"),
    *("right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck", "head_top"),
)
"""The 14 joints of published MPJPE on Human3.6M and 3DPW since HMR (SPIN, constants.py: J24_TO_J14), by these names."""

_SPIN_24 = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist", "right_elbow"),
    *("right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck", "lsp_head_top", "pelvis", "thorax"),
    *("spine", "jaw", "head_top", "nose", "left_eye", "right_eye", "left_ear", "right_ear"),
)


def _union(name: str, joints: tuple[str, ...], source: str, origin: Skeleton, **landmarks: str) -> Skeleton:
    """A joint set whose joints are points of another skeleton, or landmarks of the body where that has none."""
    of_origin = dict(zip(origin.joints, origin.landmarks, strict=True)) | landmarks
    return Skeleton(
        name=name,
        joints=joints,
        landmarks=tuple(of_origin.get(joint, joint) for joint in joints),
        edges=(),
        approximate=frozenset(joint for joint in joints if joint in origin.approximate),
        source=source,
    )


_EXTRA = {"lsp_head_top": "head_top", "neck": "neck_base", "thorax": "neck_base", "jaw": "chin"}

SPIN_CLICKED = _union(
    "spin24_clicked", _SPIN_24, "SPIN, constants.py: JOINT_NAMES[25:]; clicked on images", LSP_14, **_EXTRA
)
SPIN_H36M = _union(
    "spin24_h36m",
    _SPIN_24,
    "SPIN, datasets/preprocess/h36m.py: global_idx",
    H36M_17,
    **(_EXTRA | {"neck": "marker_thorax", "jaw": "marker_nose", "head_top": "marker_head"}),
)
SPIN_3DHP = _union(
    "spin24_mpi_inf_3dhp",
    _SPIN_24,
    "SPIN, datasets/preprocess/mpi_inf_3dhp.py: joints17_idx, joints_idx",
    MPI_INF_3DHP_17,
    **(_EXTRA | {"neck": "marker_thorax", "jaw": "head"}),
)
SPIN_COCO = _union("spin24_coco", _SPIN_24, "SPIN, datasets/preprocess/coco.py", COCO_17, **_EXTRA)
