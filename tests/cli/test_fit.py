import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from render_fit.cli import app
from render_fit.pipelines import folder
from tests.photos import HEIGHT, WIDTH, write_keypoints, write_person, write_recipe

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def check_mistake(result, *words):
    """Exit code 2 and one line on stderr that contains all the words."""
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert str(word) in lines[0]
    assert "Traceback" not in result.output


def is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def person(tmp_path):
    """Arguments of a fit that takes about a second: mask and keypoints are files, no observer is needed."""
    image = write_person(tmp_path / "in")
    given = ["--mask", tmp_path / "in" / "person_mask.png", "--keypoints", tmp_path / "in" / "person_keypoints.json"]
    return [image, *given, "--recipe", write_recipe(tmp_path), "--out", tmp_path / "out"]


@pytest.fixture
def many(tmp_path):
    """Three photos with their files, one of which cannot be read."""
    for stem in ("a", "b", "c"):
        write_person(tmp_path / "in", stem)
    (tmp_path / "in" / "b.png").write_bytes((tmp_path / "in" / "b.png").read_bytes()[:900])
    return [
        tmp_path / "in",
        "--observations",
        tmp_path / "in",
        "--recipe",
        write_recipe(tmp_path),
        "--out",
        tmp_path / "out",
    ]


def test_a_photo_with_files_is_fitted(person, tmp_path):
    result = run("fit", *person, "--height-m", "1.7", "--save", "obj,ply,glb,gif")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out" / "person"
    names = {path.name for path in out.iterdir()}
    assert names == {
        "params.npz", "mesh.obj", "mesh.ply", "mesh.glb", "overlay.png", "side.png", "input.jpg",
        "progress.gif", "report.json",
    }  # fmt: skip
    report = json.loads((out / "report.json").read_text())
    assert report["status"] in ("ok", "poor")
    assert report["iou"]["after"] > 0.5
    assert report["sources"]["mask"] == "person_mask.png"
    assert report["recipe"]["name"] == "quick"
    with np.load(out / "params.npz") as params:
        assert params["image_size"].tolist() == [HEIGHT, WIDTH]
    assert "silhouette IoU" in result.stdout


def test_parts_made_from_keypoints_are_used_and_reported(person, tmp_path):
    assert run("fit", *person, "--parts-from-keypoints", "--save", "").exit_code == 0
    report = json.loads((tmp_path / "out" / "person" / "report.json").read_text())
    assert report["sources"]["parts"] == "made from mask and keypoints"
    assert report["part_iou"]["after"] > 0.2


def test_a_camera_file_is_used(person, tmp_path):
    K = [[300.0, 0.0, 64.0], [0.0, 300.0, 96.0], [0.0, 0.0, 1.0]]
    (tmp_path / "c.json").write_text(json.dumps({"K": K}))
    assert run("fit", *person, "--camera", tmp_path / "c.json", "--save", "").exit_code == 0
    with np.load(tmp_path / "out" / "person" / "params.npz") as params:
        np.testing.assert_allclose(params["K"], K)
    report = json.loads((tmp_path / "out" / "person" / "report.json").read_text())
    assert report["sources"]["camera"] == "c.json"


def test_a_folder_continues_after_a_bad_photo_and_resumes(many, tmp_path):
    result = run("fit", *many, "--save", "")
    assert result.exit_code == 1
    assert "1 of 3 photos failed" in result.stdout
    out = tmp_path / "out"
    rows = {row["name"]: row for row in csv.DictReader((out / "summary.csv").open())}
    assert rows["b"]["status"] == "failed"
    assert "b.png" in rows["b"]["reason"]
    assert {rows["a"]["status"], rows["c"]["status"]} <= {"ok", "poor"}
    assert "a/overlay.png" in (out / "index.html").read_text()
    assert [path.name for path in (out / "b").iterdir()] == ["report.json"]

    before = (out / "a" / "report.json").stat().st_mtime_ns
    write_person(tmp_path / "in", "b")
    again = run("fit", *many, "--save", "", "--resume")
    assert again.exit_code == 0, again.output
    assert "2 of 3 already done" in again.stdout
    assert (out / "a" / "report.json").stat().st_mtime_ns == before
    rows = {row["name"]: row for row in csv.DictReader((out / "summary.csv").open())}
    assert rows["b"]["status"] in ("ok", "poor")

    assert "complete" in run("fit", *many, "--save", "").stdout
    assert "made with other options (--seed)" in run("fit", *many, "--save", "", "--seed", "1").stdout


