"""Number of threads: affinity, quotas of control groups, options; and how idle threads wait."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from render_fit.core import threads
from render_fit.core.threads import available_cores, idle_cores, kernel_threads, one_torch_thread


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_visible_cores", lambda: 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V1 = "12:memory:/pod\n5:cpu,cpuacct:/pod\n1:name=systemd:/pod\n"

QUOTAS = {
    "no control group": ({}, 8),
    "version 2, no limit": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
    "version 2, one core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
    "version 2, a core and a half": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
    "version 2, half a core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
    "version 2, more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "1600000 100000"}, 8),
    "version 2, a group above limits": (
        {
            "proc/self/cgroup": "0::/user/job\n",
            "sys/fs/cgroup/user/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/user/job/cpu.max": "500000 100000\n",
        },
        3,
    ),
    "version 1, two cores": (
        {
            "proc/self/cgroup": V1,
            "sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us": "100000\n",
        },
        2,
    ),
    "version 1, as seen from within a container": (
        {
            "proc/self/cgroup": V1,
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        4,
    ),
    "version 1, no limit": (
        {
            "proc/self/cgroup": V1,
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
    "unreadable": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "?\n"}, 8),
}


@pytest.mark.parametrize(("files", "cores"), QUOTAS.values(), ids=QUOTAS.keys())
def test_cores_under_a_quota(files: dict[str, str], cores: int, tmp_path: Path, eight_cores: None) -> None:
    assert available_cores(system(tmp_path, files)) == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux's affinity")
def test_cores_of_the_affinity_mask() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_idle_cores_are_those_without_a_running_thread(tmp_path: Path, eight_cores: None) -> None:
    for running, idle in (("1/300", 8), ("0/300", 8), ("4/300", 5), ("20/300", -11)):
        assert idle_cores(system(tmp_path, {"proc/loadavg": f"9.0 9.0 9.0 {running} 77\n"})) == idle
    assert idle_cores(tmp_path / "another system") == 8


def test_kernels_keep_torchs_threads_but_leave_busy_cores_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        for idle, expected in ((8, 3), (2, 2), (-1, 1)):
            monkeypatch.setattr(threads, "idle_cores", lambda idle=idle: idle)
            assert kernel_threads() == 3
            with one_torch_thread():
                assert (torch.get_num_threads(), kernel_threads()) == (1, expected)
                with one_torch_thread():
                    assert (torch.get_num_threads(), kernel_threads()) == (1, expected)
            assert (torch.get_num_threads(), kernel_threads()) == (3, 3)
    finally:
        torch.set_num_threads(before)


PROGRAM = """
import json, os, sys
from render_fit.core import threads
quota = {quota}
if quota is not None:
    threads._quota = lambda root: quota
    threads._visible_cores = lambda: 4
threads.prepare({threads})
import numba, torch
names = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
print(json.dumps([*map(os.environ.get, names), torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS]))
"""


def prepared(quota: float | None = None, threads: int | None = None, **given: str) -> list[str | int | None]:
    """Variables after `prepare` in a new process, and the threads of torch and numba."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    program = PROGRAM.format(quota=quota, threads=threads)
    done = subprocess.run(
        [sys.executable, "-c", program], env={**clean, **given}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_idle_threads_sleep_and_libraries_choose_their_number() -> None:
    waiting, openmp, numba, *_ = prepared()
    quota = threads._quota(Path("/"))
    assert waiting == "passive"
    assert quota is not None or (openmp, numba) == (None, None)


def test_a_quota_limits_both_libraries() -> None:
    assert prepared(quota=1.0) == ["passive", "1", "1", 1, 1]


def test_the_option_limits_both_libraries() -> None:
    assert prepared(threads=2) == ["passive", "2", "2", 2, 2]
    assert prepared(threads=2, OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1") == ["passive", "2", "2", 2, 2]


def test_what_the_user_has_set_stays() -> None:
    assert prepared(quota=2.0, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="active")[:4] == ["active", "1", None, 1]
    assert prepared(GOMP_SPINCOUNT="1000")[0] is None
