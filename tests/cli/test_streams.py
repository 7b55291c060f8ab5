"""Output never decides whether a command works: consoles of few letters, closed pipes, full disks."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from render_fit.cli.streams import tell_what_streams_can_take
tell_what_streams_can_take()
from rich.console import Console
for _ in range(2000):
    print("IoU 0.5 → 0.7, |β| ✓ 640×424 日")
    Console().print("done → ✓")
print("worked", file=sys.stderr)
"""


def run(stdout=subprocess.PIPE, **environment):
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **environment})


@pytest.mark.parametrize("encoding, line", [("cp1252", "IoU 0.5 -> 0.7, |beta| + 640×424 ?"), ("ascii", "640x424 ?")])
def test_a_console_of_few_letters(encoding, line):
    made = run(PYTHONIOENCODING=encoding)
    assert made.returncode == 0 and b"worked" in made.stderr
    assert line in made.stdout.decode(encoding).splitlines()[0]


def test_utf8_is_left_as_it_is():
    assert run(PYTHONIOENCODING="utf-8").stdout.decode("utf-8").splitlines()[0] == "IoU 0.5 → 0.7, |β| ✓ 640×424 日"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_the_output():
    with open("/dev/full", "w") as full:
        made = run(stdout=full)
    assert made.returncode == 0 and b"worked" in made.stderr and b"Traceback" not in made.stderr


def test_a_pipe_that_is_closed_early():
    made = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -c '{PROGRAM}' | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert made.returncode == 0 and b"worked" in made.stderr and b"Traceback" not in made.stderr


def test_streams_that_are_missing_or_in_memory_are_left(monkeypatch):
    import io

    from render_fit.cli.streams import tell_what_streams_can_take

    memory = io.StringIO()
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", memory)
    tell_what_streams_can_take()
    assert sys.stdout is None and sys.stderr is memory