def test_processes_give_the_same_fits(many, tmp_path):
    for path in (tmp_path / "in").glob("b*"):
        path.unlink()
    one = run("fit", *many, "--save", "", "--batch", "1")
    two = run("fit", *many[:-1], tmp_path / "parallel", "--save", "", "--jobs", "2")
    assert (one.exit_code, two.exit_code) == (0, 0), two.output
    for name in ("a", "c"):
        with (
            np.load(tmp_path / "out" / name / "params.npz") as a,
            np.load(tmp_path / "parallel" / name / "params.npz") as b,
        ):
            np.testing.assert_allclose(a["poses"], b["poses"], atol=1e-3)


def test_ctrl_c_keeps_finished_photos(many, tmp_path, monkeypatch):
    fit_photos = folder.fit_photos

    def interrupted(jobs, *arguments):
        if "c" in [job.name for job in jobs]:
            raise KeyboardInterrupt
        return fit_photos(jobs, *arguments)

    monkeypatch.setattr(folder, "fit_photos", interrupted)
    result = run("fit", *many, "--save", "", "--batch", "2")
    assert result.exit_code == 130
    assert "--resume continues" in result.stdout
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "index.html", "summary.csv"]

    monkeypatch.undo()
    result = run("fit", *many, "--save", "", "--resume")
    assert "1 of 3 already done" in result.stdout
    assert (out / "c" / "params.npz").is_file()


def test_ctrl_c_in_a_terminal_ends_the_workers_and_leaves_nothing_half_written(many, tmp_path):
    for stem in "defghijk":
        write_person(tmp_path / "in", stem)
    command = [sys.executable, "-c", "from render_fit.cli import main; main()", "fit", *map(str, many), "--jobs", "2"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # a shell's background job ignores SIGINT and hands that on; a terminal's foreground job does not
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    out = tmp_path / "out"
    while not list(out.glob("[!.]*/report.json")):  # a folder in place, not one half-written under a hidden name
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group gets it
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"Traceback" not in errors
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    done = [path.parent.name for path in out.glob("*/report.json")]
    assert 0 < len(done) < 11
    assert {row["name"] for row in csv.DictReader((out / "summary.csv").open())} == set(done)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and is_alive(process.pid):
        time.sleep(0.05)
    assert not is_alive(process.pid)  # no worker is left


# Bad input, each with one line and exit code 2.


def test_missing_image(tmp_path):
    check_mistake(run("fit", tmp_path / "gone.jpg", "--out", tmp_path), "gone.jpg", "no such file")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"not an image"])
def test_unreadable_image(tmp_path, content):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    check_mistake(run("fit", path, "--out", tmp_path / "out"), "bad.png")
    assert not list((tmp_path / "out").glob("*"))


def test_truncated_image(person):
    person[0].write_bytes(person[0].read_bytes()[:900])
    check_mistake(run("fit", *person), "person.png", "cut off")


def test_image_of_one_pixel(person):
    Image.new("RGB", (1, 1)).save(person[0])
    check_mistake(run("fit", *person), "person.png", "1×1")


