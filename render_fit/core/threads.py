"""How many threads a process uses, and how its idle threads wait.

torch and the renderer's kernels share one number of threads: torch's (`torch.get_num_threads`). It is all cores that
the process may use, unless the user says otherwise (``--threads``, ``OMP_NUM_THREADS``, `torch.set_num_threads`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

POOL_SIZES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Environment variables that set the size of torch's and numba's thread pools when a process starts."""

_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")

_budget: ContextVar[int | None] = ContextVar("budget", default=None)


def available_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: those of its affinity mask, or fewer if its control group has a quota.

    Args:
        root: Root of the file system, where ``proc`` and ``sys`` are.

    Returns:
        Number of cores, at least 1; a quota of 1.5 cores counts as 1.
    """
    quota = _quota(root)
    return _visible_cores() if quota is None else max(1, min(_visible_cores(), int(quota)))


def prepare(threads: int | None = None) -> None:
    """Sets the environment variables that OpenMP and numba read when they are loaded, best before torch is imported.

    Idle threads sleep (``OMP_WAIT_POLICY``). By default they spin between two parallel loops: on a busy machine they
    take the time of the threads that they wait for, and a fit takes ten times as long. What the user has set stays.

    Args:
        threads: Threads of the process. If None, those that the user has set; else the libraries' default, which is one
            per visible core, or fewer if a control group allows fewer.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "passive"
    if threads is None:
        if "OMP_NUM_THREADS" in os.environ or (cores := available_cores()) == _visible_cores():
            return
        threads = cores
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "numba" not in sys.modules:  # numba refuses another number once its threads run
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def threads_each(processes: int) -> int:
    """Threads for each of several processes that share this one's, at least 1; without importing torch."""
    if "torch" in sys.modules:
        threads = sys.modules["torch"].get_num_threads()
    else:
        set_by_user = os.environ.get("OMP_NUM_THREADS", "")
        threads = int(set_by_user) if set_by_user.isdecimal() else available_cores()
    return max(1, threads // processes)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Runs torch on one thread in the block, or in a decorated function, and kernels on those that it had.

    For fits: their tensors are small, so that torch's threads would wait for each other rather than help.
    """
    import torch

    before = torch.get_num_threads()
    token = _budget.set(_budget.get() or before)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _budget.reset(token)


def kernel_threads() -> int:
    """Threads for a kernel whose result does not depend on their number.

    They are torch's, or in `one_torch_thread` those that torch had, but no more than there are idle cores: threads of a
    parallel loop wait for the last one, which on a busy core takes longer than one thread alone.
    """
    budget = _budget.get()
    if budget is None:
        import torch

        return torch.get_num_threads()
    return max(1, min(budget, idle_cores())) if budget > 1 else 1


def idle_cores(root: Path = Path("/")) -> int:
    """Cores of the machine on which no other thread runs at this moment, this thread's own included."""
    cores = os.cpu_count() or 1
    try:
        running = int((root / "proc/loadavg").read_text().split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):  # no Linux
        return cores
    return cores - max(0, running - 1)


def _visible_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(root: Path) -> float | None:
    """Cores that the process's control group and those above it allow in version 1 or 2; None without a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        if controllers and "cpu" not in names:
            continue
        mount = root / "sys/fs/cgroup" / controllers
        if controllers and not mount.is_dir():
            mount = root / "sys/fs/cgroup/cpu"
        folder = mount / path.lstrip("/")
        for group in (folder, *folder.parents):  # a container often shows its own group as the mount itself
            if group == mount.parent:
                break
            quotas += [_quota_of(group)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_of(group: Path) -> float | None:
    try:
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None
