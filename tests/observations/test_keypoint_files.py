"""Keypoint files of other tools, in the forms that exist, and what is wrong with bad ones."""

import json
import math

import numpy as np
import pytest
import torch

from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.skeletons import BODY_25, COCO_17
from render_fit.observations.choice import choose_people
from render_fit.observations.keypoint_files import read_people
from render_fit.observations.keypoint_layouts import LAYOUTS
from tests.observations.files import SIZE, STANDING, standing, write_json


def coco_numbers(x: float, y: float, size: float = 10.0, flag: float = 2) -> list[float]:
    """17 keypoints on the diagonal of a square."""
    return [value for i in range(17) for value in (x + i * size / 16, y + i * size / 16, flag)]


def openpose_numbers(count: int) -> list[float]:
    return [value for i in range(count) for value in (1.0 + i, 2.0 + i, 0.9)]


@pytest.mark.parametrize("form", ["annotations", "list", "single", "results with scores"])
def test_coco_in_its_variants(tmp_path, form):
    entry = {"keypoints": coco_numbers(5, 10), "bbox": [4.0, 9.0, 20.0, 30.0], "category_id": 1}
    if form == "results with scores":
        entry["keypoints"] = coco_numbers(5, 10, flag=0.75)
    content = {"annotations": {"annotations": [entry]}, "single": entry}.get(form, [entry])
    (person,) = read_people(write_json(tmp_path / "k.json", content), SIZE)
    assert person.skeleton.name == "coco17"
    assert person.box == (4.0, 9.0, 20.0, 30.0)
    assert person.keypoints_px[0].tolist() == [5.0, 10.0]
    assert person.keypoints_px[16].tolist() == [15.0, 20.0]
    assert person.confidence.tolist() == [0.75 if form == "results with scores" else 1.0] * 17


def test_coco_visibility_flags(tmp_path):
    numbers = coco_numbers(5, 10)
    numbers[2], numbers[5], numbers[6:9] = 1, 0, [0, 0, 0]
    (person,) = read_people(write_json(tmp_path / "k.json", {"annotations": [{"keypoints": numbers}]}), SIZE)
    assert person.confidence.tolist() == [0.5, 0.0, 0.0, *[1.0] * 14]


MINE, OTHER = standing(COCO_17.joints, left=20), standing(COCO_17.joints)
FORMS_OF_MANY = {
    "COCO": {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b_12.jpg"}],
        "annotations": [{"image_id": 7, "keypoints": OTHER}, {"image_id": 8, "keypoints": MINE}],
    },
    "COCO with paths": {
        "images": [{"id": 7, "file_name": "train/a.jpg"}, {"id": 8, "file_name": "train\\b_12.jpg"}],
        "annotations": [{"image_id": 7, "keypoints": OTHER}, {"image_id": 8, "keypoints": MINE}],
    },
    "results by number": [{"image_id": 784, "keypoints": OTHER}, {"image_id": 12, "keypoints": MINE}],
    "results by number as text": [{"image_id": "784", "keypoints": OTHER}, {"image_id": "000012", "keypoints": MINE}],
    "AlphaPose": [{"image_id": "a.jpg", "keypoints": OTHER}, {"image_id": "b_12.jpg", "keypoints": MINE}],
    "other endings": [{"image_id": "a.png", "keypoints": OTHER}, {"image_id": "B_12.PNG", "keypoints": MINE}],
    "file_name": [{"file_name": "x/a.jpg", "keypoints": OTHER}, {"file_name": "x/b_12.jpg", "keypoints": MINE}],
    "by file name": {"a.jpg": [{"keypoints": OTHER}], "b_12.jpg": [{"keypoints": MINE}]},
    "by file name, OpenPose": {
        "a.jpg": {"people": [{"pose_keypoints_2d": OTHER}]},
        "b_12.jpg": {"people": [{"pose_keypoints_2d": MINE}]},
    },
    "frames": [
        {"file_name": "a.jpg", "instances": [{"keypoints": OTHER}]},
        {"file_name": "b_12.jpg", "instances": [{"keypoints": MINE}]},
    ],
}


