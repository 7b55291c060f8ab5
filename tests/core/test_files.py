import json
import resource
import subprocess
import sys

import pytest
import torch

from render_fit.core.errors import InputError, OutputError
from render_fit.core.files import (
    PARTIAL,
    folder_written_whole,
    prepare_output,
    remove_leftovers,
    write_bytes,
    write_file,
    write_json,
)


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


def killed(folder, what):
    """Lets another process begin to write into a folder, and kills it there."""
    begin = {
        "file": "write_file(out / 'state.pt', lambda file: (file.write(b'half'), file.flush(), wait()))",
        "folder": "exec(\"with folder_written_whole(out / 'fit', last='report') as inner:\\n"
        " write_bytes(inner / 'mesh', b'1'); wait()\")",
    }[what]
    code = (
        "import sys; from pathlib import Path; from render_fit.core.files import *\n"
        f"out = Path(sys.argv[1])\ndef wait(): print(flush=True); input()\n{begin}"
    )
    process = subprocess.Popen([sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_a_killed_process_left_is_removed_and_what_another_writes_stays(tmp_path, what):
    process = killed(tmp_path, what)
    (begun,) = names(tmp_path)
    assert begun.startswith(".") and begun.endswith(PARTIAL)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [begun]  # it is being written
    process.kill()
    process.wait()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_files_of_the_user_and_of_other_machines_are_no_leftovers(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "this.one")
    for name in (".a.other.abcd1234.partial", ".mine.partial", "mine.partial", "a.this-one.abcd1234.partial"):
        (tmp_path / name).write_bytes(b"")
    before = names(tmp_path)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == before
    (tmp_path / ".a.this-one.abcd1234.partial").write_bytes(b"")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == before
    remove_leftovers(tmp_path / "gone")


def test_a_full_disk_is_told_of_the_file_itself_and_leaves_nothing(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # as a disk with room for 10 kB
    try:
        for write in (lambda file: file.write(bytes(20_000)), lambda file: torch.save(torch.zeros(10_000), file)):
            with pytest.raises(OutputError, match=r"out/a: cannot write there \(File too large\)"):
                write_file(prepare_output(tmp_path / "out") / "a", write)
        whole = folder_written_whole(tmp_path / "out" / "fit", last="report")
        with pytest.raises(OutputError, match=r"out/fit: cannot write there"), whole as folder:
            write_bytes(folder / "mesh", bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path / "out") == []


def test_a_folder_that_appears_meanwhile_is_written_into(tmp_path):
    with folder_written_whole(tmp_path / "fit", last="report") as folder:
        write_bytes(folder / "report", b"second")
        with folder_written_whole(tmp_path / "fit", last="report") as other:  # as another process would
            write_bytes(other / "report", b"first")
            write_bytes(other / "mesh", b"first")
    assert {path.name: path.read_text() for path in (tmp_path / "fit").iterdir()} == {
        "report": "second",
        "mesh": "first",
    }
    assert names(tmp_path) == ["fit"]


def test_long_names_leave_room_for_a_random_ending(tmp_path):
    for name in ("n" * 250, "\u4eba" * 80):
        with folder_written_whole(tmp_path / name, last="report") as working:
            write_bytes(working / "report", b"")
        assert (tmp_path / name / "report").is_file()
