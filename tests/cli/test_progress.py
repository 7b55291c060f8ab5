"""What a run over photos prints about its plan."""

from pathlib import Path

import pytest

from render_fit.cli import progress
from render_fit.core.shards import Shard
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.pipelines.folder import RunPlanned


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
