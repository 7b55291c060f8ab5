"""What videos are; their frames, upright, with their true times."""

import builtins
import gc
import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.datasets.video import decoded_frames, is_video, read_video, seconds_of
from render_fit.export.video import write_video
from tests.videos import is_red, number_in, picture, timed_video, video, with_matrix


def numbers(read, indices):
    """Numbers of decoded frames, by the decoder and by their pictures."""
    found = list(decoded_frames(read, indices))
    assert [frame.index for frame in found] == [number_in(frame.pixels) for frame in found]
    return [frame.index for frame in found]


def test_a_video_is_described_and_its_frames_are_found(tmp_path):
    read = read_video(video(tmp_path / "walk.mp4", n_frames=40, fps=25))
    assert (read.file_size, read.n_frames, read.codec, read.notes) == ((120, 320), 40, "h264", ())
    assert read.fps == pytest.approx(25, abs=1e-4) and read.duration_s == pytest.approx(1.6, abs=1e-4)
    assert read.times_s[30] == pytest.approx(1.2, abs=1e-4) and not read.is_variable
    assert numbers(read, range(40)) == list(range(40))
    assert numbers(read, [33, 36]) == [33, 36]
    assert numbers(read, []) == []
    small = next(decoded_frames(read, [7], max_side_px=80))
    assert small.pixels.shape == (30, 80, 3) and number_in(small.pixels, scale=0.25) == 7


def test_a_long_video_is_decoded_from_its_middle(tmp_path):
    # x264 begins anew after 250 frames at the latest; the bar starts again at the left
    path = tmp_path / "long.mp4"

    write_video(path, (picture(index % 35) for index in range(600)), 30)
    found = list(decoded_frames(read_video(path), [400, 555]))
    assert [(frame.index, number_in(frame.pixels)) for frame in found] == [(400, 400 % 35), (555, 555 % 35)]


@pytest.mark.parametrize(
    "name, codec",
    [("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4"), ("a.ts", "libx264"), ("a.mov", "mpeg4")],
)
def test_formats(tmp_path, name, codec):
    path = timed_video(tmp_path / name, [i / 30 for i in range(12)], codec)
    assert is_video(path)
    read = read_video(path)
    assert read.n_frames == 12 and read.fps == pytest.approx(30, rel=0.02) and read.notes == ()
    assert numbers(read, range(12)) == list(range(12))
    assert numbers(read, [5, 9]) == [5, 9]
    (tmp_path / "unnamed").write_bytes(path.read_bytes())
    assert is_video(tmp_path / "unnamed")


def test_a_gif_is_a_video_if_it_moves(tmp_path):
    images = [Image.fromarray(picture(index)) for index in range(5)]
    images[0].save(tmp_path / "moving.gif", save_all=True, append_images=images[1:], duration=100)
    images[0].save(tmp_path / "still.gif")
    assert is_video(tmp_path / "moving.gif") and not is_video(tmp_path / "still.gif")
    read = read_video(tmp_path / "moving.gif")
    assert read.fps == pytest.approx(10) and numbers(read, range(5)) == [0, 1, 2, 3, 4]


# what each orientation does to the red upper left corner (row, column), from EXIF 2.32's eight orientations
ORIENTATIONS = {
    (1, 0, 0, 1): (0.1, 0.05),
    (-1, 0, 0, 1): (0.1, 0.95),
    (-1, 0, 0, -1): (0.9, 0.95),
    (1, 0, 0, -1): (0.9, 0.05),
    (0, 1, 1, 0): (0.05, 0.1),
    (0, 1, -1, 0): (0.05, 0.9),
    (0, -1, -1, 0): (0.95, 0.9),
    (0, -1, 1, 0): (0.95, 0.1),
}


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_rotation_of_phones_is_applied(tmp_path, matrix):
    path = with_matrix(video(tmp_path / "a.mp4", n_frames=3), tmp_path / "turned.mp4", matrix)
    read = read_video(path)
    assert read.file_size == ((120, 320) if matrix[0] else (320, 120))
    first = next(decoded_frames(read, [0])).pixels
    assert first.shape[:2] == read.file_size
    corners = {place: is_red(first, *place) for place in ORIENTATIONS.values()}
    near = ORIENTATIONS[matrix]
    assert corners[near]
    assert not any(red for place, red in corners.items() if abs(place[0] - near[0]) + abs(place[1] - near[1]) > 0.5)


def test_rotation_turns_the_whole_picture(tmp_path):
    flat = read_video(video(tmp_path / "a.mp4", n_frames=3))
    turned = read_video(with_matrix(flat.path, tmp_path / "turned.mp4", (0, 1, -1, 0)))
    expected = np.rot90(next(decoded_frames(flat, [2])).pixels, k=-1)  # a quarter clockwise
    assert np.array_equal(next(decoded_frames(turned, [2])).pixels, expected)


def test_pixels_that_are_not_square_become_so(tmp_path):
    path = timed_video(tmp_path / "a.mp4", [0, 0.04], ratio=Fraction(16, 11))
    read = read_video(path)
    assert read.file_size == (120, round(320 * 16 / 11))


def test_true_times_of_a_variable_frame_rate(tmp_path):
    times = [0, 0.033, 0.066, 0.1, 0.5, 0.9, 0.933]
    read = read_video(timed_video(tmp_path / "phone.mkv", times))
    assert read.times_s == pytest.approx(times, abs=2e-3) and read.is_variable
    (note,) = read.notes
    assert "phone.mkv: the frame rate varies, 2.5 to 30" in note and "true times" in note
    assert numbers(read, range(7)) == list(range(7))


def test_a_video_of_one_frame(tmp_path):
    read = read_video(video(tmp_path / "one.mp4", n_frames=1))
    assert (read.n_frames, read.fps, read.notes) == (1, None, ("one.mp4 has one frame",))
    assert numbers(read, [0]) == [0]