def test_image_20_000_pixels_wide_is_reduced_and_written_for_its_own_pixels(person, tmp_path):
    scale, left = 4, 3000
    for path in (person[0], person[2]):
        picture = Image.open(path)
        wide = Image.new(picture.mode, (20_000, scale * HEIGHT))
        wide.paste(picture.resize((scale * WIDTH, scale * HEIGHT), Image.Resampling.NEAREST), (left, 0))
        wide.save(path, compress_level=1)
    numbers = np.reshape(json.loads(person[4].read_text())[0]["keypoints"], (17, 3))
    write_keypoints(person[4], (numbers[:, :2] * scale + [left, 0]).tolist())
    result = run("fit", *person, "--save", "")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "out" / "person" / "params.npz") as params:
        assert params["image_size"].tolist() == [scale * HEIGHT, 20_000]
        assert params["K"][0, 2] == pytest.approx(10_000)
        # the pelvis projects to where it is in the file: 64 of 128 px and a half of the person's height
        pelvis = params["K"] @ params["joints"][0, 0]
    assert pelvis[0] / pelvis[2] == pytest.approx(left + scale * numbers[11:13, 0].mean(), abs=100)
    report = json.loads((tmp_path / "out" / "person" / "report.json").read_text())
    assert 1 < report["keypoint_error_px"]["after"] < 0.1 * scale * HEIGHT


def test_no_person(tmp_path):
    Image.new("RGB", (200, 200), (90, 120, 90)).save(tmp_path / "empty.png")
    check_mistake(run("fit", tmp_path / "empty.png", "--out", tmp_path / "out"), "empty.png", "no person")


def test_several_people_are_chosen_by_person(person, tmp_path):
    one = json.loads(person[4].read_text())[0]["keypoints"]
    other = [value / 2 if index % 3 != 2 else value for index, value in enumerate(one)]
    person[4].write_text(json.dumps([{"keypoints": other}, {"keypoints": one}]))
    without_mask = [person[0], *person[3:]]
    check_mistake(run("fit", *person, "--person", "2"), "person 2")
    result = run("fit", *without_mask, "--person", "all", "--save", "")
    assert result.exit_code in (0, 1), result.output
    reports = [json.loads((tmp_path / "out" / f"person_{i}" / "report.json").read_text()) for i in (0, 1)]
    assert [(report["person"], report["people"]) for report in reports] == [(0, 2), (1, 2)]


@pytest.mark.parametrize(("value", "words"), [(0, "empty"), (255, "whole image")])
def test_empty_and_full_masks(person, value, words):
    Image.new("L", (WIDTH, HEIGHT), value).save(person[2])
    check_mistake(run("fit", *person), "person_mask.png", words)


def test_mask_of_another_size(person):
    Image.new("L", (WIDTH, HEIGHT - 40), 0).save(person[2])
    check_mistake(run("fit", *person), "person_mask.png", f"{WIDTH}×{HEIGHT - 40}", f"{WIDTH}×{HEIGHT}")


@pytest.mark.parametrize("point", [[float("nan"), 5.0], [0.0, 0.0], [5000.0, -3.0]], ids=["nan", "zero", "outside"])
def test_unusable_keypoints(person, point):
    write_keypoints(person[4], [point] * 17)
    check_mistake(run("fit", *person), "person_keypoints.json", "no keypoint is usable")


def test_one_bad_keypoint_does_not_stop_a_fit(person):
    keypoints = json.loads(person[4].read_text())
    keypoints[0]["keypoints"][:6] = [float("nan"), 5.0, 2, 9999.0, 5.0, 2]
    person[4].write_text(json.dumps(keypoints))
    assert run("fit", *person, "--save", "").exit_code == 0


def test_unknown_label_space(person):
    check_mistake(run("fit", *person, "--parts", person[2], "--part-labels", "atl"), "atl", "atr")
    check_mistake(run("fit", *person, "--parts", person[2]), "--part-labels")


def test_misspelt_recipe_key_and_name(person, tmp_path):
    write_recipe(tmp_path, (tmp_path / "quick.yaml").read_text().replace("clothing:", "cloting:"))
    check_mistake(run("fit", *person), "quick.yaml", "cloting", "did you mean 'clothing'")
    person[person.index("--recipe") + 1] = "hybird"
    check_mistake(run("fit", *person), "hybird", "did you mean 'hybrid'")


