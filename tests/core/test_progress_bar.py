"""Progress where the output is no terminal: a line for each tenth of the steps, or after half a minute."""

import pytest

from render_fit.core import progress_bar
from render_fit.core.progress_bar import LINE_EVERY_S, ProgressBar


def test_a_line_for_each_tenth_of_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(lines=True) as bar:
        for step in range(1, 1001):
            bar.show("training [a]", step, 1000)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"training [a]: {step} of 1000" for step in (1, *range(100, 1001, 100))]


def test_a_line_after_half_a_minute_and_at_a_new_activity(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: now)
    with ProgressBar(lines=True) as bar:
        bar.show("observing", 2, 2)
        for step in range(1, 5):
            now += LINE_EVERY_S / 2
            bar.show("training", step, 1000)
    expected = ["observing: 2 of 2", "training: 1 of 1000", "training: 3 of 1000"]
    assert capsys.readouterr().out.splitlines() == expected


def test_without_lines_or_quiet_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for bar in (ProgressBar(), ProgressBar(quiet=True, lines=True)):
        with bar:
            bar.show("fitting", 1, 2)
    assert capsys.readouterr().out == ""
