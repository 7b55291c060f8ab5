import json

import pytest

from render_fit.core.errors import InputError
from render_fit.core.files import folder_written_whole, prepare_output, remove_unfinished, write_bytes, write_json


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


def test_a_folder_that_another_process_has_just_written_is_replaced(tmp_path):
    with folder_written_whole(tmp_path / "fit", last="report") as working:
        write_bytes(working / "report", b"second")
        exists = type(tmp_path).exists

        def written_meanwhile(path):
            found = exists(path)
            if path == tmp_path / "fit" and not found:
                path.mkdir()
                write_bytes(path / "report", b"first")
            return found

        type(tmp_path).exists = written_meanwhile
    type(tmp_path).exists = exists
    assert names(tmp_path) == ["fit"]
    assert (tmp_path / "fit" / "report").read_bytes() == b"second"


def test_only_ones_own_unfinished_folders_are_removed(tmp_path):
    with pytest.raises(KeyError), folder_written_whole(tmp_path / "a", last="report") as own:
        with folder_written_whole(tmp_path / "ab", last="report") as other:
            remove_unfinished(tmp_path, lambda name: name == "a")
            assert (own.exists(), other.exists()) == (False, True)
            write_bytes(other / "report", b"")
        raise KeyError
    assert names(tmp_path) == ["ab"]


def test_long_names_leave_room_for_a_random_ending(tmp_path):
    for name in ("n" * 250, "\u4eba" * 80):
        with folder_written_whole(tmp_path / name, last="report") as working:
            write_bytes(working / "report", b"")
        assert (tmp_path / name / "report").is_file()
