"""Functions applied to lists in several processes, and how many threads each process uses."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from render_fit.core.errors import InputError
from render_fit.core.threads import POOL_SIZES

Task = TypeVar("Task")
Result = TypeVar("Result")


def map_in_processes(
    work: Callable[..., Result],
    tasks: Sequence[Task],
    *,
    processes: int,
    threads: int,
    shared: tuple[Any, ...] = (),
    ordered: bool = True,
) -> Generator[Result, None, None]:
    """Apply a function to every task, in spawned processes if there is more than one.

    Only the parent process acts on Ctrl-C. If it is interrupted, if a task fails, or if the iterator is closed early,
    the workers are terminated.

    Args:
        work: Function of a module. It is called as ``work(task, *shared)``; tasks and results must survive pickling.
        tasks: First arguments of ``work``.
        processes: Number of processes. With 1, everything runs in the calling process with its own threads.
        threads: Threads of each process, for torch, numba and OpenMP.
        shared: Further arguments of ``work``, the same for all tasks.
        ordered: Whether results come in the order of the tasks, or else as soon as they are finished.

    Yields:
        The results.

    Raises:
        InputError: if a process dies.
    """
    if min(processes, len(tasks)) <= 1:
        yield from (work(task, *shared) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(processes, len(tasks)), context, _start_worker, (threads,))
    try:
        with limit_threads_of_new_processes(threads):
            futures = [pool.submit(work, task, *shared) for task in tasks]
        for future in _taken(futures) if ordered else as_completed(_taken(futures)):
            yield future.result()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        workers = set(multiprocessing.active_children()) - others
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(timeout=10)
        if isinstance(error, BrokenProcessPool):
            raise InputError("a worker process died, probably for lack of memory: use fewer --jobs") from None
        raise
    pool.shutdown()


def _start_worker(threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """Ends this worker when its parent process has ended. A parent that was killed cannot tell, and the worker would
    wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def limit_threads_of_new_processes(threads: int) -> Iterator[None]:
    """Processes started in the block have thread pools of this size."""
    before = {name: os.environ.get(name) for name in POOL_SIZES}
    os.environ.update(dict.fromkeys(POOL_SIZES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _taken(futures: list[Future[Result]]) -> Iterator[Future[Result]]:
    """Futures in their order, each taken out of the list: what is kept of it would keep its result in memory."""
    futures.reverse()
    while futures:
        yield futures.pop()
