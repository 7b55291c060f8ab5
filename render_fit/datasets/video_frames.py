"""Frames of a video as JPEG files in folders of their own, from which a stopped run goes on."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output, remove_leftovers, write_bytes, write_json
from render_fit.core.fingerprints import content_hash
from render_fit.datasets.video import Video, decoded_frames, frame_rate, read_video, seconds_of

MAX_SIDE_PX = 1280
"""Longest side of extracted frames, pixels. A fit works on crops of a few hundred pixels."""

QUALITY = 95
"""JPEG quality of extracted frames."""

FRAMES_FILE = "frames.json"
PICTURE = "input.jpg"


@dataclass(frozen=True)
class Frame:
    """An extracted frame.

    Attributes:
        index: Number of the frame in the video, from 0.
        time_s: Seconds after the video's first frame.
        path: Its picture, ``FOLDER/000012/input.jpg``.
    """

    index: int
    time_s: float
    path: Path

    @property
    def name(self) -> str:
        """Name of the frame's folder, ``000012``."""
        return self.path.parent.name


@dataclass(frozen=True)
class ExtractedFrames:
    """Frames of a video.

    Attributes:
        video: The video.
        frames: The frames that could be decoded, in the order of time.
        fps: Mean number of extracted frames a second; None for one frame.
        notes: What is odd about the video, and how many frames could not be decoded; sentences.
    """

    video: Video
    frames: tuple[Frame, ...]
    fps: float | None
    notes: tuple[str, ...]


def extract_frames(
    video: Path | str,
    folder: Path | str,
    *,
    every: int = 1,
    start: str | float | int | None = None,
    end: str | float | int | None = None,
    max_side_px: int = MAX_SIDE_PX,
    on_frame: Callable[[int, int], None] | None = None,
) -> ExtractedFrames:
    """Writes frames of a video as JPEG files, one by one.

    Each picture says in a comment which frame of which video it is. Pictures that are there already, of the same video
    in the same size, are kept and not decoded again.

    Args:
        video: Video file.
        folder: Output folder; a frame becomes ``FOLDER/000012/input.jpg``, and ``FOLDER/frames.json`` lists them.
        every: Takes one of so many frames, the first of the range among them.
        start: Beginning of the range, seconds after the first frame or ``mm:ss``.
        end: End of the range, which is not part of it.
        max_side_px: Larger frames are reduced to this longest side, pixels.
        on_frame: Called after each frame with the number of frames that are there and of all that are wanted.

    Returns:
        The frames.

    Raises:
        InputError: if the file is not a video, the range contains no frame, or none can be decoded.
        OutputError: if a file cannot be written.
        MissingDependencyError: if PyAV is not installed.
    """
    if every < 1:
        raise InputError(f"every {every}: expected a whole number from 1")
    start_s = None if start is None else seconds_of(start)
    end_s = None if end is None else seconds_of(end)
    read = read_video(video)
    wanted = _in_range(read, start_s, end_s)[::every]
    folder, fingerprint = prepare_output(folder), content_hash(read.path)
    mark = f"render-fit: frame {{}} of {fingerprint}, {max_side_px} px"
    planned = {index: Frame(index, read.times_s[index], folder / f"{index:06d}" / PICTURE) for index in wanted}
    there = {index for index, frame in planned.items() if _comment(frame.path) == mark.format(index)}
    missing = sorted(planned.keys() - there)
    report = on_frame or (lambda done, total: None)
    report(len(there), len(planned))
    for decoded in decoded_frames(read, missing, max_side_px=max_side_px):
        frame = planned[decoded.index]
        remove_leftovers(prepare_output(frame.path.parent))
        write_bytes(frame.path, _jpeg(decoded.pixels, mark.format(decoded.index)))
        there.add(frame.index)
        report(len(there), len(planned))
    frames = tuple(planned[index] for index in sorted(there))
    if not frames:
        raise InputError(f"{video}: none of the {len(planned)} frames in the range can be decoded")
    notes = read.notes
    if len(frames) < len(planned):
        notes += (f"{read.path.name} is damaged: {len(frames)} of {len(planned)} frames can be decoded",)
    extracted = ExtractedFrames(read, frames, frame_rate([frame.time_s for frame in frames]), notes)
    content = {
        "video": read.path.name,
        "fingerprint": fingerprint,
        "every": every,
        "start_s": start_s,
        "end_s": end_s,
        "max_side_px": max_side_px,
        "video_size": read.file_size,
        "video_fps": read.fps,
        "fps": extracted.fps,
        "notes": notes,
        "frames": [{"name": frame.name, "index": frame.index, "time_s": frame.time_s} for frame in frames],
    }
    write_json(folder / FRAMES_FILE, content)
    return extracted


def _in_range(video: Video, start_s: float | None, end_s: float | None) -> range:
    """Numbers of the frames from a start up to an end."""
    begin, stop = start_s or 0.0, video.duration_s + 1.0 if end_s is None else end_s
    if begin > video.times_s[-1]:
        raise InputError(f"start {begin:g} s: {video.path.name} is {video.duration_s:.2f} s long")
    if begin >= stop:
        raise InputError(f"start {begin:g} s, end {stop:g} s: expected an end after the start")
    # stamps of half a millisecond's precision: --start 0.1 means the frame at 0.1
    inside = [index for index, time in enumerate(video.times_s) if begin - 5e-4 <= time < stop - 5e-4]
    if not inside:
        raise InputError(f"start {begin:g} s, end {stop:g} s: {video.path.name} has no frame in between")
    return range(inside[0], inside[-1] + 1)


def _jpeg(pixels: UInt8[np.ndarray, "h w 3"], comment: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=QUALITY, comment=comment)
    return content.getvalue()


def _comment(path: Path) -> str:
    """Comment of a JPEG file; empty if it has none, or is none."""
    try:
        with Image.open(path) as file:
            return bytes(file.info.get("comment", b"")).decode("latin-1")
    except Exception:  # whatever is wrong with a picture, it is made again
        return ""
