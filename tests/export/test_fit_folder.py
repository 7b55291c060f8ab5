import json

import numpy as np
from PIL import Image

from render_fit.export.fit_folder import write_failure, write_fit
from render_fit.renderers import make_renderer
from tests.fits import known_fit

RENDERER = make_renderer("cpu")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_documented_file_is_written(tmp_path):
    fit = known_fit()
    frames = [np.zeros((8, 8, 3), dtype=np.uint8)] * 2
    folder = write_fit(
        tmp_path / "photo",
        fit,
        RENDERER,
        save=("obj", "ply", "glb", "gif"),
        frames=frames,
        about={"image": "photo.jpg"},
    )
    assert names(folder) == [
        "input.jpg", "mesh.glb", "mesh.obj", "mesh.ply", "overlay.png", "params.npz", "progress.gif",
        "report.json", "side.png",
    ]  # fmt: skip
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == "ok"
    assert report["iou"] == {"before": 0.7, "after": 0.875}
    assert report["part_iou"] is None
    assert report["image"] == "photo.jpg"
    assert Image.open(folder / "overlay.png").size == (160, 240)


def test_a_fit_to_a_reduced_photo_is_written_for_the_files_pixels(tmp_path):
    fit = known_fit()  # 160 × 240 px, f = 264 px, keypoints off by 3 px
    folder = write_fit(tmp_path / "photo", fit, RENDERER, save=(), file_size=(960, 640))
    with np.load(folder / "params.npz") as params:
        assert params["image_size"].tolist() == [960, 640]
        np.testing.assert_allclose(params["K"], [[1056, 0, 320], [0, 1056, 480], [0, 0, 1]], rtol=1e-6)
        np.testing.assert_allclose(params["trans"], fit.parameters.transl.numpy())
    assert json.loads((folder / "report.json").read_text())["keypoint_error_px"] == {"before": 16.0, "after": 12.0}


def test_a_new_fit_removes_the_old_mesh(tmp_path):
    write_fit(tmp_path / "photo", known_fit(), RENDERER, save=("ply",))
    write_fit(tmp_path / "photo", known_fit(), RENDERER, save=("obj",))
    assert [name for name in names(tmp_path / "photo") if name.startswith("mesh")] == ["mesh.obj"]


def test_a_failure_writes_only_a_report(tmp_path):
    write_fit(tmp_path / "photo", known_fit(), RENDERER, save=())
    write_failure(tmp_path / "photo", "no person found", {"image": "photo.jpg"})
    assert names(tmp_path / "photo") == ["report.json"]
    report = json.loads((tmp_path / "photo" / "report.json").read_text())
    assert (report["status"], report["reason"], report["iou"]) == ("failed", "no person found", None)
