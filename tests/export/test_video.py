"""Videos that are written: what players need, colours, sizes, and that nothing half-written stays."""

import av
import numpy as np
import pytest

from render_fit.core.errors import InputError, OutputError
from render_fit.datasets.video import decoded_frames, read_video
from render_fit.export.video import write_video
from tests.videos import number_in, picture, pictures


def test_what_browsers_and_phones_need(tmp_path):
    path = write_video(tmp_path / "a.mp4", pictures(20), 24)
    content = path.read_bytes()
    assert content[4:8] == b"ftyp" and content.find(b"moov") < content.find(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.frames, stream.average_rate) == (20, 24)
    found = decoded_frames(read_video(path), range(20))
    assert [number_in(frame.pixels) for frame in found] == list(range(20))


def test_colours_come_back(tmp_path):
    colours = [(20, 200, 60), (200, 40, 30), (30, 60, 200), (128, 128, 128)]
    path = write_video(tmp_path / "a.mp4", (np.full((64, 64, 3), colour, np.uint8) for colour in colours), 10)
    for frame, colour in zip(decoded_frames(read_video(path), range(4)), colours, strict=True):
        # 4:2:0 in 8 bits of limited range; BT.601's matrix instead of BT.709's is off by 13 to 30
        assert np.abs(frame.pixels[32, 32].astype(int) - colour).max() <= 4


@pytest.mark.parametrize("size", [(63, 97), (64, 97), (63, 96), (2, 2)])
def test_odd_sides_become_even(tmp_path, size):
    path = write_video(tmp_path / "a.mp4", [np.full((*size, 3), 90, np.uint8)] * 3, 10)
    assert read_video(path).file_size == (size[0] + size[0] % 2, size[1] + size[1] % 2)


def test_frames_of_other_sizes_are_fitted_in(tmp_path):
    frames = [picture(3), np.full((200, 100, 3), 200, np.uint8), picture(5)]
    found = [
        frame.pixels for frame in decoded_frames(read_video(write_video(tmp_path / "a.mp4", frames, 10)), range(3))
    ]
    assert {pixels.shape for pixels in found} == {(120, 320, 3)}
    assert abs(int(found[1][60, 160, 0]) - 200) < 5 and found[1][60, 20, 0] > 240
    assert number_in(found[2]) == 5


def test_one_frame_is_held_at_a_time(tmp_path):
    alive, most = [], 0
    import weakref

    def frames():
        nonlocal most
        for index in range(30):
            pixels = picture(index)
            alive.append(weakref.ref(pixels))
            most = max(most, sum(one() is not None for one in alive))
            yield pixels

    write_video(tmp_path / "a.mp4", frames(), 10)
    assert len(alive) == 30 and most <= 3


def test_nothing_half_written_stays(tmp_path):
    def breaks():
        yield from pictures(5)
        raise RuntimeError("the renderer failed")

    (tmp_path / "a.mp4").write_bytes(b"before")
    with pytest.raises(RuntimeError, match="the renderer failed"):
        write_video(tmp_path / "a.mp4", breaks(), 10)
    with pytest.raises(InputError, match="no frame to write"):
        write_video(tmp_path / "a.mp4", iter(()), 10)
    for fps in (0, -1, 1e4, float("nan")):
        with pytest.raises(InputError, match="frames a second"):
            write_video(tmp_path / "a.mp4", pictures(2), fps)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"] and (tmp_path / "a.mp4").read_bytes() == b"before"
    with pytest.raises(OutputError, match="cannot write there"):
        write_video(tmp_path / "gone" / "a.mp4", pictures(2), 10)
