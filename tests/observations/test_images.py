"""Every kind of image file reads right, or says in one line what is wrong."""

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.core.errors import InputError
from render_fit.observations import images
from render_fit.observations.images import read_palette, read_photo, read_pixels

ORANGE = (255, 128, 0)


def half_and_half(width: int = 64, height: int = 40) -> Image.Image:
    """Orange on the left, black on the right."""
    image = Image.new("RGB", (width, height))
    image.paste(ORANGE, (0, 0, width // 2, height))
    return image


def colour_at(photo, x: float, y: float) -> list[float]:
    _, height, width = photo.image.shape
    return photo.image[:, int(y * height), int(x * width)].tolist()


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("RGB", (1.0, 0.502, 0.0)),
        ("P", (1.0, 0.502, 0.0)),
        ("CMYK", (1.0, 0.502, 0.0)),
        ("L", (0.592, 0.592, 0.592)),  # ITU-R 601 luma: (299*255 + 587*128) / 1000 = 151
        ("1", (1.0, 1.0, 1.0)),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_modes(tmp_path, mode, expected, suffix):
    if (mode, suffix) == ("CMYK", ".png"):
        suffix = ".jpg"
    path = tmp_path / f"image{suffix}"
    image = Image.new("RGB", (64, 40), ORANGE if mode != "1" else (255, 255, 255))
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    image.save(path)
    assert colour_at(read_photo(path), 0.25, 0.5) == pytest.approx(expected, abs=0.02)


def test_16_bit_greyscale_keeps_its_range(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((40, 64), 32768, dtype=np.uint16)).save(path)
    assert colour_at(read_photo(path), 0.5, 0.5) == pytest.approx([0.5, 0.5, 0.5], abs=0.005)


def test_transparent_pixels_are_white(tmp_path):
    for mode in ("RGBA", "LA"):
        path = tmp_path / f"{mode}.png"
        image = Image.new("RGBA", (64, 40), (0, 0, 0, 0))
        image.paste((0, 0, 0, 255), (0, 0, 32, 40))
        image.convert(mode).save(path)
        photo = read_photo(path)
        assert colour_at(photo, 0.25, 0.5) == [0.0, 0.0, 0.0]
        assert colour_at(photo, 0.75, 0.5) == [1.0, 1.0, 1.0]


# EXIF 2.32, tag 274: what is done to the stored picture to show it upright. Stored: orange on the left half.
@pytest.mark.parametrize(
    "orientation, size, orange_at",
    [
        (1, (40, 64), (0.25, 0.5)),
        (2, (40, 64), (0.75, 0.5)),
        (3, (40, 64), (0.75, 0.5)),
        (4, (40, 64), (0.25, 0.5)),
        (5, (64, 40), (0.5, 0.25)),
        (6, (64, 40), (0.5, 0.25)),
        (7, (64, 40), (0.5, 0.75)),
        (8, (64, 40), (0.5, 0.75)),
    ],
)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_exif_rotation(tmp_path, orientation, size, orange_at, suffix):
    path = tmp_path / f"turned{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    half_and_half().save(path, exif=exif)
    photo = read_photo(path)
    assert tuple(photo.image.shape) == (3, *size)
    assert photo.file_size == size
    assert photo.scale == 1.0
    x, y = orange_at
    assert colour_at(photo, x, y) == pytest.approx([1.0, 0.5, 0.0], abs=0.1)
    assert colour_at(photo, 1 - x, 1 - y) == pytest.approx([0.0, 0.0, 0.0], abs=0.1)


@pytest.mark.parametrize("mode", ["L", "P"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_of_greyscale_and_palette_images(tmp_path, mode, orientation):
    pixels = np.kron(np.array([[40, 80, 120], [160, 200, 240]], dtype=np.uint8), np.ones((40, 40), dtype=np.uint8))
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).convert(mode).save(tmp_path / "turned.png", exif=exif)
    # row 0 and column 0 of the stored picture, shown upright (EXIF 2.32, tag 274)
    turned = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "lt", 6: "rt", 7: "rb", 8: "lb"}[orientation]
    upright = pixels if turned[0] in "tb" else pixels.T
    upright = upright[::-1] if "b" in turned else upright
    upright = upright[:, ::-1] if "r" in turned else upright
    image = read_photo(tmp_path / "turned.png").image
    np.testing.assert_allclose(image.numpy(), np.broadcast_to(upright / 255, (3, *upright.shape)), atol=1e-6)


def test_a_huge_image_is_reduced_and_reports_its_scale(tmp_path):
    path = tmp_path / "wide.png"
    Image.new("L", (20_000, 100), 51).save(path)
    photo = read_photo(path)
    assert tuple(photo.image.shape) == (3, 20, 4096)  # 100 * 4096 / 20000 = 20.48
    assert photo.file_size == (100, 20_000)
    assert photo.scale == pytest.approx(0.2048)
    assert colour_at(photo, 0.5, 0.5) == pytest.approx([0.2, 0.2, 0.2])


def test_a_huge_jpeg_is_reduced_too(tmp_path):
    path = tmp_path / "wide.jpg"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26  # FocalLengthIn35mmFilm
    half_and_half(10_000, 2_000).save(path, exif=exif)
    photo = read_photo(path)
    assert photo.file_size == (2_000, 10_000)
    assert max(photo.image.shape) <= 4096
    assert photo.scale == pytest.approx(photo.image.shape[2] / 10_000)
    # 26 mm on 43.27 mm of diagonal; the file's diagonal is 10198 px
    assert photo.focal_px == pytest.approx(26 / 43.2666 * 10198.04 * photo.scale, rel=1e-3)


@pytest.mark.parametrize(
    "tags, expected",
    [
        ({0xA405: 50}, 50 / 43.2666 * 75.472),  # 35 mm equivalent; the diagonal of 64×40 is 75.472 px
        ({0xA405: 0}, None),
        ({}, None),
        # 10 mm, 2 px per mm (unit 4), picture as taken 64 px wide
        ({0x920A: 10.0, 0xA20E: 2.0, 0xA210: 4, 0xA002: 64}, 20.0),
        # the same picture, taken 128 px wide and halved since
        ({0x920A: 10.0, 0xA20E: 4.0, 0xA210: 4, 0xA002: 128}, 20.0),
        ({0x920A: 10.0}, None),
    ],
    ids=["35mm", "35mm-zero", "none", "sensor", "sensor-resized", "no-sensor"],
)
def test_focal_length_from_exif(tmp_path, tags, expected):
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags)
    half_and_half().save(path, exif=exif)
    focal_px = read_photo(path).focal_px
    assert focal_px == (None if expected is None else pytest.approx(expected, rel=1e-3))


def test_bad_files_give_clear_errors(tmp_path):
    empty, text, cut = tmp_path / "empty.jpg", tmp_path / "text.jpg", tmp_path / "cut.jpg"
    tiny, whole = tmp_path / "tiny.png", tmp_path / "whole.jpg"
    empty.touch()
    text.write_text("hello")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)).save(whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    Image.new("RGB", (1, 1)).save(tiny)
    for path, message in [
        (tmp_path / "missing.jpg", "no such file"),
        (tmp_path, "is a folder"),
        (empty, "0 bytes"),
        (text, "not an image"),
        (cut, "damaged or cut off"),
        (tiny, "1×1 px"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            read_photo(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_cut_png_is_an_error(tmp_path):
    whole, cut = tmp_path / "whole.png", tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)).save(whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match="cut off"):
        read_photo(cut)


def test_pixels_of_a_palette_image_are_its_indices(tmp_path):
    image = Image.new("P", (40, 40), 3)
    image.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 200, 100, 0])
    image.save(tmp_path / "labels.png")
    assert (read_pixels(tmp_path / "labels.png") == 3).all()


