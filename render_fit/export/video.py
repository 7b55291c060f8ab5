"""Writing of videos that browsers and phones play."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from render_fit.core.errors import InputError
from render_fit.core.files import write_file
from render_fit.core.pyav import pyav
from render_fit.export.overlays import PAPER, Pixels

QUALITY = 21
"""x264's constant rate factor: 0 is lossless, 23 its default."""

FASTEST, SLOWEST = 240.0, 0.1
"""Frames a second that players accept."""

BT709 = "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"


def write_video(path: Path | str, frames: Iterable[Pixels], fps: float | int) -> Path:
    """Writes an MP4 file (H.264, 4:2:0, index first), atomically, holding one frame in memory at a time.

    Sides are made even by repeating the last row or column. Frames of other sizes than the first are fitted into its
    size.

    Args:
        path: Target file in an existing folder.
        frames: (H, W, 3) RGB 0–255, at least one.
        fps: Frames a second.

    Returns:
        The path.

    Raises:
        InputError: if there is no frame, or the frame rate is not plausible.
        OutputError: if the file cannot be written.
        MissingDependencyError: if PyAV is not installed.
    """
    if not SLOWEST <= fps <= FASTEST:
        raise InputError(f"{path}: {fps:g} frames a second; expected {SLOWEST:g} to {FASTEST:g}")
    pyav()
    rate = Fraction(fps).limit_denominator(1001)
    # by its name: the index is moved to the front by reading what was written
    return write_file(path, lambda file: _encode(file.name, frames, rate, str(path)))


def _encode(name: str, frames: Iterable[Pixels], rate: Fraction, told: str) -> None:
    av, stream = pyav(), None
    with av.open(name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        for pixels in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=rate)
                stream.height, stream.width = (side + side % 2 for side in pixels.shape[:2])
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": str(QUALITY), "preset": "veryfast", "x264-params": BT709}
            container.mux(stream.encode(_frame(av, pixels, stream.height, stream.width)))
        if stream is None:
            raise InputError(f"{told}: there is no frame to write")
        container.mux(stream.encode())


def _frame(av: Any, pixels: Pixels, height: int, width: int) -> Any:
    """A frame of the encoder's size and colours."""
    below, beside = height - pixels.shape[0], width - pixels.shape[1]
    if 0 <= below <= 1 and 0 <= beside <= 1:
        pixels = np.pad(pixels, ((0, below), (0, beside), (0, 0)), mode="edge")
    else:
        pixels = _fitted(pixels, height, width)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709")


def _fitted(pixels: Pixels, height: int, width: int) -> Pixels:
    """A picture reduced or enlarged to fit into a size, in the middle."""
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    sheet = Image.new("RGB", (width, height), tuple(int(255 * channel) for channel in PAPER))
    resized = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    sheet.paste(resized, ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(sheet)
