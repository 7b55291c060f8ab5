"""Functions applied to lists in several processes."""

import multiprocessing
import os
import time
import weakref

import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.core.parallel import map_in_processes


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
    results = map_in_processes(wait_after_the_first, [1, 0], processes=2, threads=1, ordered=False)
    assert next(results) == 0
    results.close()
    assert set(multiprocessing.active_children()) == before


class Result:
    """A result that can be seen to be given up."""


def make_result(task: int) -> Result:
    return Result()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_result_is_not_kept_once_the_next_was_taken(ordered: bool):
    # ten thousand photos' reports would fill the memory
    results = map_in_processes(make_result, range(6), processes=2, threads=1, ordered=ordered)
    seen = [weakref.ref(next(results)) for _ in range(6)]
    assert [reference() for reference in seen[:-1]] == [None] * 5
    assert list(results) == []


def test_one_process_is_the_calling_one():
    assert next(map_in_processes(lambda task: (task, os.getpid()), [7], processes=1, threads=1)) == (7, os.getpid())


def test_a_dead_process_is_an_input_error():
    with pytest.raises(InputError, match="fewer --jobs"):
        list(map_in_processes(describe, [1, -1], processes=2, threads=1, shared=(0,)))
