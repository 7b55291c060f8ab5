"""Joint orders, mirror maps and joint maps."""

import json

import pytest

from render_fit.core.skeletons import (
    BODY_25,
    COCO_17,
    H36M_17,
    LSP_14,
    MEDIAPIPE_33,
    MPI_INF_3DHP_17,
    SKELETONS,
    SMPL_24,
    mirrored_name,
)

# Indices as published: smplx joint_names.py; COCO person_keypoints categories; OpenPose output.md;
# mediapipe PoseLandmark; LSP README; Human3.6M/MPI-INF-3DHP as listed in mmhuman3d's keypoints_mapping.
PUBLISHED = [
    (
        SMPL_24,
        24,
        {0: "pelvis", 4: "left_knee", 12: "neck", 15: "head", 16: "left_shoulder", 21: "right_wrist"},
    ),
    (
        COCO_17,
        17,
        {0: "nose", 1: "left_eye", 5: "left_shoulder", 10: "right_wrist", 11: "left_hip", 16: "right_ankle"},
    ),
    (
        BODY_25,
        25,
        {
            1: "neck",
            2: "right_shoulder",
            8: "mid_hip",
            14: "left_ankle",
            19: "left_big_toe",
            24: "right_heel",
        },
    ),
    (
        MEDIAPIPE_33,
        33,
        {7: "left_ear", 11: "left_shoulder", 24: "right_hip", 28: "right_ankle", 31: "left_foot_index"},
    ),
    (LSP_14, 14, {0: "right_ankle", 5: "left_ankle", 6: "right_wrist", 12: "neck", 13: "head_top"}),
    (
        H36M_17,
        17,
        {0: "pelvis", 1: "right_hip", 8: "thorax", 10: "head_top", 11: "left_shoulder", 16: "right_wrist"},
    ),
    (MPI_INF_3DHP_17, 17, {0: "head_top", 2: "right_shoulder", 10: "right_ankle", 14: "pelvis", 16: "head"}),
]


@pytest.mark.parametrize("skeleton, count, at", PUBLISHED, ids=lambda value: getattr(value, "name", ""))
def test_order_is_the_published_one(skeleton, count, at):
    assert len(skeleton) == count == len(skeleton.landmarks) == len(set(skeleton.joints))
    assert {i: skeleton.joints[i] for i in at} == at


def test_left_right_swap_of_lsp_matches_the_published_flip():
    # SPIN constants.py, J24_FLIP_PERM[:14]
    assert LSP_14.left_right_swap == (5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13)


def test_left_right_swap_of_smpl_matches_the_published_flip():
    # SPIN constants.py, SMPL_JOINTS_FLIP_PERM
    assert SMPL_24.left_right_swap == (
        0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22,
    )  # fmt: skip


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_landmarks_and_approximations_are_mirror_symmetric(skeleton):
    for joint, landmark, partner in zip(skeleton.joints, skeleton.landmarks, skeleton.left_right_swap):
        assert mirrored_name(landmark) == skeleton.landmarks[partner]
        assert (joint in skeleton.approximate) == (skeleton.joints[partner] in skeleton.approximate)
    assert skeleton.approximate <= set(skeleton.joints)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_bones_reach_every_joint_of_the_limbs(skeleton):
    drawn = {i for edge in skeleton.edges for i in edge}
    limbs = [
        i for i, joint in enumerate(skeleton.joints) if joint.split("_")[-1] in ("elbow", "wrist", "knee", "ankle")
    ]
    assert set(limbs) <= drawn
    assert len(limbs) == 8


def test_lsp_from_h36m_is_the_published_selection():
    # SPIN constants.py, H36M_TO_J14 without its neck (thorax there) and head top
    pairs = dict(LSP_14.map_to(H36M_17))
    assert [pairs[i] for i in range(12)] == [3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13]


def test_exact_maps_drop_approximate_joints():
    inexact = {(COCO_17.joints[i], SMPL_24.joints[j]) for i, j in COCO_17.map_to(SMPL_24)}
    assert ("left_hip", "left_hip") in inexact
    assert COCO_17.map_to(SMPL_24, exact=True) == ()
    exact = {BODY_25.joints[i] for i, _ in BODY_25.map_to(COCO_17, exact=True)}
    assert exact == set(COCO_17.joints)


def test_mid_hip_maps_to_pelvis_by_landmark_only_approximately():
    assert (8, 0) in BODY_25.map_to(SMPL_24)
    assert (8, 0) not in BODY_25.map_to(SMPL_24, exact=True)


def test_unknown_joint_names_the_known_ones():
    with pytest.raises(KeyError, match="lsp14 has no joint 'nose'.*head_top"):
        LSP_14.index("nose")


@pytest.mark.parametrize(
    "file, skeleton, renamed",
    [
        ("h36m/S7_Greeting.55011271_000396.json", H36M_17, {"neck_base": "jaw"}),
        ("mpi_inf_3dhp/S4_Seq2_Cam0_001033.json", MPI_INF_3DHP_17, {}),
    ],
)
def test_orders_match_the_datasets(shared_data, file, skeleton, renamed):
    names = json.loads((shared_data / file).read_text())["joint_names"]
    assert tuple(renamed.get(name, name) for name in names) == skeleton.joints
