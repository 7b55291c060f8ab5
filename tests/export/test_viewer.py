"""What the viewer shows, without a browser."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import render_fit as rf
from render_fit.bodies import open_body
from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.export.fit_folder import write_failure, write_fit
from render_fit.export.fit_search import find_results
from render_fit.export.parameters import write_params
from render_fit.export.viewer import shapes
from render_fit.export.viewer.girths import girths_of
from render_fit.export.viewer.server import open_viewer
from render_fit.export.viewer.verdict import verdict
from render_fit.export.viewer.viewed import read_viewed, viewed_result
from render_fit.measurements.pose import measured_body
from render_fit.renderers import make_renderer
from tests.export.motions import moving_fit
from tests.fits import known_fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("fits")
    for name in ("a", "b"):
        write_fit(out / name, known_fit(), make_renderer("cpu"), save=())
    write_failure(out / "c", "no person")
    return out


def test_a_path_stands_for_one_fit_or_all_of_a_folder(folder):
    assert find_results(folder) == [folder / "a", folder / "b"]
    assert find_results(folder / "a") == find_results(folder / "a" / "params.npz") == [folder / "a"]
    with pytest.raises(InputError, match="did the fit fail"):
        find_results(folder / "c")
    with pytest.raises(InputError, match="expected the folder of a fit"):
        find_results(folder / "d")


def test_a_saved_fit_is_posed_as_it_was_fitted(folder):
    result, viewed = known_fit(), read_viewed(folder / "a")
    posed = viewed.posed(0)
    np.testing.assert_allclose(posed.outer, result.output.vertices[0], atol=1e-4)
    np.testing.assert_allclose(posed.body, result.unclothed_vertices[0], atol=1e-4)
    assert viewed.photo(0).shape == (240, 160, 3)
    in_memory = viewed_result(result, open_body())
    np.testing.assert_allclose(in_memory.posed(0).outer, posed.outer, atol=1e-4)


def test_people_stand_on_the_ground(folder):
    viewed = read_viewed(folder / "a")
    lowest, pelvis = viewed.posed(0).outer[:, 1].max(), viewed.posed(0).joints[0]
    np.testing.assert_allclose(viewed.ground(0), [pelvis[0], lowest, pelvis[2]])


def test_images_have_a_ground_each_and_the_frames_of_a_video_one(tmp_path):
    names, sizes = np.array(["x", "y", "z"]), np.tile([600, 400], (3, 1))
    saved = replace(moving_fit(open_body(), 3), image_names=names, image_sizes=sizes)
    write_params(tmp_path / "params.npz", replace(saved, found=np.array([True, False, True])))
    images = read_viewed(tmp_path)
    assert images.frames == (0, 2) and images.frame_name(2) == "z"
    assert images.ground(0)[1] != images.ground(2)[1]
    write_params(tmp_path / "params.npz", replace(saved, fps=10.0))
    video = read_viewed(tmp_path)
    assert (video.ground(0) == video.ground(2)).all()
    lowest = max(video.posed(frame).outer[:, 1].max() for frame in range(3))
    assert abs(video.ground(0)[1] - lowest) < 0.1  # metres: soles are flat or tilted


def test_tapes_lie_on_the_measuring_pose_with_the_girths_length():
    body, betas = open_body(), np.linspace(-1, 1, 10).astype(np.float32)
    girths = girths_of(body, betas, 0.01 * np.eye(10, dtype=np.float32))
    values = rf.measure(body, torch.from_numpy(betas)[None].double())
    rest = measured_body(body).vertices(torch.from_numpy(betas).double()).numpy()
    assert len(girths) == 12
    for girth, name in zip(girths, ("head", "neck", "bust", "under_bust", "waist", "hip"), strict=False):
        points = girth.points(rest)
        around = np.linalg.norm(np.roll(points, -1, 0) - points, axis=1).sum()
        assert abs(around - girth.value_m) < 1e-6 and abs(girth.value_m - float(values[name])) < 1e-6
        low, high = girth.interval_m
        assert low < girth.value_m < high


def test_ellipsoids_have_the_axes_of_the_covariance_and_contain_90_percent():
    generator = np.random.default_rng(0)
    spread = np.diag([0.01, 0.02, 0.04]) ** 2
    shape = shapes.ellipsoids(np.zeros((2, 3)), np.stack([np.eye(3), spread]))
    size = np.ptp(shape.vertices, axis=0) / 2
    np.testing.assert_allclose(size / [0.01, 0.02, 0.04], shapes.RADIUS, rtol=0.02)
    drawn = generator.multivariate_normal(np.zeros(3), spread, 20_000)
    inside = (drawn @ np.linalg.inv(spread) * drawn).sum(1) < shapes.RADIUS**2
    assert abs(inside.mean() - 0.9) < 0.01


def test_the_photos_plane_is_seen_as_the_photo():
    K = np.array([[500.0, 0, 130], [0, 450, 200], [0, 0, 1]])  # a principal point beside the middle
    plane = shapes.photo_plane(K, (300, 400), 3.0)
    seen = (plane.corners / plane.corners[:, 2:]) @ K.T
    np.testing.assert_allclose(seen[:, :2], [[0, 0], [400, 0], [400, 300], [0, 300]], atol=1e-9)


def test_a_file_cannot_write_commands_into_the_panel(folder):
    viewed = replace(read_viewed(folder / "a"), report={"status": "ok", "reason": "<img src=x> [a](b) **c**"})
    assert "<img" not in verdict(viewed, 0).replace("\\<", "") and "[a]" not in verdict(viewed, 0)


def test_frames_and_results_are_compared_by_name(folder, tmp_path):
    pytest.importorskip("viser")
    write_fit(tmp_path / "z", known_fit(), make_renderer("cpu"), save=())
    write_fit(tmp_path / "y", known_fit(), make_renderer("cpu"), save=())
    with pytest.raises(InputError, match="has no fit of a name"):
        open_viewer(folder, compare=tmp_path)
    viewer = open_viewer(folder / "a", compare=tmp_path / "z", port=8620)
    try:
        first, second = viewer.panel.scenes
        assert (first.viewed.name, second.viewed.name) == ("a", "z")
        plane = first.plane(0)
        assert second.place[0] - first.place[0] == pytest.approx(plane.width + 0.4)
        viewer.panel.control("compare").value = "on top"
        np.testing.assert_allclose(second.place, 0, atol=1e-6)  # the same fit: the same place
        page = viewer.write_html(tmp_path / "page.html").read_text(encoding="utf-8")
        assert page.startswith("<!") and len(page) > 100_000
    finally:
        viewer.stop()


def test_without_viser_the_command_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'render-fit\[view\]'"):
        open_viewer(known_fit())
