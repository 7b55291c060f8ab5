"""Functions applied to lists in several processes, and how many threads each process uses."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from render_fit.core.collection import without_collection
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

    Yields:
        The results, in the order of the tasks.

    Raises:
        InputError: if a process dies.
    """
    if min(processes, len(tasks)) <= 1:
        yield from (work(task, *shared) for task in tasks)
        return
    with _Pool(min(processes, len(tasks)), threads) as pool:
        for future in _taken([pool.submit(work, task, *shared) for task in tasks]):
            yield future.result()


def share_with_processes(
    work: Callable[..., Result],
    own_work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    processes: int,
    threads: int,
    shared: tuple[Any, ...] = (),
) -> Generator[Result, None, None]:
    """`map_in_processes` in which the calling process is one of the workers, and results come as they are finished.

    The others are those that `started_early` has started, if it has. While the calling process works on a task, it
    yields nothing.

    Args:
        work: Function of a module for the other processes, called as ``work(task, *shared)``.
        own_work: The same for this process.
        tasks: First arguments.
        processes: Number of processes, this one included.
        threads: Threads of each process.
        shared: Further arguments of ``work``.

    Raises:
        InputError: if a process dies.
    """
    others = min(processes, len(tasks)) - 1
    if others < 1:
        yield from map(own_work, tasks)
        return
    waiting, running = deque(tasks), set[Future[Result]]()
    with _started_early.pop() if _started_early else _Pool(others, threads) as pool:
        while waiting or running:
            # each of the others has a second task in reserve, so that none waits while this process works
            while waiting and (len(running) < others or (len(running) < 2 * others and len(waiting) > 1)):
                running.add(pool.submit(work, waiting.popleft(), *shared))
            finished = wait(running, timeout=0 if waiting else None, return_when=FIRST_COMPLETED).done
            running -= finished
            while finished:
                yield finished.pop().result()
            if waiting and len(running) >= others:
                yield _with_threads(threads, own_work, waiting.popleft())


_started_early: list[_Pool] = []


@contextmanager
def started_early(processes: int, threads: int, module: str) -> Iterator[None]:
    """Starts processes for `share_with_processes` in the block, which import a module in the meantime.

    Args:
        processes: Number of all processes, the calling one included.
        threads: Threads of each.
        module: Dotted name of the module that has the function they will be given.
    """
    if processes > 1:
        _started_early.append(_Pool(processes - 1, threads, module))
    try:
        yield
    finally:
        while _started_early:
            _started_early.pop().end()


class _Pool:
    """Processes that have been started, each with its pools of threads; as a context, terminated by an error in it."""

    def __init__(self, processes: int, threads: int, module: str = "torch") -> None:
        others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")
        self.executor = ProcessPoolExecutor(processes, context, _start_worker, (threads, module))
        with limit_threads_of_new_processes(threads):
            for _ in range(processes):
                self.executor.submit(os.getpid)
        self.workers = set(multiprocessing.active_children()) - others

    def __enter__(self) -> ProcessPoolExecutor:
        return self.executor

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.executor.shutdown()
            return
        self.end()
        if issubclass(kind, BrokenProcessPool):
            raise InputError("a worker process died, probably for lack of memory: use fewer --jobs") from None

    def end(self) -> None:
        """Terminates the processes."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.join(timeout=60)


def _with_threads(threads: int, work: Callable[[Task], Result], task: Task) -> Result:
    """The result of a function that runs with this number of torch's threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return work(task)
    finally:
        torch.set_num_threads(before)


def _start_worker(threads: int, module: str) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with without_collection():
        import torch

        importlib.import_module(module)
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
    """Processes started in the block have thread pools of this size.

    Nothing else may run in it: numba refuses to compile while the variable differs from the size of its own pool.
    """
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
