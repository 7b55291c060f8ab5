"""A small run of the kills at random moments, and that wrong results are noticed."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.fault_injection.kills import _not_whole
from tests.fault_injection.scenarios import SCENARIOS, differing, fits, names_of


def test_a_killed_fit_leaves_nothing_that_counts_as_done_and_resumes():
    # in a process of its own: one in which the renderer has run must not fork
    command = [sys.executable, "-m", "tests.fault_injection", "--moments", "3", "--scenario", "photo"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "killed 3 times in all" in told.stdout


def written(folder, name="a", **arrays):
    (folder / name).mkdir(parents=True)
    np.savez(folder / name / "params.npz", **arrays)
    (folder / name / "report.json").write_text('{"status": "ok", "seconds": {"total": 1.5}}')


@pytest.fixture
def expected(tmp_path):
    written(tmp_path / "expected", betas=np.zeros(3))
    return fits(tmp_path / "expected")


def test_a_whole_folder_is_whole(tmp_path, expected):
    written(tmp_path / "out", betas=np.zeros(3))
    assert list(_not_whole(SCENARIOS["photo"], tmp_path / "out", expected, "")) == []


def test_other_numbers_half_files_and_missing_files_are_noticed(tmp_path, expected):
    written(tmp_path / "other", betas=np.ones(3))
    assert list(_not_whole(SCENARIOS["photo"], tmp_path / "other", expected, "now")) == ["now: /a/params.npz/betas"]
    written(tmp_path / "half", betas=np.zeros(3))
    path = tmp_path / "half" / "a" / "params.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert "cannot be read" in next(iter(_not_whole(SCENARIOS["photo"], tmp_path / "half", expected, "now")))
    path.unlink()
    (found,) = _not_whole(SCENARIOS["photo"], tmp_path / "half", expected, "now")
    assert found.endswith("a/params.npz is missing in a folder that counts as done")


def test_contents_are_compared_to_the_bit_and_hidden_files_are_seen(tmp_path):
    assert differing({"a": [torch.ones(2), 1]}, {"a": [torch.ones(2), 1]}) == []
    assert differing({"a": [torch.ones(2), 1]}, {"a": [torch.ones(2).double() + 1e-9, 1]}) == ["/a/0"]
    assert sorted(differing({"a": 1}, {"b": 1})) == ["/a: only one has it", "/b: only one has it"]
    (tmp_path / ".a.partial").mkdir()
    (tmp_path / "tensorboard").mkdir()
    assert names_of(tmp_path) == {".a.partial"}
