"""Label maps in the variants that parsers write, and what is wrong with bad ones."""

import numpy as np
import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.core.parts import CIHP, LIP, PART_SPACES, part_space_named, voc_colours
from render_fit.observations.label_maps import read_labels
from tests.observations.files import SIZE, square, write_image, write_palette

SHIRT, SHOE = LIP.labels.index("upper-clothes"), LIP.labels.index("right-shoe")


def numbers():
    labels = square(SHIRT)
    labels[19, 39] = SHOE
    return labels


def test_labels_as_numbers_palette_and_colours(tmp_path):
    labels = numbers()
    write_image(tmp_path / "grey.png", labels)
    write_image(tmp_path / "16 bits.png", labels.astype(np.uint16))
    write_palette(tmp_path / "palette.png", labels, voc_colours(20))
    write_palette(tmp_path / "grey palette.png", labels, [(i, i, i) for i in range(20)])
    shuffled = np.zeros_like(labels)  # a palette whose indices only number its colours, as optimisers leave them
    shuffled[labels == SHIRT], shuffled[labels == SHOE] = 2, 1
    write_palette(tmp_path / "optimised palette.png", shuffled, [(0, 0, 0), (SHOE,) * 3, (SHIRT,) * 3])
    write_image(tmp_path / "colours.png", np.array(LIP.colours, dtype=np.uint8)[labels])
    write_image(tmp_path / "voc.png", np.array(voc_colours(20), dtype=np.uint8)[labels])
    rounded = np.array(LIP.colours, dtype=np.int64)[labels] - 1
    write_image(tmp_path / "rounded.png", rounded.clip(0).astype(np.uint8))
    for path in sorted(tmp_path.iterdir()):
        found = read_labels(path, "LIP", SIZE)
        assert found.part_space is LIP
        assert found.labels.dtype == torch.int64
        assert (found.labels.numpy() == labels).all(), path.name
        assert found.valid.all(), path.name


@pytest.mark.parametrize("form", ["8 bits", "16 bits", "palette", "colours"])
def test_what_nobody_labelled_is_background_and_not_valid(tmp_path, form):
    labels, path = numbers().astype(np.int64), tmp_path / "p.png"
    labels[:3] = 255
    if form == "8 bits":
        write_image(path, labels.astype(np.uint8))
    elif form == "16 bits":
        write_image(path, np.where(labels == 255, 65535, labels).astype(np.uint16))
    elif form == "palette":
        write_palette(path, labels, [*voc_colours(255), (224, 224, 192)])
    else:
        colours = np.array(voc_colours(256), dtype=np.uint8)
        colours[255] = (224, 224, 192)
        write_image(path, colours[labels])
    found = read_labels(path, "lip", SIZE)
    assert not found.valid[:3].any() and found.valid[3:].all()
    assert (found.labels[:3] == 0).all() and int(found.labels[15, 35]) == SHIRT


@pytest.mark.parametrize("order", ["part, U, V", "V, U, part"])
def test_the_parts_of_a_densepose_picture(tmp_path, order):
    planes = [square(2), square(120), square(77)]
    path = write_image(tmp_path / "iuv.png", np.dstack(planes if order[0] == "p" else planes[::-1]))
    assert (read_labels(path, "densepose24", SIZE).labels.numpy() == square(2)).all()


@pytest.mark.parametrize("name", ["cihp", "CIHP", "PASCAL-Person-Part", "densepose", "SCHP LIP", "smpl", "Atr"])
def test_label_spaces_in_any_spelling(name):
    assert part_space_named(name) in PART_SPACES.values()


def test_label_10_of_cihp_is_skin_of_the_torso(tmp_path):
    assert CIHP.labels[10] == "torso-skin" and LIP.labels[10] == "jumpsuits"
    assert read_labels(write_image(tmp_path / "p.png", square(10)), "cihp", SIZE).part_space is CIHP


def test_maps_of_another_size_are_scaled_or_refused(tmp_path):
    half = read_labels(write_image(tmp_path / "half.png", square(SHIRT)[::2, ::2]), "lip", SIZE)
    assert (half.labels.numpy() == square(SHIRT)).all() and "scaled" in half.notes[0]
    padded = read_labels(write_image(tmp_path / "more.png", np.pad(square(SHIRT), ((0, 1), (0, 1)))), "lip", SIZE)
    assert (padded.labels.numpy() == square(SHIRT)).all() and padded.notes == ()
    with pytest.raises(InputError, match="label map is 60×20 px"):
        read_labels(write_image(tmp_path / "cut.png", square(SHIRT)[:20]), "lip", SIZE)


def test_bad_label_maps(tmp_path):
    path = write_image(tmp_path / "labels.png", square(30))
    known = "smpl24, nbf12, nbf12-outline, atr, lip, cihp, pascal, densepose24"
    with pytest.raises(InputError, match=f"unknown label space; known are {known}"):
        read_labels(path, "clothes", SIZE)
    with pytest.raises(InputError, match="has label 30, but atr has labels 0 to 17"):
        read_labels(path, "atr", SIZE)
    with pytest.raises(InputError, match="empty"):
        read_labels(write_image(tmp_path / "none.png", square(0)), "atr", SIZE)
    coloured = np.stack([square(1), square(200), square(77)], axis=2)
    with pytest.raises(InputError, match=r"colours that are not atr's, such as \(1, 200, 77\)"):
        read_labels(write_image(tmp_path / "wild.png", coloured), "atr", SIZE)
