"""Frames of a video as files: which, where, and that a stopped run goes on."""

import json

import numpy as np
import pytest
from PIL import Image

from render_fit.core.errors import InputError, OutputError
from render_fit.datasets import video_frames
from render_fit.datasets.video_frames import extract_frames
from tests.videos import number_in, timed_video, video, with_matrix


def numbers(extracted):
    """Numbers of the frames, by the list and by the pictures."""
    found = [frame.index for frame in extracted.frames]
    assert found == [number_in(np.asarray(Image.open(frame.path))) for frame in extracted.frames]
    return found


def written(folder):
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/input.jpg")}


def test_frames_become_files_with_their_times(tmp_path):
    seen = []
    extracted = extract_frames(
        video(tmp_path / "walk.mp4"),
        tmp_path / "frames",
        every=6,
        on_frame=lambda done, total: seen.append((done, total)),
    )
    assert numbers(extracted) == [0, 6, 12, 18, 24] and seen == [(done, 5) for done in range(6)]
    assert [frame.name for frame in extracted.frames][2] == "000012"
    assert extracted.frames[2].path == tmp_path / "frames" / "000012" / "input.jpg"
    assert extracted.frames[2].time_s == pytest.approx(0.4, abs=1e-4)
    assert extracted.fps == pytest.approx(5, abs=1e-3) and extracted.notes == ()
    listed = json.loads((tmp_path / "frames" / "frames.json").read_text())
    assert [frame["index"] for frame in listed["frames"]] == [0, 6, 12, 18, 24]
    assert listed["every"] == 6 and listed["video"] == "walk.mp4" and listed["fps"] == extracted.fps
    assert not list((tmp_path / "frames").rglob("*.partial"))


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"start": 0.5}, range(15, 30)),
        ({"end": "0:00.5"}, range(15)),
        ({"start": 0.2, "end": 0.4, "every": 2}, range(6, 12, 2)),
        ({"start": 0.21, "end": 0.24}, range(7, 8)),
        ({"end": 1000}, range(30)),
        ({"every": 100}, range(1)),
    ],
)
def test_ranges(tmp_path, options, expected):
    assert numbers(extract_frames(video(tmp_path / "a.mp4"), tmp_path / "frames", **options)) == list(expected)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"start": 75}, r"start 75 s: a.mp4 is 1.00 s long"),
        ({"start": 0.5, "end": 0.4}, "expected an end after the start"),
        ({"start": 0.21, "end": 0.22}, "a.mp4 has no frame in between"),
        ({"every": 0}, "every 0: expected a whole number from 1"),
        ({"start": "x"}, "expected seconds or mm:ss"),
    ],
)
def test_ranges_that_contain_nothing_are_told(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        extract_frames(video(tmp_path / "a.mp4"), tmp_path / "frames", **options)


def test_large_and_rotated_frames_are_upright_and_reduced(tmp_path):
    path = with_matrix(video(tmp_path / "a.mp4", n_frames=2), tmp_path / "turned.mp4", (0, 1, -1, 0))
    extracted = extract_frames(path, tmp_path / "frames", max_side_px=160)
    assert extracted.video.file_size == (320, 120)
    assert Image.open(extracted.frames[0].path).size == (60, 160)


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    path, folder = video(tmp_path / "a.mp4"), tmp_path / "frames"

    def stop(done, total):
        if done == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_frames(path, folder, on_frame=stop)
    before = written(folder)
    assert len(before) == 13 and not (folder / "frames.json").exists()
    (folder / "000007" / "input.jpg").write_bytes(b"\xff\xd8\xff cut")  # a picture that was damaged is made again
    assert numbers(extract_frames(path, folder)) == list(range(30))
    after = written(folder)
    assert {name for name, time in before.items() if after[name] != time} == {"000007"}

    def never(*args, **kwargs):
        assert not args[1], "frames that are there are not decoded"
        return iter(())

    monkeypatch.setattr(video_frames, "decoded_frames", never)
    assert numbers(extract_frames(path, folder, every=7, start=0.1)) == [3, 10, 17, 24]


def test_frames_of_another_video_or_size_are_replaced(tmp_path):
    folder = tmp_path / "frames"
    extract_frames(video(tmp_path / "a.mp4", n_frames=4), folder)
    before = written(folder)
    # three frames of another video that has the same name
    extracted = extract_frames(video(tmp_path / "a.mp4", n_frames=3, size=(64, 96)), folder)
    assert [Image.open(frame.path).size for frame in extracted.frames] == [(96, 64)] * 3
    assert {name for name, time in written(folder).items() if before[name] == time} == {"000003"}
    assert [
        Image.open(frame.path).size for frame in extract_frames(tmp_path / "a.mp4", folder, max_side_px=48).frames
    ] == [(48, 32)] * 3


def test_a_file_that_is_cut_gives_its_frames_and_a_note(tmp_path):
    content = video(tmp_path / "whole.mp4", n_frames=35).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: round(0.8 * len(content))])
    extracted = extract_frames(tmp_path / "cut.mp4", tmp_path / "frames")
    assert numbers(extracted) == list(range(len(extracted.frames)))
    assert extracted.notes[0] == f"cut.mp4 is cut off: it contains {extracted.video.n_frames} of 35 frames"
    if len(extracted.frames) < extracted.video.n_frames:
        assert f"{len(extracted.frames)} of {extracted.video.n_frames} frames can be decoded" in extracted.notes[1]


def test_times_of_a_variable_frame_rate_are_kept(tmp_path):
    times = [0, 0.033, 0.066, 0.5, 0.9]
    extracted = extract_frames(timed_video(tmp_path / "a.mkv", times), tmp_path / "frames", start=0.05, every=2)
    assert [frame.time_s for frame in extracted.frames] == pytest.approx([0.066, 0.9], abs=2e-3)
    assert "the frame rate varies" in extracted.notes[0]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder; choose another --out"):
        extract_frames(video(tmp_path / "a.mp4"), tmp_path / "file")
