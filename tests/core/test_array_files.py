"""Archives of arrays: each way in which one can be wrong is told in one line, without taking memory."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from render_fit.core import array_files
from render_fit.core.array_files import read_arrays, write_arrays
from render_fit.core.errors import InputError


def header(shape):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def archive(path, content, **options):
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("a.npy", content)
    return path


def with_field(path, offset, value):
    """Changes a field of both headers of an archive's only member (APPNOTE.TXT, 4.3.7 and 4.3.12)."""
    whole = path.read_bytes()
    for signature, start in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = whole.find(signature) + start + offset
        whole = whole[:place] + value + whole[place + len(value) :]
    path.write_bytes(whole)
    return path


def test_arrays_are_read_back_and_others_are_only_named(tmp_path):
    path = write_arrays(tmp_path / "a.npz", a=np.arange(3), b=np.ones((2, 2), np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    found = read_arrays(path, ("b", "c"))
    assert list(found) == ["a", "b"] and found["a"] is None
    assert found["b"].dtype == np.float32 and np.array_equal(found["b"], np.ones((2, 2)))


def test_archives_that_cannot_be_unpacked_are_refused_in_one_line(tmp_path):
    sound = io.BytesIO()
    np.save(sound, np.arange(3.0))
    content, path = sound.getvalue(), tmp_path / "a.npz"
    wrong = {
        "encrypted": lambda: with_field(archive(path, content), 0, b"\x01\x00"),
        "compressed in a way that nobody knows": lambda: with_field(archive(path, content), 2, b"\x63\x00"),
        "cut off": lambda: path.write_bytes(archive(path, content).read_bytes()[:60]),
        "an array cut off": lambda: archive(path, content[:-4]),
        "of another checksum": lambda: with_field(archive(path, content), 8, b"\1\2\3\4"),
        "of damaged LZMA": lambda: path.write_bytes(
            archive(path, content, compression=zipfile.ZIP_LZMA).read_bytes().replace(b"\x5d\x00", b"\xff\x00")
        ),
        "an array of a trillion numbers": lambda: archive(path, header("(1000000000000,)")),
        "an array of a negative number of numbers": lambda: archive(path, header("(-1,)")),
        "a header that is no header": lambda: archive(path, header("'x'")),
        "no array": lambda: archive(path, b"text"),
        "a web page": lambda: path.write_bytes(b"<html>"),
        "empty": lambda: path.write_bytes(b""),
    }
    for what, write in wrong.items():
        write()
        with pytest.raises(InputError) as error:
            read_arrays(path)
        assert str(error.value).startswith(f"{path} is damaged or not a .npz file"), what
        assert "\n" not in str(error.value), what


def test_objects_are_not_read(tmp_path):
    content = io.BytesIO()
    np.save(content, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="holds Python objects"):
        read_arrays(archive(tmp_path / "a.npz", content.getvalue()))
    (tmp_path / "b.npz").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match="not a .npz file"):
        read_arrays(tmp_path / "b.npz")


def test_a_small_file_that_unpacks_to_much_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setattr(array_files, "MOST_BYTES", 1_000_000)
    path = archive(tmp_path / "a.npz", header("(500000,)") + bytes(2_000_000), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    with pytest.raises(InputError, match=r"holds 0\.0 GB of arrays"):
        read_arrays(path)
    assert read_arrays(path, ()) == {"a": None}


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_arrays(tmp_path / "gone.npz")
    with pytest.raises(InputError, match="is a folder"):
        read_arrays(tmp_path)