def test_a_cut_file_gives_the_frames_that_it_has(tmp_path):
    whole = video(tmp_path / "whole.mp4", n_frames=35)
    content = whole.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: round(0.8 * len(content))])
    read = read_video(tmp_path / "cut.mp4")
    assert 10 < read.n_frames < 35
    assert read.notes == (f"cut.mp4 is cut off: it contains {read.n_frames} of 35 frames",)
    found = numbers(read, range(read.n_frames))
    assert found == list(range(len(found))) and len(found) >= read.n_frames - 3


def test_a_damaged_frame_costs_the_frames_that_need_it_only(tmp_path):
    content = bytearray(video(tmp_path / "whole.mp4", n_frames=35).read_bytes())
    place = content.find(b"mdat") + 4 + round(0.7 * (len(content) - content.find(b"mdat")))
    content[place : place + 60] = bytes(60)
    (tmp_path / "damaged.mp4").write_bytes(content)
    read = read_video(tmp_path / "damaged.mp4")
    found = [frame.index for frame in decoded_frames(read, range(35))]
    assert read.n_frames == 35 and 15 < len(found) <= 35 and found == sorted(set(found))


@pytest.mark.parametrize(
    "name, codec", [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "libx264")]
)
def test_any_damage_gives_frames_or_a_message(tmp_path, name, codec):
    sound = timed_video(tmp_path / name, [i / 30 for i in range(12)], codec, size=(48, 64)).read_bytes()
    rng, path, n_read = np.random.default_rng(0), tmp_path / f"damaged_{name}", 0
    for _ in range(25):
        content = bytearray(sound)
        for place in rng.integers(0, len(content), rng.integers(1, 20)):
            content[place] = rng.integers(256)
        cut = len(content) if rng.random() < 0.7 else rng.integers(len(content) // 2, len(content))
        path.write_bytes(content[:cut])
        try:
            read = read_video(path)
            found = [frame.index for frame in decoded_frames(read, range(read.n_frames))]
        except InputError as error:
            assert str(error).startswith(str(path))
        else:
            n_read += 1
            assert found == sorted(set(found)) and set(found) <= set(range(read.n_frames))
            assert all(later > earlier for earlier, later in pairwise(read.times_s))
    assert n_read > 3


def test_a_file_cut_in_its_header_is_told(tmp_path):
    content = video(tmp_path / "whole.mp4").read_bytes()
    # phones write the index last, so it is what a cut file lacks
    (tmp_path / "cut.mp4").write_bytes(content[: content.find(b"moov") - 4] + content[content.find(b"mdat") - 4 :])
    with pytest.raises(InputError, match="cut.mp4: cannot be read: the file is damaged, or cut off before its index"):
        read_video(tmp_path / "cut.mp4")
    (tmp_path / "short.mp4").write_bytes(content[:200])
    with pytest.raises(InputError, match=r"short.mp4: contains no pictures: .* cut off"):
        read_video(tmp_path / "short.mp4")
    # the index is there, and no frame behind it
    (tmp_path / "bare.mp4").write_bytes(content[: content.find(b"mdat") + 8])
    with pytest.raises(InputError, match="bare.mp4: no frame can be decoded"):
        read_video(tmp_path / "bare.mp4")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("photo.mp4", b"\xff\xd8\xff\xe0", "is a JPEG image; expected a video"),
        ("page.mp4", b"<!doctype html>", "is a web page"),
        ("text.mp4", b"hello " * 100, "is not a video"),
        ("empty.mov", b"", "is empty"),
        # a play list names other files; nobody who gives a video means those
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.ts\n#EXT-X-ENDLIST\n", "is not a video"),
        ("list.txt", b"ffconcat version 1.0\nfile 'whole.ts'\n", "is not a video"),
    ],
)
def test_what_is_no_video_is_told(tmp_path, name, content, message):
    timed_video(tmp_path / "whole.ts", [0, 0.04, 0.08])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: {message}"):
        read_video(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        read_video(tmp_path / "gone.mp4")
    with pytest.raises(InputError, match="is a folder"):
        read_video(tmp_path)


def test_sound_alone_is_told(tmp_path):
    # 0.1 s of silence as a track of sound in a Matroska file
    import av

    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(InputError, match="sound.mkv: contains no pictures: only sound"):
        read_video(tmp_path / "sound.mkv")


def test_times_as_people_write_them():
    assert [seconds_of(time) for time in (3, "12.5", "1:05", "01:02:03.5", " 0:00 ")] == [3, 12.5, 65, 3723.5, 0]
    for time in ("", "x", "1:75", "-3", "1:2:3:4", "nan", "inf", "1:-5"):
        with pytest.raises(InputError, match=r"expected seconds or mm:ss"):
            seconds_of(time)


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = video(tmp_path / "a.mp4", n_frames=2)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "av":
            raise ImportError("No module named 'av'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"pip install 'render-fit\[video\]'"):
        read_video(path)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts the memory of this process as Linux tells it")
def test_frames_do_not_stay_in_memory(tmp_path):
    def resident_mb():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    picture_hd = np.zeros((720, 1280, 3), np.uint8)
    read = read_video(write_video(tmp_path / "hd.mp4", (picture_hd for _ in range(120)), 30))
    frames = decoded_frames(read, range(120))
    gc.disable()  # frames that are only freed by looking for circles would stay
    try:
        for _ in range(20):
            next(frames)
        before = resident_mb()
        for _ in range(90):
            next(frames)
        assert resident_mb() - before < 60, "90 frames have 125 MB in YUV, 249 MB in RGB"
    finally:
        gc.enable()
        frames.close()
