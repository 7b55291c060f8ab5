"""Videos: what one is, its size, frame rate and times, and its frames one by one, upright.

Read with PyAV, not through imageio: its ffmpeg plugin gives frames without their times, its PyAV plugin gives time and
rotation of a frame only by seeking to it again. A video is read without its sound.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from render_fit.core.errors import InputError
from render_fit.core.file_kinds import A_VIDEO, VIDEO_SUFFIXES, what_it_is
from render_fit.core.pyav import pyav

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,asf,flv"
"""FFmpeg's readers that may open a file. Others read play lists, which name further files, or take text for a video."""

VARIABLE = 0.5
"""Difference of an interval between frames from the median, as a share, from which the frame rate is variable."""

ENDS_EARLY = 0.9
"""Share of the duration that the file names, below which its frames end early."""


@dataclass(frozen=True)
class Video:
    """A video file.

    Attributes:
        path: The file.
        file_size: (H, W) of the upright frames, square pixels.
        stamps: Time stamp of each frame that the file contains, ascending; not all may be decodable.
        time_base: Seconds per unit of ``stamps``.
        codec: FFmpeg's name of the codec.
        matrix: Display matrix of the file, which turns and mirrors the stored frames; empty if it has none.
        notes: What is odd about the file, sentences.
    """

    path: Path
    file_size: tuple[int, int]
    stamps: tuple[int, ...]
    time_base: Fraction
    codec: str
    matrix: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """Number of frames that the file contains."""
        return len(self.stamps)

    @cached_property
    def times_s(self) -> tuple[float, ...]:
        """Time of each frame, seconds after the first."""
        return tuple(float((stamp - self.stamps[0]) * self.time_base) for stamp in self.stamps)

    @property
    def fps(self) -> float | None:
        """Mean number of frames a second; None for one frame."""
        return frame_rate(self.times_s)

    @property
    def duration_s(self) -> float:
        """Seconds for which the video is shown: to the last frame, and as long as the frames are shown on average."""
        return self.times_s[-1] + (1 / self.fps if self.fps else 0.0)

    @cached_property
    def is_variable(self) -> bool:
        """Whether the intervals between frames differ."""
        intervals = [later - earlier for earlier, later in pairwise(self.times_s)]
        usual = median(intervals) if intervals else 0.0
        return any(abs(interval - usual) > VARIABLE * usual for interval in intervals)


@dataclass(frozen=True)
class Decoded:
    """A decoded frame.

    Attributes:
        index: Number of the frame in the video, from 0.
        time_s: Seconds after the first frame.
        pixels: (H, W, 3) RGB 0–255, upright.
    """

    index: int
    time_s: float
    pixels: UInt8[np.ndarray, "h w 3"]


def is_video(path: Path | str) -> bool:
    """Whether a file is a video, by its suffix or else its first bytes; a GIF is one if it has several pictures."""
    path = Path(path)
    if not path.is_file():
        return False
    kind = what_it_is(path)
    if kind == "a GIF image":
        try:
            with Image.open(path) as file:
                return getattr(file, "n_frames", 1) > 1
        except Exception:  # whatever is wrong with the file is told when it is read
            return False
    return kind == A_VIDEO or (path.suffix.lower() in VIDEO_SUFFIXES and not kind)


def read_video(path: Path | str) -> Video:
    """Reads what a video is. All of the file is read, but only its first frame is decoded.

    Args:
        path: Video file.

    Returns:
        The video.

    Raises:
        InputError: if the file is missing, not a video, or contains no frame that can be decoded.
        MissingDependencyError: if PyAV is not installed.
    """
    path = Path(path)
    with _opened(path) as (container, stream):
        stamps, n_packets = _stamps(container, stream)
        base, codec = stream.time_base, stream.codec_context.name
        promised = stream.frames if "mp4" in container.format.name else 0  # AVI counts repeated frames, others do not
        promised_s = (container.duration or 0) / pyav().time_base
    with _opened(path) as (container, stream):
        first = next(_frames(container, stream), None)
        matrix = () if first is None else _display_matrix(first)
        size = None if first is None else _upright(first, stream, matrix, None).shape
    if size is None or not stamps:
        raise InputError(f"{path}: no frame can be decoded: it is empty, cut off or damaged; copy or download it again")
    video = Video(path, (size[0], size[1]), stamps, base, codec, matrix)
    return replace(video, notes=_notes(video, n_packets, promised, promised_s))


