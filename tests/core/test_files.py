import json

import pytest

from render_fit.core.errors import InputError
from render_fit.core.files import folder_written_whole, prepare_output, write_bytes, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_bytes(tmp_path / "a", "text, not bytes")  # fails while writing
    assert names(tmp_path) == []


def test_json_has_null_for_what_is_not_finite(tmp_path):
    path = write_json(tmp_path / "a.json", {"iou": {"before": float("nan"), "after": 0.5}, "x": [float("inf")]})
    assert json.loads(path.read_text()) == {"iou": {"before": None, "after": 0.5}, "x": [None]}


def test_a_folder_appears_only_when_it_is_whole(tmp_path):
    with folder_written_whole(tmp_path / "fit", last="report") as folder:
        write_bytes(folder / "mesh", b"1")
        assert not (tmp_path / "fit").exists()
        write_bytes(folder / "report", b"2")
    assert names(tmp_path) == ["fit"]
    assert names(tmp_path / "fit") == ["mesh", "report"]


def test_an_interrupted_folder_leaves_the_earlier_one(tmp_path):
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "report").write_text("old")
    with pytest.raises(KeyboardInterrupt), folder_written_whole(tmp_path / "fit", last="report") as folder:
        write_bytes(folder / "report", b"new")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["fit"]
    assert (tmp_path / "fit" / "report").read_text() == "old"


def test_writing_again_replaces_own_files_and_keeps_the_users(tmp_path):
    folder = tmp_path / "fit"
    folder.mkdir()
    for name in ("report", "mesh.obj", "notes.txt"):
        (folder / name).write_text("old")
    with folder_written_whole(folder, last="report", owned=("report", "mesh.obj")) as working:
        write_bytes(working / "report", b"new")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"report": "new", "notes.txt": "old"}


def test_a_file_in_the_way_is_a_clear_error_and_stays(tmp_path):
    (tmp_path / "fit").write_text("mine")
    with pytest.raises(InputError, match="is a file"), folder_written_whole(tmp_path / "fit", last="r"):
        pass
    with pytest.raises(InputError, match="choose another --out"):
        prepare_output(tmp_path / "fit")
    assert (tmp_path / "fit").read_text() == "mine"


def test_a_missing_folder_of_a_file_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match="cannot write there"):
        write_bytes(tmp_path / "no" / "file", b"")


def test_names_that_are_not_utf8_are_written_and_read_back(tmp_path):
    for name in ("caf\udce9.jpg", "café.jpg"):
        path = write_json(tmp_path / "report.json", {"image": name})
        assert json.loads(path.read_text(encoding="utf-8")) == {"image": name}
