"""A mask cut along the keypoints' bones."""

import torch

from render_fit.core.parts import NBF_12
from render_fit.core.skeletons import BODY_25, COCO_17
from render_fit.observations.parts_from_keypoints import parts_from_keypoints

# A person of 170 px (1 px per cm) who faces the camera, arms out: their left is on the picture's right.
POINTS = {
    "nose": (100, 22), "left_eye": (103, 19), "right_eye": (97, 19), "left_ear": (107, 21), "right_ear": (93, 21),
    "left_shoulder": (118, 45), "right_shoulder": (82, 45), "left_elbow": (144, 45), "right_elbow": (56, 45),
    "left_wrist": (169, 45), "right_wrist": (31, 45), "left_hip": (110, 93), "right_hip": (90, 93),
    "left_knee": (110, 131), "right_knee": (90, 131), "left_ankle": (110, 171), "right_ankle": (90, 171),
    "neck": (100, 45), "mid_hip": (100, 93),
}  # fmt: skip


def person(skeleton):
    points = torch.tensor([POINTS.get(joint, (0, 0)) for joint in skeleton.joints], dtype=torch.float32)
    confidence = torch.tensor([1.0 if joint in POINTS else 0.0 for joint in skeleton.joints])
    return points, confidence


def name_at(labels, x, y):
    return NBF_12.labels[int(labels[y, x])]


def test_parts_follow_the_bones():
    mask = torch.ones(185, 200)
    mask[:, :5] = 0
    for skeleton in (COCO_17, BODY_25):
        labels = parts_from_keypoints(mask, *person(skeleton), skeleton)
        at = {
            (100, 12): "head",
            (100, 60): "upper torso",
            (100, 85): "lower torso",
            (130, 45): "left upper arm",
            (160, 45): "left lower arm",
            (178, 45): "left lower arm",  # the hand
            (70, 45): "right upper arm",
            (20, 45): "right lower arm",
            (112, 115): "left upper leg",
            (88, 150): "right lower leg",
            (112, 176): "left lower leg",  # the foot
            (2, 45): "background",
        }
        assert {place: name_at(labels, *place) for place in at} == at


def test_only_the_mask_is_labelled():
    mask = torch.zeros(185, 200)
    mask[50:90, 90:110] = 0.9
    labels = parts_from_keypoints(mask, *person(COCO_17), COCO_17)
    assert ((labels > 0) == (mask > 0.5)).all()


def test_limbs_without_keypoints_have_no_part():
    points, confidence = person(COCO_17)
    for joint in ("left_knee", "left_ankle"):
        confidence[COCO_17.index(joint)] = 0.1
    labels = parts_from_keypoints(torch.ones(185, 200), points, confidence, COCO_17)
    present = {NBF_12.labels[i] for i in labels.unique()}
    assert "left upper leg" not in present
    assert "left lower leg" not in present
    assert "right upper leg" in present


def test_too_few_keypoints_give_no_part_map():
    points, confidence = person(COCO_17)
    assert parts_from_keypoints(torch.ones(185, 200), points, torch.zeros(17), COCO_17) is None
    confidence[5:] = 0
    assert parts_from_keypoints(torch.ones(185, 200), points, confidence, COCO_17) is None
