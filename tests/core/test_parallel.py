"""Functions applied to lists in several processes."""

import multiprocessing
import os
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.core.parallel import map_in_processes, share_with_processes, started_early


def describe(task: int, offset: int) -> tuple[int, int, int, str]:
    if task < 0:
        os._exit(1)
    return task + offset, os.getpid(), torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]


def test_results_are_in_order_and_processes_have_their_threads():
    results = list(map_in_processes(describe, range(5), processes=2, threads=3, shared=(10,)))
    assert [result[0] for result in results] == [10, 11, 12, 13, 14]
    assert {result[2:] for result in results} == {(3, "3")} and os.getpid() not in {result[1] for result in results}


def wait_after_the_first(task: int) -> int:
    time.sleep(60 * task)
    return task


def test_closing_early_terminates_the_processes():
    before = set(multiprocessing.active_children())
    results = share_with_processes(wait_after_the_first, lambda task: task, [1, 0], processes=2, threads=1)
    assert next(results) == 0
    results.close()
    assert all_ended_since(before)


def all_ended_since(before: set[multiprocessing.process.BaseProcess]) -> bool:
    """Whether no processes are left but those of before; the pool's own thread may be about to note the end of one."""
    end = time.monotonic() + 5
    while set(multiprocessing.active_children()) != before and time.monotonic() < end:
        time.sleep(0.01)
    return set(multiprocessing.active_children()) == before


def test_the_calling_process_works_too_and_has_its_threads_back():
    before = torch.get_num_threads()
    own = lambda task: (task, os.getpid(), torch.get_num_threads(), "")  # noqa: E731
    results = list(share_with_processes(describe, own, range(6), processes=2, threads=3, shared=(0,)))
    assert sorted(result[0] for result in results) == list(range(6))
    processes = {result[1] for result in results}
    assert os.getpid() in processes and len(processes) == 2 and {result[2] for result in results} == {3}
    assert torch.get_num_threads() == before


def test_of_few_tasks_every_process_gets_one():
    own = lambda task: os.getpid()  # noqa: E731
    results = list(share_with_processes(process_of, own, range(3), processes=3, threads=1))
    assert len(set(results)) == 3


def process_of(task: int) -> int:
    time.sleep(1)  # until the others have started, so that none takes two
    return os.getpid()


def test_processes_that_were_started_early_are_used_and_end():
    before = set(multiprocessing.active_children())
    with started_early(2, 1, "render_fit.core.files"):
        (early,) = set(multiprocessing.active_children()) - before
        results = share_with_processes(modules_of, lambda task: (0, False), range(2), processes=2, threads=1)
        assert (early.pid, True) in set(results)
    with started_early(3, 1, "torch"):  # nothing is left to do
        assert len(set(multiprocessing.active_children()) - before) == 2
    assert all_ended_since(before)


def modules_of(task: int) -> tuple[int, bool]:
    return os.getpid(), "render_fit.core.files" in sys.modules


class Result:
    """A result that can be seen to be given up."""


def make_result(task: int) -> Result:
    return Result()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_result_is_not_kept_once_the_next_was_taken(ordered: bool):
    # ten thousand photos' reports would fill the memory
    processes = {"processes": 2, "threads": 1}
    if ordered:
        results = map_in_processes(make_result, range(6), **processes)
    else:
        results = share_with_processes(make_result, make_result, range(6), **processes)
    seen = [weakref.ref(next(results)) for _ in range(6)]
    assert [reference() for reference in seen[:-1]] == [None] * 5
    assert list(results) == []


def test_one_process_is_the_calling_one():
    assert next(map_in_processes(lambda task: (task, os.getpid()), [7], processes=1, threads=1)) == (7, os.getpid())


def test_a_dead_process_is_an_input_error():
    with pytest.raises(InputError, match="fewer --jobs"):
        list(map_in_processes(describe, [1, -1], processes=2, threads=1, shared=(0,)))
    with pytest.raises(InputError, match="fewer --jobs"):
        list(share_with_processes(describe, abs, [-1, 1], processes=2, threads=1, shared=(0,)))


PARENT = """
import sys
from tests.core.test_parallel import tell_and_wait
from render_fit.core.parallel import map_in_processes
if __name__ == "__main__":
    list(map_in_processes(tell_and_wait, sys.argv[1:], processes=2, threads=1))
"""


def tell_and_wait(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def test_workers_end_when_their_parent_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    told = [tmp_path / "a", tmp_path / "b"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", *map(str, told)], env=environment)
    while not all(path.exists() and path.read_text() for path in told):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()  # as the system does when memory runs out
    parent.wait()
    workers, end = [int(path.read_text()) for path in told], time.monotonic() + 20
    while time.monotonic() < end and any(map(is_alive, workers)):
        time.sleep(0.05)
    assert not any(map(is_alive, workers))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
