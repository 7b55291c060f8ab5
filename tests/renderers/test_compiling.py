"""A kernel in the cache on disk must go stale when any kernel's file changes."""

import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

from render_fit.renderers import CpuRenderer, RenderSettings
from render_fit.renderers.kernels import compiling, rasterize
from tests.renderers.scenes import scene


def test_cached_kernels_carry_the_fingerprint_of_all_sources() -> None:
    one = scene("one ball")
    CpuRenderer()(one.vertices, one.faces, one.camera, RenderSettings())
    with open(rasterize.orient._cache._cache_file._index_path, "rb") as file:
        pickle.load(file)  # numba's version
        stamp, kernels = pickle.loads(file.read())
    assert stamp == compiling.fingerprint()
    assert len(kernels) >= 1


def test_the_fingerprint_covers_every_kernel_file(tmp_path, monkeypatch) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "compiling.py"))
    before = compiling.fingerprint.__wrapped__()
    (tmp_path / "b.py").write_text("x = 2\n")
    assert compiling.fingerprint.__wrapped__() != before


def test_a_message_is_printed_when_kernels_are_compiled_and_only_then(tmp_path) -> None:
    program = (
        "from render_fit.cli.app import root; root()\n"
        "import numpy as np; from render_fit.renderers.kernels.grid import edge_boxes\n"
        "for _ in range(2): edge_boxes(np.zeros((1, 4)), 0.0, 0.0, 1.0, 1, 1, np.zeros((1, 4), np.int32))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stderr.count("compiling the cpu renderer") == 1
    assert "compiling" not in runs[1].stderr


PROGRAM = (
    "import numpy as np; from render_fit.renderers.kernels.grid import edge_boxes\n"
    "edge_boxes(np.zeros((1, 4)), 0.0, 0.0, 1.0, 1, 1, np.zeros((1, 4), np.int32)); print('worked')"
)


def run(**environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_kernels_work_where_nothing_can_be_cached(monkeypatch) -> None:
    def no_place(function, **options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    njit = compiling.numba.njit
    monkeypatch.setattr(compiling.numba, "njit", no_place)
    assert compiling.kernel(lambda x: x + 1)(2) == 3


def test_damaged_caches_are_compiled_again(tmp_path) -> None:
    assert run(NUMBA_CACHE_DIR=str(tmp_path)).returncode == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for damage in (b"", b"garbage"):
        for path in files:
            path.write_bytes(damage)
        made = run(NUMBA_CACHE_DIR=str(tmp_path))
        assert made.stdout == "worked\n", made.stderr


def test_a_cache_that_cannot_be_written_to_is_no_error(tmp_path) -> None:
    class Full:
        _cache_file = SimpleNamespace(_index_path=str(tmp_path / "gone"))

        def load_overload(self, *_):
            raise EOFError

        def save_overload(self, *_):
            raise OSError(28, "No space left on device")

    cache = Full()
    compiling._make_optional(cache)
    assert cache.load_overload("signature", None) is None
    assert cache.save_overload("signature", None) is None
