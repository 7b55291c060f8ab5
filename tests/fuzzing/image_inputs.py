"""Photos, masks and label maps: images of every format, mode and meaning, sound or damaged."""

from __future__ import annotations

import warnings
import zlib
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests.fuzzing import examples
from tests.fuzzing.damage import Draw, damaged_array, damaged_bytes
from tests.fuzzing.fuzz_input import GIVEN, FuzzInput, fit_input


@st.composite
def image_files(draw: Draw, pixels: np.ndarray) -> bytes:
    """An image file of any format, mode and size, with any metadata, sound or damaged."""
    image = Image.fromarray(pixels)
    if draw(st.booleans()):
        mode = draw(
            st.sampled_from(("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"))
        )
        image = _as(image, mode)
    if draw(st.integers(0, 3)) == 0:
        side = st.sampled_from((1, 2, 31, 32, 33, 64, 127, 128, 192, 193, 1000, 5000))
        image = image.resize((draw(side), draw(st.sampled_from((1, 32, 191, 192, 194, 300)))))
    kind = draw(
        st.sampled_from(("PNG",) * 4 + ("JPEG",) * 3 + ("TIFF", "WEBP", "BMP", "GIF", "PPM", "TGA", "JPEG2000"))
    )
    options: dict[str, Any] = {}
    if kind in ("JPEG", "PNG", "WEBP", "TIFF") and draw(st.booleans()):
        exif = Image.Exif()
        for tag in draw(
            st.lists(st.sampled_from((0x0112, 0x920A, 0xA405, 0xA20E, 0xA210, 0xA002, 0x010F)), max_size=4)
        ):
            value = draw(st.one_of(st.integers(0, 70000), st.floats(), st.text(max_size=4), st.just((0, 0))))
            (exif if tag < 0x9000 else exif.get_ifd(0x8769))[tag] = value
        try:
            options["exif"] = exif.tobytes()
        except Exception:  # values that no EXIF block can hold
            options["exif"] = draw(st.binary(max_size=60))
    if kind == "TIFF":
        options["compression"] = draw(st.sampled_from((None, "tiff_lzw", "tiff_deflate", "jpeg", "group4")))
    content = examples.image_file(image, kind, **options)
    if kind == "PNG" and draw(st.integers(0, 9)) == 0:  # a header that promises another size, with its checksum
        size = st.sampled_from((0, 1, 192, 20_000, 60_000, 2**31 - 1, 2**32 - 1))
        header = b"IHDR" + draw(size).to_bytes(4, "big") + draw(size).to_bytes(4, "big") + content[24:29]
        content = content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]
    return draw(damaged_bytes(content)) if draw(st.integers(0, 2)) == 0 else content


def _as(image: Image.Image, mode: str) -> Image.Image:
    try:
        return image.convert(mode)
    except ValueError:
        return image.convert("L")


@st.composite
def maps(draw: Draw) -> bytes:
    """An image of levels, labels or shares in the place of a mask or a label map."""
    mask = examples.person()[1] > 0
    how = draw(st.sampled_from(("mask", "levels", "noise", "stripes", "soft")))
    kind = draw(st.sampled_from(("u1", "u2", "i4", "f4")))
    top = draw(st.sampled_from((1, 2, 24, 100, 255, 1023, 65535)))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    labels = np.zeros(mask.shape)
    if how == "mask":
        labels = mask * top
    elif how == "levels":
        labels = mask * rng.integers(0, top + 1, (24, 1)).repeat(8, axis=0)[: mask.shape[0]]
    elif how == "noise":
        labels = rng.random(mask.shape) * top
    elif how == "stripes":
        labels = np.arange(mask.shape[1])[None] // draw(st.integers(1, 40)) * mask
    else:
        labels = top * np.clip(np.linspace(-1, 2, mask.shape[1])[None] * mask, 0, 1)
    if draw(st.integers(0, 4)) == 0:
        labels = draw(damaged_array(labels.astype(np.float32)))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = np.ascontiguousarray(np.real(labels).astype(kind) if labels.dtype.kind in "fiubc" else mask)
    if pixels.ndim != 2 or pixels.size == 0:
        pixels = mask.astype(np.uint8)
    if draw(st.integers(0, 3)) == 0 and pixels.dtype == np.uint8:
        palette = Image.fromarray(pixels).convert("P")
        palette.putpalette(draw(st.binary(min_size=3, max_size=768)))
        return examples.image_file(palette, "PNG")
    if draw(st.integers(0, 3)) == 0:
        pixels = np.stack([(np.nan_to_num(pixels) % 256).astype(np.uint8)] * draw(st.sampled_from((3, 4))), axis=2)
        pixels[..., 0] = pixels[..., 0] // 2
    image = Image.fromarray(pixels)
    return examples.image_file(image, draw(st.sampled_from(("PNG", "PNG", "TIFF", "GIF", "BMP"))))


@st.composite
def photos(draw: Draw) -> FuzzInput:
    content = draw(image_files(examples.person()[0]))
    return fit_input("photo", {"photo.png": content}, readers=(("photo", ("in/photo.png",)),))


@st.composite
def masks(draw: Draw) -> FuzzInput:
    content = draw(st.one_of(maps(), image_files(examples.person()[1])))
    option = draw(st.sampled_from(("--mask", "--occluders")))
    name = "mask.png" if option == "--mask" else "hidden.png"
    more = () if option == "--mask" else (option, "in/hidden.png")
    return fit_input("mask", {name: content}, *more, readers=(("mask", (f"in/{name}",)),))


@st.composite
def label_maps(draw: Draw) -> FuzzInput:
    content = draw(st.one_of(maps(), image_files(examples.person()[1])))
    space = draw(st.sampled_from(examples.LABEL_SPACES))
    more = ("--parts", "in/parts.png", "--part-labels", space)
    given = draw(st.sampled_from((GIVEN, GIVEN[2:])))
    return fit_input(
        "label map", {"parts.png": content}, *more, readers=(("labels", ("in/parts.png", space)),), given=given
    )
