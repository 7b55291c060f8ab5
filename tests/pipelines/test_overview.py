"""Output folders of several shards: each photo once, and a summary of all that says what is missing."""

import csv
import json
import threading
from pathlib import Path

import pytest

from render_fit.core.errors import InputError
from render_fit.core.shards import Shard
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.pipelines.folder import RunPlanned, fit_folder
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.overview import Overview, belongs, list_photos, results_of, write_overview
from tests.photos import write_person, write_recipe

STEMS = ("a", "b", "c", "d")
SHARDS = (Shard(1, 2), Shard(2, 2))


def jobs(*stems):
    return [PhotoJob(Path("in", f"{stem}.png"), stem) for stem in stems]


def report(out, name, image, status="ok", people=1):
    (out / name).mkdir()
    content = {"status": status, "reason": "", "image": f"in/{image}", "people": people}
    (out / name / "report.json").write_text(json.dumps(content))


def summary_of(out):
    return [(row["name"], row["status"]) for row in csv.DictReader((out / "summary.csv").open(encoding="utf-8"))]


@pytest.fixture
def photos(tmp_path):
    for stem in STEMS:
        write_person(tmp_path / "in", stem)
    return tmp_path / "in"


def test_shards_fit_every_photo_once_and_write_no_summary(photos, tmp_path):
    options, out = FitOptions(recipe=str(write_recipe(tmp_path)), save=()), tmp_path / "out"
    fitted, events = [], []
    for shard in SHARDS:
        outcomes = fit_folder(photos, options, out, observations=photos, shard=str(shard), on_event=events.append)
        fitted += [outcome.job.name for outcome in outcomes]
        assert not (out / "summary.csv").exists() and not (out / "index.html").exists()
    assert sorted(fitted) == list(STEMS)
    plans = [event for event in events if isinstance(event, RunPlanned)]
    assert [(plan.shard, len(plan.jobs), plan.elsewhere, plan.single) for plan in plans] == [
        (SHARDS[0], 2, 2, False),
        (SHARDS[1], 2, 2, False),
    ]
    overview = write_overview(out)
    assert (overview.photos, overview.missing, dict(overview.shards)) == (4, (), {})
    assert [name for name, _ in summary_of(out)] == list(STEMS)
    # each shard keeps its own, and so does a run over all
    assert fit_folder(photos, options, out, observations=photos, shard="1/2") == []
    assert fit_folder(photos, options, out, observations=photos) == []


def test_a_single_photo_that_fails_in_a_shard_is_reported_rather_than_raised(photos, tmp_path):
    options, out = FitOptions(recipe=str(write_recipe(tmp_path)), save=()), tmp_path / "out"
    (photos / "a.png").write_bytes(b"not an image")
    (outcome,) = fit_folder(photos / "a.png", options, out, observations=photos, shard="1/1")
    assert (outcome.failed, write_overview(out).statuses) == (True, {"failed": 1})


def test_an_empty_shard_does_nothing(photos, tmp_path):
    options, out = FitOptions(recipe=str(write_recipe(tmp_path)), save=()), tmp_path / "out"
    empty = next(Shard(number, 9) for number in range(1, 10) if not Shard(number, 9).of(STEMS))
    assert fit_folder(photos, options, out, observations=photos, shard=str(empty)) == []
    assert len(write_overview(out).missing) == 4


def test_missing_photos_are_counted_by_shard(tmp_path):
    list_photos(tmp_path, jobs(*STEMS), SHARDS[1])
    report(tmp_path, "a", "a.png")
    report(tmp_path, "b", "b.png", status="failed")
    found = write_overview(tmp_path)
    assert (found.photos, found.missing, found.statuses) == (4, ("c", "d"), {"ok": 1, "failed": 1})
    assert found.shards == {Shard(1, 2): 2}  # SHA-256 puts d, c before b, a
    assert summary_of(tmp_path) == [("a", "ok"), ("b", "failed")]


def test_writing_the_summary_again_changes_nothing(tmp_path):
    list_photos(tmp_path, jobs(*STEMS), SHARDS[0])
    report(tmp_path, "a", "a.png")
    first, page = write_overview(tmp_path), (tmp_path / "index.html").read_bytes()
    assert write_overview(tmp_path) == first
    assert (tmp_path / "index.html").read_bytes() == page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "index.html", "shards.json", "summary.csv"]


def test_a_photo_is_complete_with_all_its_people(tmp_path):
    list_photos(tmp_path, jobs("a", "b"), SHARDS[0])
    report(tmp_path, "a_0", "a.png", people=2)
    assert write_overview(tmp_path).missing == ("a", "b")
    report(tmp_path, "a_1", "a.png", people=2)
    assert write_overview(tmp_path).missing == ("b",)


def test_photos_that_are_listed_later_are_added(tmp_path):
    list_photos(tmp_path, jobs("a", "b"), Shard(1, 2))
    list_photos(tmp_path, jobs("b", "c"), Shard(1, 3))
    assert write_overview(tmp_path).missing == ("a", "b", "c")
    assert json.loads((tmp_path / "shards.json").read_text())["shards"] == 3


@pytest.mark.parametrize("text", ["[]", '{"shards": "2", "photos": {}}', '{"shards": 2, "photos": {"a": 1}}', "{"])
def test_another_file_of_the_lists_name_is_a_clear_error_and_stays(tmp_path, text):
    (tmp_path / "shards.json").write_text(text)
    with pytest.raises(InputError, match=r"shards\.json"):
        list_photos(tmp_path, jobs("a"), SHARDS[0])
    assert (tmp_path / "shards.json").read_text() == text


def test_results_belong_to_the_photo_of_their_name_and_image(tmp_path):
    from render_fit.export.gallery import read_entries

    report(tmp_path, "a", "a.png")
    report(tmp_path, "a_1", "a_1.png")  # a photo, not a person of the first
    report(tmp_path, "b_0", "b.png")
    report(tmp_path, "b_1x", "b.png")
    report(tmp_path, "b_x", "b.png")
    images = {"a": "a.png", "a_1": "a_1.png", "b": "b.png", "c": "c.png"}
    found = results_of(images, read_entries(tmp_path))
    assert {name: [entry.name for entry in entries] for name, entries in found.items()} == {
        "a": ["a"], "a_1": ["a_1"], "b": ["b_0", "b_1x"], "c": [],
    }  # fmt: skip


def test_folders_of_people_belong_to_their_photo():
    assert belongs("a", {"a"}) and belongs("a_1", {"a"}) and belongs("a_b_12", {"a_b"})
    assert not belongs("a_b", {"a"}) and not belongs("ab", {"a"})


def test_the_summary_is_whole_while_fits_are_written(tmp_path):
    from render_fit.core.files import folder_written_whole, write_json

    def fit():
        for number in range(200):
            with folder_written_whole(tmp_path / f"p{number % 50:02d}", last="report.json") as folder:
                write_json(folder / "report.json", {"status": "ok", "image": "x.png"})

    writer = threading.Thread(target=fit)
    writer.start()
    found = []
    while writer.is_alive():
        found.append(write_overview(tmp_path))
        assert {status for _, status in summary_of(tmp_path)} <= {"ok"}
    writer.join()
    assert all(isinstance(one, Overview) for one in found)
    assert write_overview(tmp_path).statuses == {"ok": 50}
