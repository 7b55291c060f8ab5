import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.core.cameras import camera_from_focal
from render_fit.export.overlays import around_box, contact_sheet, overlay, panel, write_gif, write_image
from render_fit.export.shading import part_colours, shaded
from render_fit.renderers import make_renderer
from tests.fits import known_fit

RENDERER = make_renderer("cpu")
SQUARE = torch.tensor([[-0.5, -0.5, 2.0], [0.5, -0.5, 2.0], [0.5, 0.5, 2.0], [-0.5, 0.5, 2.0]])
# counter-clockwise seen from the camera, so that the normals point at it
SQUARE_FACES = torch.tensor([[0, 2, 1], [0, 3, 2]])


def test_a_square_covers_the_pixels_that_it_should():
    # 1 m at 2 m with f = 101 px is 50.5 px wide: from 24.75 to 75.25 of 100
    picture = shaded(SQUARE, SQUARE_FACES, camera_from_focal(101.0, 100, 100), RENDERER, supersampling=4)
    assert picture.alpha[50, 25:75].min() == 1
    assert picture.alpha[50, 24] == pytest.approx(0.25, abs=0.01)
    assert picture.alpha[50, :24].max() == 0
    assert picture.alpha.sum() == pytest.approx(50.5**2, rel=0.01)


def test_the_outline_is_a_line_at_the_edge_and_not_at_the_image_border():
    camera = camera_from_focal(101.0, 100, 100)
    line = shaded(SQUARE, SQUARE_FACES, camera, RENDERER).outline(2.0)
    assert line[50, 25:27].min() > 0.4
    assert line[50, 30:70].max() == 0
    cut = shaded(SQUARE + torch.tensor([1.0, 0, 0]), SQUARE_FACES, camera, RENDERER).outline(2.0)
    assert cut[50, 99] == 0
    assert cut[50, 76] > 0.4


def test_the_overlay_keeps_the_photo_outside_the_body():
    fit = known_fit()
    image = torch.rand(3, 240, 160)
    pixels = overlay(image, fit.output.vertices[0], fit.faces, fit.camera, RENDERER)
    photo = (image.permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
    changed = (pixels != photo).any(axis=2)
    drawn = shaded(fit.output.vertices[0], fit.faces, fit.camera, RENDERER).alpha > 0
    assert drawn.sum() > 2000
    assert not changed[~drawn].any()


def test_large_photos_are_reduced_to_the_overlays_size_and_small_ones_stay():
    fit = known_fit()
    large = overlay(torch.zeros(3, 480, 320), fit.output.vertices[0], fit.faces, fit.camera, RENDERER, max_side_px=120)
    assert large.shape == (120, 80, 3)
    small = overlay(torch.zeros(3, 60, 40), fit.output.vertices[0], fit.faces, fit.camera, RENDERER)
    assert small.shape == (60, 40, 3)


def test_around_a_box_is_square_and_padded():
    picture = np.zeros((50, 100, 3), dtype=np.uint8)
    cut = around_box(picture, (80.0, 10.0, 10.0, 40.0), margin=1.0)
    assert cut.shape == (40, 40, 3)
    assert cut[:, :35].max() == 0
    assert cut[:, 36:].min() > 200


def test_contact_sheets_contain_every_image():
    red = np.zeros((40, 20, 3), dtype=np.uint8) + np.array([255, 0, 0], dtype=np.uint8)
    sheet = contact_sheet([(str(i), [red, red]) for i in range(3)], height_px=32, columns=2)
    pure = (sheet == [255, 0, 0]).all(axis=2).sum()
    assert pure == pytest.approx(6 * 32 * 16, rel=0.05)
    assert contact_sheet([]).shape[2] == 3
    assert panel([red], height_px=80).shape == (80, 40, 3)


def test_parts_have_different_colours():
    colours = part_colours(torch.arange(24))
    assert len(np.unique(colours, axis=0)) == 24


def test_written_images_have_the_same_pixels(tmp_path):
    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    np.testing.assert_array_equal(np.asarray(Image.open(write_image(tmp_path / "a.png", pixels))), pixels)
    with Image.open(write_gif(tmp_path / "a.gif", [pixels, 255 - pixels, pixels])) as animation:
        assert animation.n_frames == 3 and animation.info["loop"] == 0
        assert animation.info["duration"] == 100
        animation.seek(2)
        assert animation.info["duration"] == 1000


def test_captions_are_left_out_where_there_is_no_font(monkeypatch):
    def no_font(size):
        raise ImportError("The _imagingft C module is not installed")

    pictures = [np.zeros((40, 30, 3), np.uint8)] * 2
    named = panel(pictures, height_px=80, captions=["front", "side"])
    monkeypatch.setattr("render_fit.export.overlays.ImageFont.load_default", no_font)
    unnamed = panel(pictures, height_px=80, captions=["front", "side"])
    assert unnamed.shape == named.shape and (unnamed != named).any()
