from pathlib import Path

import pytest

from render_fit.core.errors import InputError
from render_fit.datasets.photo_folder import PhotoFiles, plan_jobs, unused_observations


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_equal_stems_keep_their_suffix(tmp_path):
    jobs = plan_jobs([Path("x/a.png"), Path("x/a.jpg"), Path("x/b.png")])
    assert [job.name for job in jobs] == ["a.png", "a.jpg", "b"]
    with pytest.raises(InputError, match=r"a.png: several photos"):
        plan_jobs([Path("x/a.png"), Path("y/a.png")])


def test_folders_of_several_people_and_of_the_summary_do_not_collide():
    images = [Path("a.png"), Path("a_1.png"), Path("index.html.png")]
    assert [job.name for job in plan_jobs(images)] == ["a", "a_1", "index.html.png"]
    assert [job.name for job in plan_jobs(images, several_people=True)] == ["a.png", "a_1", "index.html.png"]


def test_observations_are_found_by_stem(tmp_path):
    folder = touch(tmp_path, "a_mask.png", "a_keypoints.json", "b_parts.png")
    first, second, third = plan_jobs(
        [Path("a.jpg"), Path("b.jpg"), Path("c.jpg")], observations=folder, files=PhotoFiles(part_labels="atr")
    )
    assert first.files == PhotoFiles(folder / "a_mask.png", folder / "a_keypoints.json", None, "atr")
    assert second.files.parts == folder / "b_parts.png"
    assert third.files.mask is None


@pytest.mark.parametrize(
    "names",
    [
        ("a_Mask.png", "A_KEYPOINTS.JSON", "a_parts.webp"),
        ("a.jpg_mask.png", "a.jpg_keypoints.json", "a.jpg_parts.png"),
        ("a_mask.jpg", "a_keypoints.json", "a_PARTS.PNG"),
    ],
)
def test_observations_are_found_in_other_spellings(tmp_path, names):
    folder = touch(tmp_path, *names)
    (job,) = plan_jobs([Path("a.jpg")], observations=folder, files=PhotoFiles(part_labels="atr"))
    assert job.files == PhotoFiles(*(folder / name for name in names), part_labels="atr")
    assert unused_observations([job], folder) == ()


def test_observations_that_are_not_used_and_photos_without_any_are_named(tmp_path):
    folder = touch(tmp_path, "a_mask.png", "b-mask.png", "notes.txt", ".hidden")
    jobs = plan_jobs([Path("a.jpg"), Path("b.jpg")], observations=folder)
    assert unused_observations(jobs, folder) == (
        f"{folder}: nothing there for b",
        f"{folder}: not used, of no photo here: b-mask.png, notes.txt",
    )


def test_mistakes_about_files_are_errors(tmp_path):
    with pytest.raises(InputError, match="--observations"):
        plan_jobs([Path("a.jpg"), Path("b.jpg")], files=PhotoFiles(mask=Path("m.png")))
    with pytest.raises(InputError, match="--part-labels"):
        PhotoFiles(parts=Path("p.png"))
    with pytest.raises(InputError, match="no such folder"):
        plan_jobs([Path("a.jpg")], observations=tmp_path / "gone")
    with pytest.raises(InputError, match="contains no <stem>_mask.png"):
        plan_jobs([Path("a.jpg")], observations=touch(tmp_path, "z_mask.png"))


@pytest.mark.parametrize("name", ["...jpg", "..png", ".a.partial.png"])
def test_no_photo_is_written_outside_of_its_folder_or_under_a_name_for_half_written_ones(name):
    (job,) = plan_jobs([Path(name)])
    assert job.name == name