@pytest.mark.parametrize("content", FORMS_OF_MANY.values(), ids=FORMS_OF_MANY)
def test_of_a_file_about_many_images_only_this_ones_people(tmp_path, content):
    path = write_json(tmp_path / "k.json", content)
    (person,) = read_people(path, SIZE, "b_12.jpg")
    assert person.keypoints_px[0].tolist() == MINE[:2]
    with pytest.raises(InputError, match=r"describes 2 images, but none of them is c\.jpg"):
        read_people(path, SIZE, "c.jpg")


def test_a_file_about_one_other_photo_is_refused_or_told(tmp_path):
    def about(name, **size):
        return {"images": [{"file_name": name, **size}], "annotations": [{"keypoints": MINE}]}

    for content in (about("a.jpg"), about("a.jpg", width=90, height=30), [{"image_id": "a.jpg", "keypoints": MINE}]):
        with pytest.raises(InputError, match=r"is about a\.jpg, not about c\.jpg"):
            read_people(write_json(tmp_path / "k.json", content), SIZE, "c.jpg")
    path = write_json(tmp_path / "k.json", about("a.jpg", width=60, height=40))
    (person,) = read_people(path, SIZE, "c.jpg")  # a photo that was renamed
    assert person.notes == ("k.json is about a photo of the name a.jpg, not c.jpg",)
    assert read_people(path, SIZE, "a.png")[0].notes == ()


@pytest.mark.parametrize("where", ["images", "top", "entry"])
def test_a_stated_size_is_compared_and_scaled(tmp_path, where):
    def file(width, height):
        size = {"width": width, "height": height}
        keypoints = standing(COCO_17.joints, scale=width / 60)
        if where == "images":
            return {"images": [{"id": 1, **size}], "annotations": [{"image_id": 1, "keypoints": keypoints}]}
        if where == "top":
            return {**size, "people": [{"pose_keypoints_2d": keypoints}]}
        return [{"keypoints": keypoints, "image_width": width, "image_height": height}]

    (same,) = read_people(write_json(tmp_path / "same.json", file(60, 40)), SIZE)
    for width, height in ((30, 20), (240, 160)):
        (scaled,) = read_people(write_json(tmp_path / "k.json", file(width, height)), SIZE)
        torch.testing.assert_close(scaled.keypoints_px, same.keypoints_px, atol=0.3, rtol=0)
        assert f"{width}×{height} px, but the photo has 60×40 px" in scaled.notes[0]
    assert same.notes == ()
    for width, height, hint in ((90, 40, "expected keypoints of this photo"), (40, 60, "rotated by its EXIF")):
        with pytest.raises(InputError, match=hint):
            read_people(write_json(tmp_path / "k.json", file(width, height)), SIZE)


@pytest.mark.parametrize("count, which", [(c, i) for c, layouts in LAYOUTS.items() for i in range(len(layouts))])
def test_every_known_order_is_recognised_by_its_limbs(tmp_path, count, which):
    layout = LAYOUTS[count][which]
    numbers = standing([joint if joint else "-" for joint in layout.joints])
    (person,) = read_people(write_json(tmp_path / "k.json", {"people": [{"pose_keypoints_2d": numbers}]}), SIZE)
    assert person.skeleton is layout.skeleton
    for joint, point, score in zip(
        person.skeleton.joints, person.keypoints_px.tolist(), person.confidence, strict=True
    ):
        if joint in layout.joints and joint in STANDING:
            assert point == [STANDING[joint][0] + 1, STANDING[joint][1] + 1] and score > 0, joint
    assert len(person.notes) == (which > 0)


FORMS_OF_SCORES = {
    "flat triples": {"keypoints": standing(COCO_17.joints)},
    "nested triples": {"keypoints": np.reshape(standing(COCO_17.joints), (17, 3)).tolist()},
    "pairs and scores": {
        "keypoints": np.reshape(standing(COCO_17.joints), (17, 3))[:, :2].tolist(),
        "keypoint_scores": [0.9] * 17,
    },
    "flat pairs and scores": {
        "keypoints": np.reshape(standing(COCO_17.joints), (17, 3))[:, :2].ravel().tolist(),
        "keypoints_scores": [0.9] * 17,
    },
    "per cent": {"keypoints": standing(COCO_17.joints, score=90)},
    "text": {"keypoints": [str(value) for value in standing(COCO_17.joints)]},
}


