"""A run over photos from Python: outcomes and events."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from render_fit import pipelines
from render_fit.core import files
from render_fit.core.errors import InputError, OutputError
from render_fit.core.locks import release
from render_fit.datasets.photo_folder import PhotoFiles, PhotoJob
from render_fit.pipelines import folder, photo
from render_fit.pipelines.folder import PhotoOutcome, PhotoProgress, RunPlanned, fit_folder
from render_fit.pipelines.options import FitOptions
from tests.photos import QUICK_RECIPE, write_person, write_recipe


@pytest.fixture
def options(tmp_path):
    return FitOptions(recipe=str(write_recipe(tmp_path)), save=())


@pytest.fixture
def photos(tmp_path):
    """Folder of two photos with their files, one of which cannot be read."""
    for stem in ("a", "b"):
        write_person(tmp_path / "in", stem)
    (tmp_path / "in" / "b.png").write_bytes(b"not an image")
    return tmp_path / "in"


def test_a_folder_gives_an_outcome_per_photo_and_typed_events(photos, options, tmp_path):
    events, out = [], tmp_path / "out"
    outcomes = fit_folder(str(photos), options, str(out), observations=photos, on_event=events.append)
    a, b = outcomes
    assert (a.job.name, a.failed, len(a.fits), a.fits[0].folder) == ("a", False, 1, out / "a")
    assert (b.job.name, b.failed, b.statuses, b.fits) == ("b", True, ("failed",), ())
    assert "b.png" in b.reason
    plan = events[0]
    assert isinstance(plan, RunPlanned)
    assert [job.name for job in plan.jobs] == ["a", "b"]
    assert (plan.kept, plan.kept_with_other_options, plan.single) == (0, 0, False)
    assert [event for event in events if isinstance(event, PhotoOutcome)] == outcomes
    steps = [event for event in events if isinstance(event, PhotoProgress)]
    assert {(step.job.name, step.stage) for step in steps} == {("a", "keypoints"), ("a", "silhouette")}
    assert (out / "summary.csv").is_file()


@pytest.mark.parametrize("batch, sizes", [(None, [3]), (3, [2, 1]), (1, [1, 1, 1])])
def test_photos_are_fitted_in_batches(batch, sizes, photos, options, tmp_path, monkeypatch):
    for stem in ("b", "c", "d"):
        write_person(photos, stem)
    (photos / "c.png").write_bytes(b"not an image")
    fit_all, seen = photo.fit_all, []
    monkeypatch.setattr(
        photo, "fit_all", lambda people, *rest, **more: seen.append(len(people)) or fit_all(people, *rest, **more)
    )
    outcomes = fit_folder(photos, options, tmp_path / "out", observations=photos, batch=batch)
    assert [(outcome.job.name, outcome.failed) for outcome in outcomes] == [
        ("a", False), ("b", False), ("c", True), ("d", False)
    ]  # fmt: skip
    assert seen == sizes  # c is not among them


def failing_for(index, fail):
    """`fit_all` that fails for one person of the first batch, also when that person is fitted alone."""
    fit_all, chosen = photo.fit_all, []

    def fit(people, *arguments, **named):
        chosen.extend(people[index : index + 1] if not chosen else [])
        if any(person is chosen[0] for person in people):
            fail()
        return fit_all(people, *arguments, **named)

    return fit


def test_a_fit_that_fails_does_not_cost_those_beside_it(photos, options, tmp_path, monkeypatch):
    write_person(photos, "b")

    def broken():
        raise RuntimeError("of one person")

    monkeypatch.setattr(photo, "fit_all", failing_for(1, broken))
    a, b = fit_folder(photos, options, tmp_path / "out", observations=photos)
    assert (a.failed, b.failed) == (False, True) and "of one person" in b.reason


@pytest.mark.parametrize(
    "n_photos, n_workers, sizes",
    [(24, 2, [6, 6, 6, 6]), (3, 1, [3]), (9, 1, [5, 4]), (3, 2, [2, 1]), (17, 2, [5, 5, 5, 2])],
)
def test_batches_are_equally_many_for_each_process(n_photos, n_workers, sizes):
    jobs = [PhotoJob(Path(f"{number}.png"), str(number)) for number in range(n_photos)]
    batches = folder._batches(jobs, n_workers, None)
    assert [len(batch) for batch in batches] == sizes
    assert [job for batch in batches for job in batch] == jobs


def test_reports_share_what_is_the_same_in_all(photos, options, tmp_path):
    write_person(photos, "b")
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        a, b = (one.fits[0].report for one in fit_folder(photos, options, out, observations=photos, n_workers=workers))
        assert a.recipe is b.recipe and a.versions is b.versions
        assert json.loads((out / "a" / "report.json").read_text())["recipe"] == a.recipe


def test_finished_photos_are_kept_also_if_an_older_version_wrote_their_report(photos, options, tmp_path):
    for path in photos.glob("b*"):
        path.unlink()
    out, events = tmp_path / "out", []
    assert len(fit_folder(photos, options, out, observations=photos)) == 1
    path = out / "a" / "report.json"
    report = json.loads(path.read_text())
    report["options"]["make_parts"] = report["options"].pop("parts_from_keypoints")  # its name in 0.1
    del report["options"]["weight_kg"]  # reports of 0.2 have none
    path.write_text(json.dumps(report))
    assert fit_folder(photos, options, out, observations=photos, on_event=events.append) == []
    assert events == [RunPlanned((), 1, 0, single=False)]
    other = replace(options, seed=3, height_m=1.7)
    assert fit_folder(photos, other, out, observations=photos, on_event=events.append) == []
    assert events[1] == RunPlanned((), 1, 1, single=False, other_options=("height_m", "seed"))


CHANGES = {
    "photo": lambda folder: write_other_photo(folder / "a.png"),
    "mask": lambda folder: (folder / "a_mask.png").unlink(),
    "keypoints": lambda folder: (folder / "a_keypoints.json").write_text(
        (folder / "a_keypoints.json").read_text() + " "
    ),
    "camera": lambda folder: (folder / "K.json").write_text('{"K": [[180, 0, 64], [0, 180, 96], [0, 0, 1]]}'),
    "recipe": lambda folder: write_recipe(folder.parent, QUICK_RECIPE + "\n# changed\n"),
}


def write_other_photo(path):
    with Image.open(path) as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)


@pytest.mark.parametrize("what", CHANGES)
def test_a_result_is_made_again_when_a_file_that_it_was_made_from_changed(photos, options, tmp_path, what):
    for path in photos.glob("b*"):
        path.unlink()
    out, events = tmp_path / "out", []
    (photos / "K.json").write_text('{"K": [[170, 0, 64], [0, 170, 96], [0, 0, 1]]}')
    options = replace(options, camera=photos / "K.json")
    assert len(fit_folder(photos, options, out, observations=photos)) == 1
    assert fit_folder(photos, options, out, observations=photos) == []
    CHANGES[what](photos)
    assert len(fit_folder(photos, options, out, observations=photos, on_event=events.append)) == 1
    assert events[0].changed == {"a": (what,)}
    assert fit_folder(photos, options, out, observations=photos) == []


def test_errors_of_a_single_photo_are_raised(photos, options, tmp_path):
    files = PhotoFiles(mask=photos / "b_mask.png", keypoints=photos / "b_keypoints.json")
    with pytest.raises(InputError, match=r"b\.png"):
        fit_folder(photos / "b.png", options, tmp_path / "out", files=files)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_ends_the_run_and_keeps_what_is_finished(photos, options, tmp_path, monkeypatch):
    write_person(photos, "b")
    write_fit = pipelines.photo.write_fit

    def until_full(path, *arguments, **others):
        if path.name == "b":
            raise OutputError(f"{path}: cannot write there (No space left on device); choose another --out")
        return write_fit(path, *arguments, **others)

    monkeypatch.setattr(pipelines.photo, "write_fit", until_full)
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=r"out/b: cannot write there"):
        fit_folder(photos, options, out, observations=photos)
    assert sorted(path.name for path in out.iterdir()) == ["a", "index.html", "summary.csv"]
    monkeypatch.undo()
    assert [outcome.job.name for outcome in fit_folder(photos, options, out, observations=photos)] == ["b"]


def test_a_photo_for_which_memory_is_short_does_not_cost_the_others(photos, options, tmp_path, monkeypatch):
    write_person(photos, "b")
    monkeypatch.setattr(photo, "fit_all", failing_for(0, lambda: torch.empty(10**15)))
    a, b = fit_folder(photos, options, tmp_path / "out", observations=photos)
    assert (a.error, b.failed) == (f"{photos / 'a.png'}: not enough memory", False)


def test_a_run_removes_what_a_killed_one_left(photos, options, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    left, held = files._temporary(out / "a", folder=True)
    (left / "mesh.obj").write_bytes(b"half")
    release(held)  # as the end of its process does
    fit_folder(photos, options, out, observations=photos)
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "index.html", "summary.csv"]
