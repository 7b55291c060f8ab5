"""Masks are read by what their pixels are: every encoding that tools write, and what is wrong with bad ones."""

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.core.errors import InputError
from render_fit.core.parts import voc_colours
from render_fit.observations.mask_images import hidden_pixels, person_mask, read_mask_image
from tests.observations.files import SIZE, square, write_image, write_palette

ON_PERSON = torch.tensor([[35.0, 15.0], [32.0, 12.0], [38.0, 18.0]])
SURE = torch.ones(3)


def read_mask(path, image_size=SIZE):
    return person_mask(read_mask_image(path, image_size), ON_PERSON, SURE)


def ramp(top, dtype=np.uint8):
    """A soft mask: the square, with an edge of many levels around it."""
    soft = square(1.0, np.float64)
    for step in range(1, 6):
        ring = np.zeros(SIZE, dtype=bool)
        ring[10 - step : 20 + step, 30 - step : 40 + step] = True
        soft[ring & (soft == 0)] = 0.45 - 0.08 * step
    noise = np.random.default_rng(0).random(SIZE) * 0.04
    soft = np.where(soft > 0, np.clip(soft - noise, 0, 1), 0)
    soft[12:18, 32:38] = 1
    return np.round(soft * top).astype(dtype)


@pytest.mark.parametrize(
    "array",
    [
        square(1),
        square(255),
        square(7),
        square(65535, np.uint16),
        square(1, np.uint16),
        square(1023, np.uint16),
        np.stack([square(255)] * 3, axis=2),
        np.stack([np.full(SIZE, 90, np.uint8)] * 3 + [square(255)], axis=2),  # a cut-out: colour and alpha
        np.stack([square(200), square(200), square(0), np.full(SIZE, 255, np.uint8)], axis=2),
        np.stack([square(10, background=3), square(200, background=3), square(0, background=3)], axis=2),
    ],
    ids=["0/1", "0/255", "0/7", "16-bit", "16-bit-0/1", "10-bit", "RGB", "cut-out", "opaque-RGBA", "two-colours"],
)
def test_masks_of_two_levels(tmp_path, array):
    found = read_mask(write_image(tmp_path / "mask.png", array))
    assert found.mask.dtype == torch.float32
    assert float(found.mask.sum()) == 100.0
    assert found.mask[10:20, 30:40].min() == 1.0
    assert found.valid.all() and found.notes == ()


def test_one_bit_mask(tmp_path):
    Image.fromarray(square(255)).convert("1").save(tmp_path / "mask.png")
    assert float(read_mask(tmp_path / "mask.png").mask.sum()) == 100.0


@pytest.mark.parametrize("kind", [100, 255, 1023, 4095, 65535, "float", "float-255"])
def test_soft_masks_of_any_range(tmp_path, kind):
    """Per cent, 8, 10, 12 and 16 bits, and floating point."""
    if isinstance(kind, str):
        array = ramp(1.0 if kind == "float" else 255.0, np.float32)
        array = ramp(1000, np.float32) / 1000 if kind == "float" else array
        Image.fromarray(array).save(tmp_path / "mask.tif")
        found = read_mask(tmp_path / "mask.tif")
    else:
        found = read_mask(write_image(tmp_path / "mask.png", ramp(kind, np.uint8 if kind < 256 else np.uint16)))
    assert found.mask[15, 35] == 1.0
    assert float((found.mask >= 0.5).sum()) == 100.0
    assert 0.3 < float(found.mask[9, 35]) < 0.4


@pytest.mark.parametrize("dirt", [3, 9])
def test_white_is_the_person_also_where_black_is_not_quite_black(tmp_path, dirt):
    found = read_mask(write_image(tmp_path / "mask.png", square(255, background=dirt)))
    assert float((found.mask >= 0.5).sum()) == 100.0 and found.valid.all()


def test_instances_in_shades_of_grey(tmp_path):
    """DAVIS-like tools spread numbers over the range: 85, 170, 255; white is an instance, not void."""
    found = read_mask(write_image(tmp_path / "mask.png", label_map(255, 85, 170)))
    assert float(found.mask.sum()) == 100.0 and found.valid.all()


def test_soft_mask_keeps_its_levels(tmp_path):
    array = square(255)
    array[10, 30] = 51
    found = read_mask(write_image(tmp_path / "mask.png", array))
    assert found.mask[10, 30] == pytest.approx(0.2)
    assert found.mask[15, 35] == 1.0


def test_the_unknown_of_a_trimap_is_not_valid(tmp_path):
    array = square(255)
    array[8:10, 30:40] = 128
    found = read_mask(write_image(tmp_path / "trimap.png", array))
    assert float(found.mask.sum()) == 100.0
    assert (~found.valid).sum() == 20 and not found.valid[9, 35]


@pytest.mark.parametrize("dtype, person, void", [(np.uint8, 15, 255), (np.uint8, 24, 255), (np.uint16, 1, 65535)])
def test_what_nobody_labelled_is_not_valid(tmp_path, dtype, person, void):
    array = square(person, dtype)
    array[8:10, 28:42] = void
    found = read_mask(write_image(tmp_path / "classes.png", array))
    assert float(found.mask.sum()) == 100.0
    assert not found.valid[8:10, 28:42].any() and found.valid.sum() == 40 * 60 - 28
    assert any("void" in note for note in found.notes)


def label_map(person, *others):
    """Labels of areas: the person's square, others in the corners."""
    labels = square(person)
    for label, rows, columns in zip(
        others, (slice(0, 8), slice(32, 40), slice(0, 8)), (slice(0, 20), slice(0, 20), slice(45, 60)), strict=False
    ):
        labels[rows, columns] = label
    return labels