@pytest.mark.parametrize("entry", FORMS_OF_SCORES.values(), ids=FORMS_OF_SCORES)
def test_scores_in_the_forms_that_tools_write(tmp_path, entry):
    (person,) = read_people(write_json(tmp_path / "k.json", [entry]), SIZE)
    assert person.confidence.tolist() == pytest.approx([0.9] * 17)
    assert person.keypoints_px[0].tolist() == [11.0, 3.0]


@pytest.mark.parametrize("joints", [COCO_17.joints, BODY_25.joints])
def test_pairs_without_any_score_count_where_they_are(tmp_path, joints):
    pairs = np.reshape(standing(["-", *joints[1:]]), (-1, 3))[:, :2]
    (person,) = read_people(write_json(tmp_path / "k.json", {"people": [{"pose_keypoints_2d": pairs.tolist()}]}), SIZE)
    assert person.confidence.tolist() == [0.0, *[1.0] * (len(joints) - 1)]


@pytest.mark.parametrize("score", [1e-6, 1e-3, 0.04])
def test_scores_that_mean_not_observed_have_no_weight(tmp_path, score):
    numbers = standing(COCO_17.joints)
    numbers[15:18] = [59.0, 39.0, score]  # far from the person
    (person,) = read_people(write_json(tmp_path / "k.json", [{"keypoints": numbers}]), SIZE)
    assert float(person.confidence[5]) == 0.0
    assert person.box[0] + person.box[2] < 20
    with pytest.raises(InputError, match="scores under 0.05"):
        read_people(write_json(tmp_path / "k.json", [{"keypoints": standing(COCO_17.joints, score=score)}]), SIZE)


STAND_INS = {
    "zero": (0, 0, 0.9), "minus one": (-1, -1, -1), "null": (None, None, None), "not a number": (math.nan, 3, 0.9),
    "huge": (1e30, 1e30, 0.9), "outside": (61, 3, 0.9), "negative": (-3, 10, 0.9), "infinite": (3, math.inf, 0.9),
}  # fmt: skip


@pytest.mark.parametrize("values", STAND_INS.values(), ids=STAND_INS)
def test_values_that_stand_for_not_there_are_no_keypoints(tmp_path, values):
    numbers = standing(COCO_17.joints)
    numbers[9:12] = values
    (person,) = read_people(write_json(tmp_path / "k.json", [{"keypoints": numbers}]), SIZE)
    assert person.confidence.tolist() == pytest.approx([0.9] * 3 + [0.0] + [0.9] * 13)
    assert person.keypoints_px.isfinite().all()


def test_a_place_that_several_keypoints_share_stands_for_not_there(tmp_path):
    numbers = standing(COCO_17.joints)
    for joint in (1, 2, 3, 4):
        numbers[3 * joint : 3 * joint + 3] = [50.0, 30.0, 0.9]
    (person,) = read_people(write_json(tmp_path / "k.json", [{"keypoints": numbers}]), SIZE)
    assert person.confidence[1:5].tolist() == [0.0] * 4 and person.box[0] + person.box[2] < 20


def test_most_keypoints_outside_are_told(tmp_path):
    (person,) = read_people(write_json(tmp_path / "k.json", [{"keypoints": standing(COCO_17.joints, scale=4)}]), SIZE)
    assert "keypoints lie outside of the image of 60×40 px" in person.notes[0]


@pytest.mark.parametrize(
    "bbox, box",
    [
        ([5.0, 2.0, 20.0, 28.0], (5.0, 2.0, 20.0, 28.0)),
        ([35.0, 2.0, 56.0, 30.0], None),  # corners of a box beside the person
        ([6.0, 2.0, 58.0, 30.0], (6.0, 2.0, 52.0, 28.0)),  # corners: as width it would leave the image
        ([50.0, 30.0, 5.0, 5.0], None),
        ([1.0, 2.0, -3.0, 4.0], None),
        ([1.0, None, 3.0, 4.0], None),
        ([[1.0, 2.0, 3.0, 4.0]], None),
        ("1,2,3,4", None),
    ],
)
def test_boxes_that_contradict_the_keypoints_are_left(tmp_path, bbox, box):
    (person,) = read_people(
        write_json(tmp_path / "k.json", [{"keypoints": standing(COCO_17.joints), "bbox": bbox}]), SIZE
    )
    assert person.box == (box or (6.0, 2.0, 10.0, 24.0))


