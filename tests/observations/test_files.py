"""Masks, label maps and keypoint files of other tools, in the variants that exist, and what is wrong with bad ones."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.parts import LIP, voc_colours
from render_fit.observations.files import choose_people, read_labels, read_mask, read_people

SIZE = (40, 60)


def write_image(path, array, mode=None):
    Image.fromarray(array, mode).save(path)
    return path


def square(value, dtype=np.uint8):
    """``value`` in a square of 10 × 10 pixels, 0 elsewhere."""
    array = np.zeros(SIZE, dtype=dtype)
    array[10:20, 30:40] = value
    return array


@pytest.mark.parametrize(
    "array",
    [
        square(1),
        square(255),
        square(7),
        square(65535, np.uint16),
        square(1, np.uint16),
        np.stack([square(255)] * 3, axis=2),
        np.stack([np.full(SIZE, 90, np.uint8)] * 3 + [square(255)], axis=2),  # a cut-out: colour and alpha
        np.stack([square(200), square(200), square(0), np.full(SIZE, 255, np.uint8)], axis=2),
    ],
    ids=["0/1", "0/255", "0/7", "16-bit", "16-bit 0/1", "RGB", "cut-out", "opaque RGBA"],
)
def test_masks_of_any_depth(tmp_path, array):
    mask = read_mask(write_image(tmp_path / "mask.png", array), SIZE)
    assert mask.dtype == torch.float32
    assert float(mask.sum()) == 100.0
    assert mask[10:20, 30:40].min() == 1.0


def test_one_bit_mask(tmp_path):
    Image.fromarray(square(255)).convert("1").save(tmp_path / "mask.png")
    assert float(read_mask(tmp_path / "mask.png", SIZE).sum()) == 100.0


def test_soft_mask_keeps_its_levels(tmp_path):
    array = square(255)
    array[10, 30] = 51
    mask = read_mask(write_image(tmp_path / "mask.png", array), SIZE)
    assert mask[10, 30] == pytest.approx(0.2)
    assert mask[15, 35] == 1.0


@pytest.mark.parametrize(
    "array, message",
    [
        (square(0), "empty"),
        (np.full(SIZE, 255, np.uint8), "covers the whole image"),
        (np.zeros((40, 61), np.uint8), "61×40 px but the image is 60×40 px"),
        (np.zeros((60, 40), np.uint8), "EXIF"),
    ],
    ids=["empty", "full", "other size", "turned"],
)
def test_bad_masks(tmp_path, array, message):
    path = write_image(tmp_path / "mask.png", array)
    with pytest.raises(InputError, match=message) as caught:
        read_mask(path, SIZE)
    assert str(caught.value).startswith(str(path))


def test_labels_as_numbers_palette_and_colours(tmp_path):
    shirt, shoe = LIP.labels.index("upper-clothes"), LIP.labels.index("right-shoe")
    numbers = square(shirt)
    numbers[19, 39] = shoe
    write_image(tmp_path / "grey.png", numbers)
    palette = Image.fromarray(numbers, "P")
    palette.putpalette([value for colour in voc_colours(20) for value in colour])
    palette.save(tmp_path / "palette.png")
    write_image(tmp_path / "colours.png", np.array(LIP.colours, dtype=np.uint8)[numbers])
    write_image(tmp_path / "voc.png", np.array(voc_colours(20), dtype=np.uint8)[numbers])
    rounded = np.array(LIP.colours, dtype=np.int64)[numbers] - 1
    write_image(tmp_path / "rounded.png", rounded.clip(0).astype(np.uint8))
    for name in ("grey", "palette", "colours", "voc", "rounded"):
        labels, space = read_labels(tmp_path / f"{name}.png", "LIP", SIZE)
        assert space is LIP
        assert labels.dtype == torch.int64
        assert (labels.numpy() == numbers).all(), name


def test_bad_label_maps(tmp_path):
    path = write_image(tmp_path / "labels.png", square(30))
    with pytest.raises(
        InputError, match="unknown label space; known are smpl24, nbf12, nbf12-outline, atr, lip, pascal, densepose24"
    ):
        read_labels(path, "clothes", SIZE)
    with pytest.raises(InputError, match="has label 30, but atr has labels 0 to 17"):
        read_labels(path, "atr", SIZE)
    with pytest.raises(InputError, match="empty"):
        read_labels(write_image(tmp_path / "none.png", square(0)), "atr", SIZE)
    coloured = np.stack([square(1), square(200), square(77)], axis=2)
    with pytest.raises(InputError, match=r"colours that are not atr's, such as \(1, 200, 77\)"):
        read_labels(write_image(tmp_path / "wild.png", coloured), "atr", SIZE)


def coco_numbers(x: float, y: float, size: float = 10.0, flag: float = 2) -> list[float]:
    """17 keypoints on the diagonal of a square."""
    return [value for i in range(17) for value in (x + i * size / 16, y + i * size / 16, flag)]


def openpose_numbers(count: int) -> list[float]:
    return [value for i in range(count) for value in (1.0 + i, 2.0 + i, 0.9)]


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


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


def test_coco_file_about_many_images(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "annotations": [
            {"image_id": 7, "keypoints": coco_numbers(5, 10)},
            {"image_id": 8, "keypoints": coco_numbers(20, 20)},
        ],
    }
    path = write_json(tmp_path / "k.json", content)
    (person,) = read_people(path, SIZE, "b.jpg")
    assert person.keypoints_px[0].tolist() == [20.0, 20.0]
    with pytest.raises(InputError, match=r"none of them is c\.jpg"):
        read_people(path, SIZE, "c.jpg")


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


def test_unusable_keypoints_get_confidence_zero(tmp_path):
    numbers = coco_numbers(5, 10)
    numbers[0] = math.nan
    numbers[4] = math.inf
    numbers[6:9] = [-3.0, 10.0, 2]
    numbers[9:12] = [5.0, 41.0, 2]
    numbers[12:15] = [0, 0, 2]
    (person,) = read_people(write_json(tmp_path / "k.json", {"annotations": [{"keypoints": numbers}]}), SIZE)
    assert person.confidence.tolist() == [0.0] * 5 + [1.0] * 12
    assert person.keypoints_px.isfinite().all()


@pytest.mark.parametrize(
    "content, message",
    [
        ({"annotations": [{"keypoints": [math.nan] * 51}]}, "no keypoint is usable"),
        ({"annotations": [{"keypoints": [0] * 51}]}, "no keypoint is usable"),
        ({"annotations": [{"keypoints": coco_numbers(1000, 1000)}]}, "outside the image"),
        ({"annotations": [{"keypoints": coco_numbers(0.2, 0.3, 0.5)}]}, "not coordinates between 0 and 1"),
        ({"annotations": [{"keypoints": [1.0] * 50}]}, "expected 17"),
        ({"annotations": [{"keypoints": ["a"] * 51}]}, "not a list of numbers"),
        ({"people": [{"pose_keypoints_2d": [1.0] * 45}]}, "15 keypoints a person; expected 25"),
        ({"people": []}, "lists no person"),
        ({"annotations": []}, "lists no person"),
        ({"hello": 1}, "expected OpenPose's 'people' or COCO's 'annotations'"),
        ([1, 2, 3], "expected OpenPose's 'people' or COCO's 'annotations'"),
    ],
)
def test_bad_keypoint_files(tmp_path, content, message):
    path = write_json(tmp_path / "k.json", content)
    with pytest.raises(InputError, match=message) as caught:
        read_people(path, SIZE)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_json(tmp_path):
    (tmp_path / "k.json").write_text("{")
    with pytest.raises(InputError, match="not a readable JSON file"):
        read_people(tmp_path / "k.json", SIZE)
    with pytest.raises(InputError, match="no such file"):
        read_people(tmp_path / "other.json", SIZE)


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
