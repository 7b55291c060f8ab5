from dataclasses import replace

import pytest

from render_fit.bodies import open_body
from render_fit.export.parameters import saved_fit
from render_fit.pipelines.demo import fit_synthetic, measure_errors, write_real_photo, write_synthetic_photo
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.photo import FitComponents
from tests.photos import write_recipe


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    return write_synthetic_photo(tmp_path_factory.mktemp("demo"), seed=1)


def test_the_errors_of_the_true_body_are_zero_up_to_clothing(synthetic):
    path, scene = synthetic
    assert path.is_file()
    saved = saved_fit(scene.parameters, scene.joints_camera[None], scene.camera, "open")
    truth = measure_errors(saved, scene, FitComponents(FitOptions()))
    assert max(truth.mpjpe_mm, truth.pa_mpjpe_mm, truth.pve_mm) < 0.1
    assert 0.75 < truth.iou < 0.99  # the mask has garments, the body has not


def test_changes_of_the_body_raise_the_errors(synthetic):
    _, scene = synthetic
    components = FitComponents(FitOptions())
    saved = saved_fit(scene.parameters, scene.joints_camera[None], scene.camera, "open")
    moved = measure_errors(replace(saved, trans=saved.trans + 0.1), scene, components)
    assert moved.iou < 0.75
    assert moved.mpjpe_mm < 0.1  # its pelvis is aligned
    bent = saved.poses.copy()
    bent[0, 3 * 18 : 3 * 18 + 3] += 0.8  # left elbow
    assert measure_errors(replace(saved, poses=bent), scene, components).pa_mpjpe_mm > 3
    wide = saved.betas.copy()
    wide[1] += 2
    assert measure_errors(replace(saved, betas=wide), scene, components).pve_mm > 3
    assert open_body().n_betas == len(wide)


def test_the_synthetic_person_is_fitted_from_the_image_alone(tmp_path):
    fit, truth = fit_synthetic(tmp_path, FitComponents(FitOptions(recipe=str(write_recipe(tmp_path)), save=())))
    assert fit.report.sources["mask"] == "blazepose"
    assert (fit.folder / "comparison.png").is_file()
    assert truth.iou > 0.5  # the quick recipe is no good fit


def test_the_real_photo_is_the_public_domain_one(tmp_path):
    pytest.importorskip("skimage")
    path = write_real_photo(tmp_path)
    assert path is not None and path.stat().st_size > 100_000
