"""Named joint sets ("skeletons") and the maps between them.

Joints of the same name are different points in different formats: a COCO hip is where an annotator saw the hip,
an SMPL hip is the rotation centre of the femur, a Human3.6M hip comes from a marker model and lies some six
centimetres further out. So every joint of a skeleton has the closest body *landmark*, and `approximate` lists
the joints whose landmark is known to be another point.

Left and right are the person's own (anatomical).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise


def mirrored_name(name: str) -> str:
    """Name of the same point on the other side of the body.

    Args:
        name: A joint or landmark name such as ``left_knee``, ``mouth_left`` or ``coco_left_hip``.

    Returns:
        The name with ``left`` and ``right`` exchanged; the name itself on the midline.
    """
    other = {"left": "right", "right": "left"}
    return "_".join(other.get(word, word) for word in name.split("_"))


@dataclass(frozen=True)
class Skeleton:
    """A joint set in the order of one format.

    Attributes:
        name: Lower-case key in `SKELETONS`.
        joints: Joint names, in the format's own order.
        landmarks: For each joint, the closest body landmark.
        edges: Bones for drawing, as pairs of joint indices.
        approximate: Names of joints whose landmark is *not* exactly the same point.
        source: Reference for the joint order.
    """

    name: str
    joints: tuple[str, ...]
    landmarks: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    approximate: frozenset[str]
    source: str

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def left_right_swap(self) -> tuple[int, ...]:
        """Index of each joint's mirror partner, for flipped images; for midline joints their own index."""
        return tuple(self.joints.index(mirrored_name(joint)) for joint in self.joints)

    def index(self, joint: str) -> int:
        """Index of a joint.

        Args:
            joint: Joint name.

        Returns:
            Its index in this skeleton's order.

        Raises:
            KeyError: If this skeleton has no such joint; the message lists the names.
        """
        if joint not in self.joints:
            raise KeyError(f"{self.name} has no joint {joint!r}; it has: {', '.join(self.joints)}")
        return self.joints.index(joint)

    def map_to(self, other: Skeleton, exact: bool = False) -> tuple[tuple[int, int], ...]:
        """Pairs this skeleton's joints with the joints of another one.

        Joints pair by name, or failing that by landmark (OpenPose's ``mid_hip`` and SMPL's ``pelvis``).

        Args:
            other: The skeleton to map to.
            exact: Keep only pairs that are the same point: same landmark, and neither joint approximate.

        Returns:
            Index pairs (in this skeleton, in the other), ordered by this skeleton.
        """
        pairs = []
        for i, (joint, landmark) in enumerate(zip(self.joints, self.landmarks, strict=True)):
            if joint in other.joints:
                j = other.joints.index(joint)
            elif landmark in other.landmarks and other.joints[other.landmarks.index(landmark)] not in self.joints:
                j = other.landmarks.index(landmark)
            else:
                continue
            same_point = (
                landmark == other.landmarks[j]
                and joint not in self.approximate
                and other.joints[j] not in other.approximate
            )
            if same_point or not exact:
                pairs.append((i, j))
        return tuple(pairs)


def _skeleton(
    name: str,
    joints: str,
    bones: str,
    source: str,
    landmarks: dict[str, str] | None = None,
    approximate: str = "",
) -> Skeleton:
    """Builds a skeleton from space-separated names; bones are chains such as ``hip-knee-ankle``."""
    names = tuple(joints.split())
    chosen = landmarks or {}
    edges = []
    for chain in bones.split():
        links = chain.split("-")
        edges += [(names.index(a), names.index(b)) for a, b in pairwise(links)]
    return Skeleton(
        name=name,
        joints=names,
        landmarks=tuple(chosen.get(joint, joint) for joint in names),
        edges=tuple(edges),
        approximate=frozenset(approximate.split()),
        source=source,
    )


_LIMB_POINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_LIMBS = tuple(f"{side}_{point}" for side in ("left", "right") for point in _LIMB_POINTS)
# In all sets annotated by hand on images, joints are taken in COCO's sense.
_CLICKED = {joint: f"coco_{joint}" for joint in _LIMBS}
# Marker models' joints lie elsewhere than SMPL's; see bodies/landmarks.py. MPI-INF-3DHP's pelvis, hips, spine and
# shoulders measure like Human3.6M's (hips 25 to 26 cm apart, 40 to 46 cm below the shoulders).
_MARKER_TORSO = {
    joint: f"marker_{joint}"
    for joint in ("pelvis", "left_hip", "right_hip", "left_shoulder", "right_shoulder", "spine")
}
_LIMB_BONES = (
    "left_shoulder-left_elbow-left_wrist right_shoulder-right_elbow-right_wrist "
    "left_hip-left_knee-left_ankle right_hip-right_knee-right_ankle"
)

SMPL_24 = _skeleton(
    "smpl24",
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    "left_hand right_hand",
    "pelvis-spine1-spine2-spine3-neck-head pelvis-left_hip-left_knee-left_ankle-left_foot "
    "pelvis-right_hip-right_knee-right_ankle-right_foot "
    "spine3-left_collar-left_shoulder-left_elbow-left_wrist-left_hand "
    "spine3-right_collar-right_shoulder-right_elbow-right_wrist-right_hand",
    source="smplx, joint_names.py: SMPL_JOINT_NAMES",
)

