"""Progress where the output is no terminal: a line for each tenth of the steps, or after half a minute."""

from pathlib import Path

import pytest

from render_fit.cli import progress
from render_fit.cli.progress import LINE_EVERY_S, ProgressBar
from render_fit.core.shards import Shard
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.pipelines.folder import RunPlanned


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
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
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


def test_thousands_of_photos_that_changed_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    changed = {f"p{number}": ("recipe",) for number in range(5000)} | {"q": ("photo", "recipe")}
    jobs = tuple(PhotoJob(Path(f"{name}.png"), name) for name in changed)
    with progress.FolderProgress(tmp_path) as shown:
        shown(RunPlanned(jobs, 0, 0, single=False, changed=changed))
    assert capsys.readouterr().out.splitlines()[:2] == [
        "p0, p1, p2, p3 and 4996 more: recipe changed since the fit; fitted again",
        "q: photo, recipe changed since the fit; fitted again",
    ]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (RunPlanned((), 2, 0, False, shard=Shard(3, 8), elsewhere=14), "shard 3/8: 2 of 16 photos"),
        (RunPlanned((), 0, 0, False, shard=Shard(3, 8), elsewhere=2), "shard 3/8: none of 2 photos"),
    ],
)
def test_the_shard_is_told(plan: RunPlanned, expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with progress.FolderProgress(tmp_path) as shown:
        shown(plan)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == expected
    assert lines[-1] == "nothing left to do: shard 3/8 is complete"
