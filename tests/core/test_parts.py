"""Label orders, emission matrices, and the person's left and right."""

import numpy as np
import pytest
import torch

from render_fit.core.parts import (
    ATR,
    BACKGROUND_ROW,
    DENSEPOSE_24,
    LIP,
    NBF_12,
    PART_SPACES,
    PASCAL,
    SMPL_24_PARTS,
    part_space,
    voc_colours,
)
from render_fit.core.skeletons import SMPL_24, mirrored_name
from render_fit.observations.label_maps import read_labels


def row(joint: str) -> int:
    return SMPL_24.index(joint)


# Orders as published: SCHP simple_extractor.py (ATR, LIP, PASCAL), DensePose data_format.md, NBF's colour map.
@pytest.mark.parametrize(
    "space, count, at",
    [
        (ATR, 18, {1: "hat", 4: "upper-clothes", 9: "left-shoe", 11: "face", 14: "left-arm", 16: "bag"}),
        (LIP, 20, {2: "hair", 7: "coat", 9: "pants", 13: "face", 14: "left-arm", 17: "right-leg", 19: "right-shoe"}),
        (PASCAL, 7, {1: "head", 2: "torso", 3: "upper arms", 4: "lower arms", 6: "lower legs"}),
        (
            DENSEPOSE_24,
            25,
            {3: "right hand", 4: "left hand", 5: "left foot", 9: "right upper leg front", 24: "left head"},
        ),
        (NBF_12, 13, {1: "head", 2: "upper torso", 7: "neck", 8: "lower torso", 12: "right lower leg"}),
        (SMPL_24_PARTS, 25, {0: "background", 1: "pelvis", 16: "head", 24: "right_hand"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_label_order_is_the_published_one(space, count, at):
    assert len(space) == count == len(space.colours)
    assert {i: space.labels[i] for i in at} == at
    assert space.labels[0] == "background"


@pytest.mark.parametrize("space", PART_SPACES.values(), ids=lambda space: space.name)
def test_emission_rows_are_probabilities_with_a_floor(space):
    assert space.emission.shape == (25, len(space))
    torch.testing.assert_close(space.emission.sum(dim=1), torch.ones(25))
    assert float(space.emission.min()) >= 0.02 / len(space) - 1e-7
    assert int(space.emission[BACKGROUND_ROW].argmax()) == 0


@pytest.mark.parametrize("space", PART_SPACES.values(), ids=lambda space: space.name)
def test_emission_is_mirror_symmetric(space):
    """A mirrored body has the mirrored labels: swapping sides in rows and columns changes nothing."""

    def mirrored_label(label: str) -> str:
        for separator in ("-", " ", "_"):
            words = label.split(separator)
            if words[0] in ("left", "right"):
                return separator.join([mirrored_name(words[0]), *words[1:]])
        return label

    columns = [space.labels.index(mirrored_label(label)) for label in space.labels]
    rows = [*SMPL_24.left_right_swap, BACKGROUND_ROW]
    torch.testing.assert_close(space.emission[rows][:, columns], space.emission)


@pytest.mark.parametrize(
    "space, joint, label",
    [
        (ATR, "left_wrist", "left-arm"),
        (ATR, "right_ankle", "right-shoe"),
        (ATR, "spine3", "upper-clothes"),
        (LIP, "right_hand", "right-arm"),
        (LIP, "left_hip", "pants"),
        (LIP, "head", "face"),
        (PASCAL, "left_knee", "lower legs"),
        (NBF_12, "left_elbow", "left lower arm"),
        (NBF_12, "right_hip", "right upper leg"),
        (DENSEPOSE_24, "right_foot", "right foot"),
        (SMPL_24_PARTS, "left_knee", "left_knee"),
    ],
    ids=str,
)
def test_most_likely_label_of_a_part(space, joint, label):
    assert space.labels[int(space.emission[row(joint)].argmax())] == label


def test_a_skirt_covers_thighs_and_background_but_no_head():
    skirt = ATR.emission[:, ATR.labels.index("skirt")]
    floor = 0.02 / 18
    assert skirt[row("left_hip")] > 10 * skirt[row("head")]
    assert skirt[BACKGROUND_ROW] > 5 * floor
    assert skirt[row("head")] == pytest.approx(floor)


def test_a_coat_covers_arms_torso_and_thighs():
    coat = LIP.emission[:, LIP.labels.index("coat")]
    for joint in ("left_shoulder", "left_elbow", "spine3", "right_hip"):
        assert coat[row(joint)] > 0.08
    assert coat[row("left_foot")] < 0.01


def test_a_bag_is_no_person():
    assert ATR.labels.index("bag") not in ATR.person_labels
    assert len(ATR.person_labels) == 16


def test_claims_are_shares_of_a_row():
    body = "torso 1, pelvis 1, thigh 1, shin 1, foot 1, collar 1, upper_arm 1, forearm 1, hand 1, neck 1, head 1"
    space = part_space("two", {"background": f"{body}, background 3", "leg": "thigh 3, background 1"})
    # 2 % outliers over two labels: 0.98 * 1/4 + 0.01 and 0.98 * 3/4 + 0.01
    assert float(space.emission[BACKGROUND_ROW, 1]) == pytest.approx(0.255)
    assert float(space.emission[row("left_hip"), 1]) == pytest.approx(0.745)
    assert float(space.emission[row("left_knee"), 1]) == pytest.approx(0.01)


def test_voc_colours():
    # PASCAL VOC devkit: background, aeroplane, bicycle, bird, boat, bottle ... person (15)
    assert voc_colours(6) == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128))
    assert voc_colours(16)[15] == (192, 128, 128)


def test_left_in_lip_and_atr_maps_is_the_persons_left(shared_data):
    """A man in profile who faces the right edge of the image shows his right side.

    His nearer arm ends nearer to his chest in the image; the arm stretched further out is the far one, his left.
    """
    size = (1333, 2000)
    labels = read_labels(shared_data / "parsing" / "demo_lip.png", "lip", size).labels
    columns = {
        side: torch.nonzero(labels == LIP.labels.index(f"{side}-arm"))[:, 1].float().mean()
        for side in ("left", "right")
    }
    assert columns["left"] > columns["right"] + 200
    atr = read_labels(shared_data / "parsing" / "demo_atr.png", "atr", size).labels
    near_hand = (labels == LIP.labels.index("right-arm")) & (atr > 0)
    assert float((atr[near_hand] == ATR.labels.index("right-arm")).float().mean()) > 0.8


def test_left_in_octopus_colour_maps_is_the_persons_left(shared_data):
    """Frame 0 faces the camera: his left arm and left shoe are on the right of the image."""
    labels = read_labels(shared_data / "octopus" / "segmentations" / "0000.png", "lip", (1080, 1080)).labels
    for part in ("arm", "shoe"):
        left, right = (
            float(torch.nonzero(labels == LIP.labels.index(f"{side}-{part}"))[:, 1].float().mean())
            for side in ("left", "right")
        )
        assert left > right
    assert set(np.unique(labels.numpy())) == {0, 2, 5, 9, 10, 13, 14, 15, 18, 19}


def test_emission_explains_a_real_person(shared_data):
    """Labels near OpenPose's keypoints of the octopus frame are likely under the part at that keypoint."""
    found = read_labels(shared_data / "octopus" / "segmentations" / "0000.png", "lip", (1080, 1080))
    labels, space = found.labels, found.part_space
    # pixels of frame 0, read off its keypoints file: right elbow, left knee, mid hip, nose
    for joint, (x, y) in {
        "right_elbow": (336, 407),
        "left_knee": (531, 788),
        "pelvis": (504, 564),
        "head": (507, 198),
    }.items():
        assert space.emission[row(joint), labels[y, x]] > 0.25