def decoded_frames(video: Video, indices: Sequence[int], *, max_side_px: int | None = None) -> Iterator[Decoded]:
    """Decodes frames of a video one by one, in the order in which they are shown.

    Args:
        video: The video.
        indices: Numbers of the frames, ascending. Decoding begins shortly before the first and ends with the last.
        max_side_px: Larger frames are reduced to this longest side, pixels.

    Yields:
        Frames, upright: the rotation in a phone's metadata is applied, and pixels that are not square become so. Frames
        that cannot be decoded are missing.

    Raises:
        InputError: if the file cannot be read any more.
        MissingDependencyError: if PyAV is not installed.
    """
    wanted, times = set(indices), video.times_s
    for seek in (True, False) if indices else ():
        index = -1
        with _opened(video.path) as (container, stream):
            if seek:
                with suppress(pyav().error.FFmpegError):
                    container.seek(video.stamps[indices[0]], stream=stream)
            for frame in _frames(container, stream):
                begins, index = index < 0, _index(video.stamps, frame, index)
                if seek and begins and (index > indices[0] or video.stamps[index] != frame.pts):
                    index = -1  # some formats cannot seek: decoded from the start
                    break
                if index in wanted:
                    yield Decoded(index, times[index], _upright(frame, stream, video.matrix, max_side_px))
                if index >= indices[-1]:
                    break
        if index >= 0:
            return


def seconds_of(time: str | float | int) -> float:
    """Seconds of a time: a number of seconds, ``mm:ss`` or ``hh:mm:ss``, with decimals if need be.

    Raises:
        InputError: if it is none of these.
    """
    parts = str(time).strip().split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = [math.nan]
    below_60 = all(number < 60 for number in numbers[1:])
    if len(numbers) > 3 or not below_60 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise InputError(f"time {time}: expected seconds or mm:ss, for example 12.5 or 1:05")
    return sum(number * 60**power for power, number in enumerate(reversed(numbers)))


def frame_rate(times_s: Sequence[float]) -> float | None:
    """Mean number of frames a second, rounded to micro-hertz; None for one frame."""
    if len(times_s) < 2 or times_s[-1] <= times_s[0]:
        return None
    return round((len(times_s) - 1) / (times_s[-1] - times_s[0]), 6)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """PyAV's container and video stream."""
    av = pyav()
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected a video")
    kind = what_it_is(path)
    if kind and kind not in (A_VIDEO, "a GIF image"):
        raise InputError(f"{path}: is {kind}; expected a video")
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(str(path.resolve()), options=options, metadata_errors="replace")
    except PermissionError as error:
        raise InputError(f"{path}: not allowed to read this file") from error
    except av.error.FFmpegError as error:
        why = (
            "cannot be read: the file is damaged, or cut off before its index" if kind == A_VIDEO else "is not a video"
        )
        raise InputError(f"{path}: {why} ({error.strerror}); copy or download it again") from error
    with container:
        stream = container.streams.best("video")
        if stream is None:
            raise InputError(f"{path}: contains no pictures: only sound, or the file is cut off")
        if stream.codec_context is None:
            raise InputError(f"{path}: its codec is not known to PyAV's FFmpeg; convert it to H.264 (mp4)")
        stream.thread_type = "SLICE"  # threads by frames lose frames around damage
        yield container, stream