def test_output_folder_that_is_a_file(person, tmp_path):
    (tmp_path / "out").write_text("mine")
    check_mistake(run("fit", *person), "out", "--out")
    assert (tmp_path / "out").read_text() == "mine"


def test_unwritable_output_folder(person, tmp_path, monkeypatch):
    import tempfile

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)  # root may write anywhere
    check_mistake(run("fit", *person), "Permission denied", "--out")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--box", "1,2,3"], "--box"),
        (["--height-m", "180"], "--height-m"),
        (["--save", "fbx"], "fbx"),
        (["--camera", "gone.json"], "gone.json"),
        (["--mask", "gone.png"], "gone.png"),
        (["--body", "gone.pkl"], "gone.pkl"),
        (["--renderer", "gpu"], "gpu"),
        (["--observations", "gone"], "gone"),
    ],
)
def test_other_mistakes(person, arguments, word):
    check_mistake(run("fit", *person, *arguments), word)


def test_missing_pytorch3d_is_reported_before_any_work(person, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    check_mistake(run("fit", *person, "--renderer", "pytorch3d"), "pytorch3d is not installed", "pip install")
    assert not list((tmp_path / "out").glob("*/report.json"))


def test_a_folder_without_images(tmp_path):
    (tmp_path / "in").mkdir()
    check_mistake(run("fit", tmp_path / "in", "--out", tmp_path / "out"), "contains no image")


def test_files_about_one_photo_with_several(many):
    check_mistake(run("fit", *many, "--mask", "m.png"), "--observations")
    check_mistake(run("fit", *many, "--box", "1,2,3,4"), "--box")


def test_shards_at_once_share_a_folder_and_the_summary_joins_them(many, tmp_path):
    out = tmp_path / "out"
    words = ["-m", "render_fit", "fit", *map(str, many), "--save", "", "--jobs", "2"]
    shards = [
        subprocess.Popen([sys.executable, *words, "--shard", f"{number}/2"], stdout=subprocess.PIPE, text=True)
        for number in (1, 2)
    ]
    texts = [process.communicate(timeout=300)[0] for process in shards]
    assert sorted(process.returncode for process in shards) == [0, 1], texts  # b cannot be read
    assert sorted(re.findall(r"shard \d/2: \d of 3 photos", "".join(texts))) == [
        "shard 1/2: 1 of 3 photos",
        "shard 2/2: 2 of 3 photos",
    ]
    assert "1 of" in "".join(texts) and f"render-fit summary {out}" in "".join(texts)
    assert not (out / "summary.csv").exists()
    joined = run("summary", out)
    assert (joined.exit_code, "1 failed" in joined.stdout, "all 3 photos have a result" in joined.stdout) == (
        1,
        True,
        True,
    )
    rows = {row["name"]: row["status"] for row in csv.DictReader((out / "summary.csv").open())}
    assert rows.keys() == {"a", "b", "c"} and rows["b"] == "failed"
    assert not list(out.glob(".*"))


def test_the_summary_says_what_is_missing(many, tmp_path):
    out = tmp_path / "out"
    assert run("fit", *many, "--save", "", "--shard", "1/3").exit_code in (0, 1)
    joined = run("summary", out)
    assert joined.exit_code == 1
    assert "2 of 3 photos have no result" in joined.stdout
    assert "by shard: 2/3: 1, 3/3: 1" in joined.stdout
    assert (out / "index.html").is_file()


def test_a_task_of_a_slurm_array_is_told_that_it_fits_all(many, tmp_path, monkeypatch):
    for name, value in {"ID": 4, "MIN": 4, "MAX": 6, "STEP": 1, "COUNT": 3}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    told = run("fit", *many, "--save", "", "--recipe", "nowhere")
    assert "task 4 of a Slurm array of 3 tasks and fits all 3 photos" in " ".join(told.stderr.split())
    assert "--shard slurm" in told.stderr
    one = run("fit", *many, "--save", "", "--shard", "slurm")
    assert "shard 1/3: 1 of 3 photos" in one.stdout and "Slurm array" not in one.stderr