@pytest.mark.parametrize(
    "labels",
    [label_map(1, 2, 3), label_map(3, 1, 2), label_map(24, 7, 26), label_map(11, 8, 33), label_map(1, 2)],
    ids=["instances", "last-instance", "cityscapes", "cityscapes-train", "two"],
)
@pytest.mark.parametrize("form", ["grey", "palette", "colours"])
def test_of_several_labels_the_persons_is_under_the_keypoints(tmp_path, labels, form):
    path = tmp_path / "labels.png"
    colours = np.array(voc_colours(64), dtype=np.uint8)
    if form == "grey":
        write_image(path, labels)
    elif form == "palette":
        write_palette(path, labels, colours.tolist())
    else:
        write_image(path, colours[labels])
    found = read_mask(path)
    assert float(found.mask.sum()) == 100.0 and found.mask[15, 35] == 1.0
    assert any("under the keypoints" in note for note in found.notes)
    with pytest.raises(InputError, match="has the labels .* give keypoints"):
        person_mask(read_mask_image(path, SIZE))


def test_labels_without_any_zero(tmp_path):
    """MATLAB writes 1 for the background and 2 for the person; Cityscapes' 0 is the road."""
    found = read_mask(write_image(tmp_path / "labels.png", square(2, background=1)))
    assert float(found.mask.sum()) == 100.0
    road = label_map(11, 8, 10)
    road[road == 0] = 23
    assert float(read_mask(write_image(tmp_path / "road.png", road)).mask.sum()) == 100.0


def test_a_part_map_or_keypoints_elsewhere_are_told(tmp_path):
    parts = square(5)
    parts[10:14], parts[14:17] = np.where(parts[10:14] > 0, 13, 0), np.where(parts[14:17] > 0, 9, 0)
    image = read_mask_image(write_image(tmp_path / "parts.png", parts), SIZE)
    with pytest.raises(InputError, match="keypoints are on several of them; .* --parts"):
        person_mask(image, ON_PERSON, SURE)
    others = read_mask_image(write_image(tmp_path / "others.png", label_map(0, 2, 3)), SIZE)
    with pytest.raises(InputError, match="no keypoint is on any of them"):
        person_mask(others, ON_PERSON, SURE)


def test_grey_palettes_are_their_colours_not_their_indices(tmp_path):
    path = write_palette(tmp_path / "p.png", square(0, background=1), [(255, 255, 255), (0, 0, 0)])
    assert float(read_mask(path).mask.sum()) == 100.0


def test_a_pixel_more_or_less_and_reduced_masks_are_brought_to_the_photos_size(tmp_path):
    for name, pad in (("more", ((0, 1), (0, 2))), ("rows", ((0, 1), (0, 0)))):
        found = read_mask(write_image(tmp_path / f"{name}.png", np.pad(square(255), pad)))
        assert found.mask.shape == SIZE and float(found.mask.sum()) == 100.0 and found.notes == ()
    less = read_mask(write_image(tmp_path / "less.png", square(255)[:-1, :-1]))
    assert less.mask.shape == SIZE and float(less.mask.sum()) == 100.0
    half = read_mask(write_image(tmp_path / "half.png", square(255)[::2, ::2]))
    assert half.mask.shape == SIZE and float(half.mask.sum()) == 100.0
    assert half.notes == ("half.png: the mask is 30×20 px but the image is 60×40 px; it was scaled",)


def photo_like():
    rng = np.random.default_rng(1)
    return np.clip(rng.normal(120, 40, (*SIZE, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "array, message",
    [
        (square(0), "empty"),
        (np.full(SIZE, 255, np.uint8), "covers the whole image"),
        (np.zeros((40, 80), np.uint8), "80×40 px but the image is 60×40 px"),
        (np.zeros((60, 40), np.uint8), "EXIF"),
        (photo_like(), "looks like a photo"),
        (photo_like()[..., 0], "looks like a photo"),
    ],
    ids=["empty", "full", "other size", "turned", "photo", "grey photo"],
)
def test_bad_masks(tmp_path, array, message):
    path = write_image(tmp_path / "mask.png", array)
    with pytest.raises(InputError, match=message) as caught:
        read_mask(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("rows, columns", [(1, 1), (3, 3), (1, 40), (30, 2)])
def test_masks_too_small_for_a_person(tmp_path, rows, columns):
    array = np.zeros(SIZE, np.uint8)
    array[5 : 5 + rows, 5 : 5 + columns] = 255
    with pytest.raises(InputError, match=rf"covers only {rows * columns} px in a box of {columns}×{rows} px"):
        read_mask(write_image(tmp_path / "mask.png", array))


@pytest.mark.parametrize(
    "array, hidden",
    [(square(0), 0), (square(255), 100), (label_map(1, 2), 100 + 160), (square(100), 100)],
    ids=["empty", "one", "instances", "per cent"],
)
def test_occluders_hide_whatever_they_cover_and_nothing_if_they_are_empty(tmp_path, array, hidden):
    assert int(hidden_pixels(read_mask_image(write_image(tmp_path / "o.png", array), SIZE)).sum()) == hidden


def test_occluders_over_everything_are_an_error(tmp_path):
    image = read_mask_image(write_image(tmp_path / "o.png", np.full(SIZE, 255, np.uint8)), SIZE)
    with pytest.raises(InputError, match="occluders cover the whole image"):
        hidden_pixels(image)
