import subprocess
import sys

import pytest

from render_fit.core.errors import InputError
from render_fit.core.locks import lock, locked, only_user_of, release

HOLD = """
import sys
from pathlib import Path
from render_fit.core.locks import lock
held = lock(Path(sys.argv[1]))
print(flush=True)
input()
"""


def test_a_lock_has_one_holder(tmp_path):
    held = lock(tmp_path)
    with pytest.raises(BlockingIOError):
        lock(tmp_path)
    release(held)
    release(lock(tmp_path))


def test_a_folder_has_one_user_at_a_time(tmp_path):
    refused = pytest.raises(InputError, match="another process is working in this folder")
    with only_user_of(tmp_path), refused, only_user_of(tmp_path):
        pass
    with only_user_of(tmp_path), pytest.raises(BlockingIOError):
        lock(tmp_path)


def test_a_killed_process_holds_no_lock(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    with pytest.raises(BlockingIOError):
        lock(tmp_path)
    process.kill()
    process.wait()
    release(lock(tmp_path))
    with locked(tmp_path):
        pass


def test_a_path_that_is_not_there_is_not_locked(tmp_path):
    assert lock(tmp_path / "gone") is None
    with locked(tmp_path / "gone"), only_user_of(tmp_path / "gone"):
        pass