def test_openpose_body25(tmp_path):
    content = {"version": 1.2, "people": [{"pose_keypoints_2d": openpose_numbers(25), "face_keypoints_2d": []}]}
    (person,) = read_people(write_json(tmp_path / "k.json", content), SIZE)
    assert person.skeleton.name == "body25"
    assert person.keypoints_px[person.skeleton.index("mid_hip")].tolist() == [9.0, 10.0]
    assert person.confidence.tolist() == pytest.approx([0.9] * 25)
    assert person.box == (1.0, 2.0, 24.0, 24.0)


def test_openpose_coco18(tmp_path):
    content = {"people": [{"pose_keypoints_2d": openpose_numbers(18)}]}
    (person,) = read_people(write_json(tmp_path / "k.json", content), SIZE)
    # OpenPose output.md, POSE_COCO_BODY_PARTS: 8 RHip, 11 LHip, 13 LAnkle, 14 REye, 17 LEar
    for joint, index in {
        "neck": 1,
        "right_hip": 8,
        "left_hip": 11,
        "left_ankle": 13,
        "right_eye": 14,
        "left_ear": 17,
    }.items():
        assert person.keypoints_px[person.skeleton.index(joint)].tolist() == [1.0 + index, 2.0 + index]
    unseen = {person.skeleton.joints[i] for i in torch.nonzero(person.confidence == 0).flatten()}
    assert unseen == {
        "mid_hip", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
    }  # fmt: skip


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_byte_order_marks_are_skipped(tmp_path, mark):
    text = json.dumps([{"keypoints": MINE}])
    content = ("\ufeff" + text if mark == "utf-16-le" else text).encode(mark)
    (tmp_path / "k.json").write_bytes(content)
    assert len(read_people(tmp_path / "k.json", SIZE)) == 1


NULLS = {
    "people": {"people": None},
    "annotations": {"annotations": None},
    "a person's numbers": {"people": [{"pose_keypoints_2d": None}]},
    "no numbers": {"people": [{"pose_keypoints_2d": []}]},
    "no people": {"people": []},
    "no annotations": {"annotations": []},
    "only nulls": {"people": [None, None]},
    "a list of nulls": [None],
    "nothing": [],
}


@pytest.mark.parametrize("content", NULLS.values(), ids=NULLS)
def test_files_of_nobody(tmp_path, content):
    with pytest.raises(NoPersonError, match="lists no person"):
        read_people(write_json(tmp_path / "k.json", content), SIZE)


def test_nulls_and_broken_entries_do_not_cost_the_others(tmp_path):
    for lost in (None, {}, {"keypoints": None}, {"keypoints": [1.0] * 50}, {"keypoints": {"nose": [1, 2]}}):
        people = read_people(write_json(tmp_path / "k.json", {"annotations": [lost, {"keypoints": MINE}]}), SIZE)
        assert [person.keypoints_px[0].tolist() for person in people] == [MINE[:2]]
    assert "1 of its 2 people cannot be read" in people[0].notes[0]


