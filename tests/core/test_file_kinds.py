"""What files are by their first bytes; text with byte order marks."""

import pytest

from render_fit.core.errors import InputError
from render_fit.core.file_kinds import and_what_it_is, what_it_is
from render_fit.core.text_files import number, read_json, read_text

KINDS = {
    b"<!DOCTYPE html>": "web page",
    b"\xef\xbb\xbf  <HTML>": "web page",
    b"version https://git-lfs.github.com/spec/v1\n": "git lfs pull",
    b"\0\0\0\x18ftypheic": "HEIC photo",
    b"\0\0\0\x18ftypmif1": "HEIC photo",
    b"\0\0\0\x1cftypavif": "an AVIF image",
    b"\0\0\0\x18ftypmp42": "a video",
    b"\0\0\0\x18ftypM4A ": "a sound file",
    b"\0\0\x01\0moov": "a video",
    b"\x1aE\xdf\xa3\x01": "a video",
    b"RIFF\0\0\0\0AVI LIST": "a video",
    b"RIFF\0\0\0\0WAVEfmt ": "",
    (b"G" + bytes(187)) * 3: "a video",
    (bytes(4) + b"G" + bytes(187)) * 3: "a video",
    b"\xff\xd8\xff\xe0": "a JPEG image",
    b"RIFF\0\0\0\0WEBPVP8 ": "a WebP image",
    b"PK\x03\x04": "zip archive",
    b"\x1f\x8b\x08": "unpack it first",
    b"\x93NUMPY": ".npy",
    b"": "empty (0 bytes)",
    bytes(600): "only zero bytes",
    b"hello": "",
}


@pytest.mark.parametrize("content, kind", KINDS.items(), ids=range(len(KINDS)))
def test_kinds_of_files(tmp_path, content, kind):
    (tmp_path / "file.jpg").write_bytes(content)
    found = what_it_is(tmp_path / "file.jpg")
    assert (kind in found) if kind else found == ""
    assert and_what_it_is(tmp_path / "file.jpg") == (f"; it is {found}" if found else "")
    assert what_it_is(tmp_path / "gone") == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_in_the_encodings_of_windows(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes('{"a": "é"}'.encode(encoding))
    assert read_json(tmp_path / "a.json") == {"a": "é"}
    (tmp_path / "b.txt").write_bytes(b"\xff\xd8\xff\xe0\0\x10")
    with pytest.raises(InputError, match=r"b.txt: expected a recipe, found no text; it is a JPEG image"):
        read_text(tmp_path / "b.txt", "a recipe")


def test_numbers_of_json():
    assert [number(value) for value in (1, 2.5, "3", "x", None, True, [1], float("nan"), "inf", 10**400)] == [
        1.0, 2.5, 3.0, None, None, None, None, None, None, None,
    ]  # fmt: skip