COCO_17 = _skeleton(
    "coco17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle",
    f"{_LIMB_BONES} left_shoulder-right_shoulder left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip "
    "nose-left_eye-left_ear nose-right_eye-right_ear",
    landmarks=_CLICKED,
    source="COCO person_keypoints annotations, categories[0].keypoints",
)

BODY_25 = _skeleton(
    "body25",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe "
    "left_small_toe left_heel right_big_toe right_small_toe right_heel",
    f"{_LIMB_BONES} neck-nose neck-mid_hip neck-left_shoulder neck-right_shoulder mid_hip-left_hip mid_hip-right_hip "
    "nose-left_eye-left_ear nose-right_eye-right_ear left_ankle-left_big_toe-left_small_toe left_ankle-left_heel "
    "right_ankle-right_big_toe-right_small_toe right_ankle-right_heel",
    landmarks={**_CLICKED, "neck": "neck_base", "mid_hip": "pelvis"},
    # OpenPose computes mid_hip as the midpoint of the two clicked hips; SMPL's pelvis joint is not there.
    approximate="mid_hip",
    source="OpenPose, pose_parameters_render / output.md: POSE_BODY_25_BODY_PARTS",
)

MEDIAPIPE_33 = _skeleton(
    "mediapipe33",
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
    "mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky "
    "right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle left_heel right_heel left_foot_index right_foot_index",
    f"{_LIMB_BONES} left_shoulder-right_shoulder left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip "
    "nose-left_eye_inner-left_eye-left_eye_outer-left_ear nose-right_eye_inner-right_eye-right_eye_outer-right_ear "
    "mouth_left-mouth_right left_wrist-left_pinky-left_index-left_wrist-left_thumb "
    "right_wrist-right_pinky-right_index-right_wrist-right_thumb left_ankle-left_heel-left_foot_index-left_ankle "
    "right_ankle-right_heel-right_foot_index-right_ankle",
    landmarks={
        **_CLICKED,
        "left_foot_index": "left_big_toe",
        "right_foot_index": "right_big_toe",
        "left_knee": "mediapipe_left_knee",
        "right_knee": "mediapipe_right_knee",
    },
    # BlazePose was annotated by its own rules ("hip" nearer the joint centre, one point for all toes).
    approximate="left_hip right_hip left_shoulder right_shoulder left_foot_index right_foot_index left_thumb "
    "right_thumb left_index right_index left_pinky right_pinky",
    source="mediapipe.solutions.pose.PoseLandmark",
)

LSP_14 = _skeleton(
    "lsp14",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder "
    "left_shoulder left_elbow left_wrist neck head_top",
    f"{_LIMB_BONES} neck-head_top neck-left_shoulder neck-right_shoulder left_shoulder-left_hip "
    "right_shoulder-right_hip left_hip-right_hip",
    landmarks=_CLICKED,
    # LSP's annotators clicked joint centres, and the throat for the neck.
    approximate="left_hip right_hip left_shoulder right_shoulder neck",
    source="Leeds Sports Pose, README: joints.mat",
)

H36M_17 = _skeleton(
    "h36m17",
    "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax jaw head_top left_shoulder "
    "left_elbow left_wrist right_shoulder right_elbow right_wrist",
    f"{_LIMB_BONES} pelvis-spine-thorax-jaw-head_top pelvis-left_hip pelvis-right_hip thorax-left_shoulder "
    "thorax-right_shoulder",
    landmarks={**_MARKER_TORSO, "thorax": "marker_thorax", "jaw": "marker_nose", "head_top": "marker_head"},
    approximate="pelvis left_hip right_hip spine thorax jaw head_top left_shoulder right_shoulder",
    source="Human3.6M, the 17 of 32 joints used since Martinez et al. 2017; index 9 is also called Neck/Nose",
)

MPI_INF_3DHP_17 = _skeleton(
    "mpi_inf_3dhp17",
    "head_top neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle pelvis spine head",
    f"{_LIMB_BONES} pelvis-spine-neck-head-head_top pelvis-left_hip pelvis-right_hip neck-left_shoulder "
    "neck-right_shoulder",
    landmarks={**_MARKER_TORSO, "neck": "marker_thorax"},
    approximate="head_top neck head pelvis spine left_hip right_hip left_shoulder right_shoulder",
    source="MPI-INF-3DHP test set, mpii_get_joint_set: 'relevant' (17 joints)",
)

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton for skeleton in (SMPL_24, COCO_17, BODY_25, MEDIAPIPE_33, LSP_14, H36M_17, MPI_INF_3DHP_17)
}


CANONICAL_KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
    *("left_ankle", "right_ankle", "left_big_toe", "right_big_toe", "left_heel", "right_heel"),
    *("neck", "pelvis", "spine", "head_top"),
)
"""Names of the keypoints that a regressor takes; a skeleton provides those it has."""


_SYNONYMS = {
    "left_foot_index": "left_big_toe",
    "right_foot_index": "right_big_toe",
    "mid_hip": "pelvis",
    "thorax": "neck",
}


def canonical_columns(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Indices of a skeleton's joints (first list) and of the same joints in `CANONICAL_KEYPOINTS` (second list)."""
    names = [_SYNONYMS.get(joint, joint) for joint in skeleton.joints]
    pairs = [(i, CANONICAL_KEYPOINTS.index(name)) for i, name in enumerate(names) if name in CANONICAL_KEYPOINTS]
    return [i for i, _ in pairs], [j for _, j in pairs]
