"""A small run of the fuzzing program, and that it notices what is wrong."""

import sys
import time
from pathlib import Path

import pytest

from render_fit.core.errors import InputError
from tests.fuzzing.campaign import numbers_of_inputs, run_kind
from tests.fuzzing.fuzz_input import FuzzInput
from tests.fuzzing.inputs import KINDS
from tests.fuzzing.worker import Outcome, Runner, _outcome

INPUTS = 100

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")


@pytest.fixture(scope="module")
def runner():
    made = Runner()
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_work_or_are_refused_in_one_line(kind, runner):
    found = run_kind(kind, numbers_of_inputs(INPUTS)[kind], 0, runner)
    assert not found.faults, {name: drawn.command for name, (drawn, _) in found.faults.items()}
    assert found.results.total() > 0


def run(reader, files=None):
    return _outcome(FuzzInput("photo", files or {"a": b""}, (), (("x", ()),)), reader, lambda _: Outcome("works"))


def raise_(error):
    raise error


def test_a_traceback_is_noticed_and_says_where():
    found = run(lambda *_: {}["missing"])
    assert (found.fault, found.place) == ("traceback", "KeyError in outside of render_fit")
    assert "KeyError" in found.detail
    assert run(lambda *_: raise_(InputError("in/a: not read"))).result == "refused"


@pytest.mark.parametrize("place", ["left.txt", "in/a", "../left.txt", "tmp/left.txt"])
def test_a_file_outside_of_the_output_folder_is_noticed(place):
    assert run(lambda *_: Path(place).write_bytes(b"more")).fault == "outside"
    assert run(lambda *_: (Path("out").mkdir(), Path("out/a").write_bytes(b""))).fault == ""


def test_too_much_time_and_memory_are_noticed(monkeypatch):
    monkeypatch.setattr("tests.fuzzing.worker.MOST_SECONDS", 0.05)

    def busy(*_):
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass

    assert run(busy).fault == "time"
    monkeypatch.setattr("tests.fuzzing.worker.MOST_SECONDS", 10.0)
    monkeypatch.setattr("tests.fuzzing.worker.MOST_MEMORY_MB", 50.0)
    assert run(lambda *_: bytearray(b"x" * 100_000_000)).fault == "memory"
    had_before = b"x" * 100_000_000  # by other tests of this process, too
    assert run(lambda *_: None).fault == ""
    del had_before


def test_a_process_that_dies_is_noticed_and_replaced(runner):
    runner.run(FuzzInput("photo", {}))
    runner.process.kill()
    runner.process.join()
    assert runner.run(FuzzInput("photo", {})).result == "works"