def _stamps(container: Any, stream: Any) -> tuple[tuple[int, ...], int]:
    """Time stamps of all frames in the order of showing, and the number of packets."""
    found, n_packets = [], 0
    for packet in _packets(container, stream):
        n_packets += packet.size > 0
        if packet.size and not packet.is_discard:
            found.append(packet.dts if packet.pts is None else packet.pts)
    if any(stamp is None for stamp in found):
        step = round(1 / ((stream.average_rate or 25) * stream.time_base))
        found = [number * step for number in range(len(found))]
    return tuple(sorted(set(found))), n_packets


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Packets of a stream, up to where the file cannot be read further."""
    with suppress(pyav().error.FFmpegError, IndexError):  # PyAV has no place for streams that begin in the middle
        yield from container.demux(stream)


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Frames that can be decoded."""
    # None fetches the last ones, which the decoder holds back; where the file is cut, no packet says that it ends
    for packet in chain(_packets(container, stream), [None]):
        frames = []
        with suppress(pyav().error.FFmpegError):
            frames = stream.codec_context.decode(packet)
        yield from (frame for frame in frames if not frame.is_corrupt)


def _index(stamps: Sequence[int], frame: Any, before: int) -> int:
    """Number of a frame by its time stamp, or else the one after the frame before."""
    place = len(stamps) if frame.pts is None else bisect_left(stamps, frame.pts)
    known = place < len(stamps) and stamps[place] == frame.pts and place > before
    return place if known else min(before + 1, len(stamps) - 1)


def _display_matrix(frame: Any) -> tuple[int, ...]:
    """Display matrix of a frame, nine fixed-point numbers; empty if it has none.

    Asked of one frame only: frames whose side data were looked at stay in memory until Python looks for circles.
    """
    found = [data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
    return tuple(np.frombuffer(bytes(found[0]), dtype=np.int32).tolist()) if found else ()


def _upright(frame: Any, stream: Any, matrix: Sequence[int], max_side_px: int | None) -> UInt8[np.ndarray, "h w 3"]:
    """Pixels of a frame: reduced, square, and upright.

    A display matrix means x' = a x + c y, y' = b x + d y.

    Source: libavutil/display.h of FFmpeg; matrices of ISO/IEC 14496-12 (track headers).
    """
    height, width = float(frame.height), float(frame.width * (stream.sample_aspect_ratio or 1))
    scale = 1.0 if max_side_px is None else min(1.0, max_side_px / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = frame.reformat(width=size[0], height=size[1], format="rgb24", interpolation="AREA").to_ndarray()
    if not matrix:
        return pixels
    a, b, c, d = (matrix[place] for place in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, mirrored_x, mirrored_y = pixels.swapaxes(0, 1), c < 0, b < 0
    else:
        mirrored_x, mirrored_y = a < 0, d < 0
    return np.ascontiguousarray(pixels[:: -1 if mirrored_y else 1, :: -1 if mirrored_x else 1])


def _notes(video: Video, n_packets: int, promised: int, promised_s: float) -> tuple[str, ...]:
    """What is odd about a video: cut off, of variable frame rate, one frame."""
    notes, name = [], video.path.name
    if n_packets < promised:
        notes.append(f"{name} is cut off: it contains {n_packets} of {promised} frames")
    elif promised_s - video.duration_s > 1 and video.duration_s < ENDS_EARLY * promised_s:
        notes.append(f"{name}: the frames end at {video.duration_s:.1f} s of {promised_s:.1f} s; is the file cut off?")
    if video.is_variable:
        intervals = [later - earlier for earlier, later in pairwise(video.times_s)]
        slow, fast = 1 / max(intervals), 1 / min(intervals)
        notes.append(f"{name}: the frame rate varies, {slow:.3g} to {fast:.3g} frames a second; true times are used")
    if video.n_frames == 1:
        notes.append(f"{name} has one frame")
    return tuple(notes)
