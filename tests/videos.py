"""Videos that tests draw: each frame says its number by the place of a white bar, its upper left corner is red."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from render_fit.export.video import write_video

STEP = 8
"""Pixels that the bar moves to the right in each frame; it is half as wide."""


def picture(index, size=(120, 320)):
    pixels = np.full((*size, 3), 60, np.uint8)
    pixels[: size[0] // 4, : size[1] // 8] = (220, 30, 30)
    pixels[size[0] // 2 :, STEP * index : STEP * index + STEP // 2] = 255
    return pixels


def pictures(n_frames, size=(120, 320)):
    return (picture(index, size) for index in range(n_frames))


def number_in(pixels, scale=1.0):
    """Number of an upright frame by its bar."""
    bright = pixels[int(0.6 * pixels.shape[0]) : int(0.9 * pixels.shape[0])].mean(axis=(0, 2))
    return round((float(bright.argmax()) / scale - STEP / 4) / STEP)


def is_red(pixels, row, column):
    """Whether a place of a picture, by shares of its height and width, is red."""
    red, green, blue = pixels[int(row * pixels.shape[0]), int(column * pixels.shape[1])].astype(int)
    return red > 150 and green < 90 and blue < 90


def with_matrix(video: Path, path: Path, matrix):
    """A copy of an MP4 whose track header has a display matrix (a, b, c, d), as phones write it."""
    content = bytearray(video.read_bytes())
    header = content.find(b"tkhd")
    assert content[header + 4] == 0, "a header of version 0"
    a, b, c, d = (value << 16 for value in matrix)
    # ISO/IEC 14496-12, 8.3.2: version and flags, five numbers, eight reserved bytes, layer to volume, then the matrix
    content[header + 44 : header + 80] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def timed_video(path: Path, times_s, codec="libx264", size=(120, 320), ratio=None):
    """A video whose frames are shown at given times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, time in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def video(path: Path, n_frames=30, fps=30, size=(120, 320)):
    return write_video(path, pictures(n_frames, size), fps)