@pytest.mark.parametrize(
    "content, message",
    [
        ({"annotations": [{"keypoints": [math.nan] * 51}]}, "no keypoint is usable"),
        ({"annotations": [{"keypoints": [0] * 51}]}, "no keypoint is usable"),
        ({"annotations": [{"keypoints": coco_numbers(1000, 1000)}]}, "outside the image"),
        ({"annotations": [{"keypoints": coco_numbers(0.2, 0.3, 0.5)}]}, "not coordinates between 0 and 1"),
        ({"annotations": [{"keypoints": [1.0] * 50}]}, "no keypoint is usable"),  # 25 pairs at one place
        ({"annotations": [{"keypoints": [1.0] * 33}]}, "expected 14 .*17 .COCO"),
        ({"annotations": [{"keypoints": ["a"] * 51}]}, "not a list of numbers"),
        ({"annotations": [{"keypoints": standing(COCO_17.joints, score=-0.4)}]}, "expected 0 to 1 .* not a depth"),
        ({"annotations": [{"keypoints": standing(COCO_17.joints, score=250)}]}, "scores from 250 to 250"),
        ({"annotations": [{"keypoints": MINE, "keypoint_scores": [1.0] * 5}]}, "5 scores for 25.5 keypoints"),
        ({"people": [{"pose_keypoints_2d": [1.0] * 33}]}, "11 keypoints a person; expected 14"),
        ({"people": 5}, "expected OpenPose's 'people' or COCO's 'annotations'"),
        ({"people": [5]}, "expected OpenPose's 'people' or COCO's 'annotations'"),
        ({"hello": 1}, "expected OpenPose's 'people' or COCO's 'annotations'"),
        ([1, 2, 3], "expected OpenPose's 'people' or COCO's 'annotations'"),
        ("text", "expected OpenPose's 'people' or COCO's 'annotations'"),
    ],
)
def test_bad_keypoint_files(tmp_path, content, message):
    path = write_json(tmp_path / "k.json", content)
    with pytest.raises(InputError, match=message) as caught:
        read_people(path, SIZE)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def mutated(content, rng, depth=0):
    """A JSON value with some of its parts replaced by values of other types."""
    if rng.random() < (0.05 if depth else 0.0):
        return rng.choice([None, "", "x", 5, -1.5, True, [], {}, [None], {"people": None}, 10**400])
    if isinstance(content, dict):
        kept = [key for key in content if rng.random() > 0.05]
        return {key: mutated(content[key], rng, depth + 1) for key in kept}
    if isinstance(content, list) and len(content) < 40:
        return [mutated(one, rng, depth + 1) for one in content]
    return content


@pytest.mark.parametrize("form", FORMS_OF_MANY)
def test_no_json_shape_is_trusted(tmp_path, form):
    import random

    rng = random.Random(form)
    path = tmp_path / "k.json"
    for _ in range(150):
        write_json(path, mutated(FORMS_OF_MANY[form], rng))
        try:
            assert read_people(path, SIZE, "b_12.jpg")
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error)


def test_files_that_are_no_json(tmp_path):
    path = tmp_path / "k.json"
    for content, message in {
        b"{": "not a readable JSON file",
        b"<!DOCTYPE html><html>": "web page",
        b"": "empty",
        b"\x89PNG\r\n\x1a\n\0\xff": "PNG image",
        b"version https://git-lfs.github.com/spec/v1\n": "Git LFS",
        b"[" * 200_000: "not a readable JSON file",
        b"\xff\xfe\xff": "no text",
    }.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_people(path, SIZE)
    with pytest.raises(InputError, match="no such file"):
        read_people(tmp_path / "other.json", SIZE)
    with pytest.raises(InputError, match="is a folder"):
        read_people(tmp_path, SIZE)


@pytest.fixture
def three_people(tmp_path):
    """A small one on the left, a large one on the right, and one without usable keypoints between them."""
    entries = [coco_numbers(2, 2, 8), [0] * 51, coco_numbers(30, 5, 25)]
    return read_people(write_json(tmp_path / "k.json", [{"keypoints": numbers} for numbers in entries]), SIZE)


def test_choosing_people(three_people):
    def chosen(*args):
        return [person.index for person in choose_people(three_people, *args)]

    assert chosen() == [2]
    assert chosen("largest") == [2]
    assert chosen("all") == [0, 2]
    assert chosen(0) == [0]
    assert chosen("largest", (0.0, 0.0, 12.0, 12.0)) == [0]
    with pytest.raises(InputError, match=r"person 1: .* \[0, 2\]"):
        chosen(1)
    with pytest.raises(NoPersonError, match="box 20,30,5,5: none of the 2 people"):
        chosen("all", (20.0, 30.0, 5.0, 5.0))


@pytest.mark.parametrize("name", ["²", "٣", "9" * 5000, " 7 ", "\ud800"])
def test_names_of_images_that_look_like_numbers_are_names(tmp_path, name):
    entry = {"keypoints": coco_numbers(5, 10), "image_id": name}
    path = write_json(tmp_path / "k.json", [entry, {**entry, "image_id": "other.png"}])
    if name == " 7 ":
        assert len(read_people(path, SIZE, "photo_7.png")) == 1
    with pytest.raises(InputError, match=r"2 images, but none of them is photo\.png"):
        read_people(path, SIZE, "photo.png")