def test_repeated_colours_of_a_palette_keep_their_indices(tmp_path):
    image = Image.new("P", (40, 40), 3)
    image.putpalette([0, 0, 0, 9, 9, 9, 9, 9, 9, 200, 100, 0])
    image.save(tmp_path / "labels.png")
    palette = read_palette(tmp_path / "labels.png")
    assert palette is not None
    assert palette[:4].tolist() == [[0, 0, 0], [9, 9, 9], [9, 9, 9], [200, 100, 0]]


def test_image_is_float_rgb_in_unit_range(tmp_path):
    path = tmp_path / "photo.png"
    half_and_half().save(path)
    image = read_photo(path).image
    assert image.dtype == torch.float32
    assert float(image.min()) == 0.0
    assert float(image.max()) == 1.0


def with_app1(jpeg: bytes, payload: bytes) -> bytes:
    """A JPEG with an APP1 segment, where EXIF stands, put first."""
    return jpeg[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + jpeg[2:]


BROKEN_EXIF = {
    "no TIFF header": b"Exif\0\0\xff\xfe\xfd junk",
    "cut short": b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0",
    "empty": b"Exif\0\0",
    "offset outside": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "orientation 77": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x4d\0\0\0\0\0\0\0",
    "orientation as text": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0up\0\0\0\0\0\0",
    "directory in itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0",
    "random": b"Exif\0\0II*\0" + bytes(range(256)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("payload", BROKEN_EXIF.values(), ids=BROKEN_EXIF)
def test_broken_exif_is_left_without_a_warning(tmp_path, payload):
    path = tmp_path / "a.jpg"
    half_and_half().save(path, quality=95)
    path.write_bytes(with_app1(path.read_bytes(), payload))
    photo = read_photo(path)
    assert photo.image.shape == (3, 40, 64) and photo.focal_px is None
    assert colour_at(photo, 0.25, 0.5) == pytest.approx((1.0, 0.502, 0.0), abs=0.05)
    assert read_pixels(path).shape == (40, 64, 3)


@pytest.mark.parametrize("top, dtype", [(1023, np.uint16), (4095, np.uint16), (65535, np.uint16)])
def test_greyscale_of_10_12_and_16_bits(tmp_path, top, dtype):
    grey = np.linspace(0, top, 64).astype(dtype)[None].repeat(40, axis=0)
    Image.fromarray(grey).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert float(photo.image.max()) == 1.0 and float(photo.image[0, 0, 32]) == pytest.approx(0.5, abs=0.02)


def test_a_mask_given_as_the_photo_is_told(tmp_path):
    Image.fromarray(np.pad(np.full((20, 20), 255, np.uint8), 20)).save(tmp_path / "m.png")
    assert "is it a mask" in read_photo(tmp_path / "m.png").notes[0]
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)).save(tmp_path / "p.png")
    assert read_photo(tmp_path / "p.png").notes == ()


@pytest.mark.parametrize(
    "content, kind",
    [
        (b"\0\0\0\x18ftypheic" + bytes(300), "HEIC photo, which is not read: convert it to JPEG or PNG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"%PDF-1.7", "PDF"),
        (bytes(500), "only zero bytes"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, kind):
    (tmp_path / "a.jpg").write_bytes(content)
    for read in (read_photo, read_pixels):
        with pytest.raises(InputError, match=rf"a.jpg: is .*{kind}"):
            read(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16", "1"])
def test_a_large_image_is_converted_in_strips_to_the_same_picture(tmp_path, mode):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (900, 400)).astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(levels.astype(np.uint16) * 257)
    else:
        colours = np.stack([levels, levels.T.reshape(900, 400), np.full_like(levels, 9), levels], axis=2)
        image = Image.fromarray(colours if mode == "RGBA" else colours[..., :3]).convert(mode)
    image.save(tmp_path / "a.png")
    whole = read_photo(tmp_path / "a.png").image
    small = read_photo(tmp_path / "a.png", max_side_px=225).image  # a quarter: the mean of 4×4 pixels
    assert small.shape == (3, 225, 100)
    expected = torch.nn.functional.avg_pool2d(whole, 4)
    torch.testing.assert_close(small, expected, atol=1.01 / 255, rtol=0)  # of 8 bits, rounded


def test_an_image_that_would_fill_the_memory_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    half_and_half(200, 100).save(tmp_path / "a.png")
    half_and_half(200, 100).convert("L").save(tmp_path / "grey.png")
    half_and_half(200, 100).save(tmp_path / "a.jpg")
    monkeypatch.setattr(images, "MAX_BYTES", 30_000)
    for read in (read_photo, read_pixels):
        with pytest.raises(InputError, match=r"a\.png: the image is 200×100 px, which take"):
            read(tmp_path / "a.png")
        read(tmp_path / "grey.png")
    assert read_photo(tmp_path / "a.jpg", max_side_px=50).image.shape[1] <= 50  # reduced while it is decoded


def test_a_damaged_tiff_is_one_error_without_the_librarys_words(tmp_path, capfd):
    path = tmp_path / "a.tif"
    half_and_half().save(path, compression="tiff_lzw")
    whole = bytearray(path.read_bytes())
    whole[8:200] = b"\xff" * 192
    path.write_bytes(whole)
    with pytest.raises(InputError, match="damaged or cut off"):
        read_photo(path)
    assert capfd.readouterr().err == ""
