"""Accuracy of the default recipe on seeded synthetic people, without research data.

Bounds are measured values with a margin for the arithmetic of other platforms. A failed fit is far outside.
"""

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core import metrics
from render_fit.core.skeletons import H36M_17
from render_fit.evaluation.fit_errors import error_3d, find_failure_modes, silhouette_iou
from render_fit.fitting.fit import fit_image
from render_fit.synthesis import everyday_pose, synthetic_scene

SCENES = [("standing", 100), ("squat", 103)]


@pytest.fixture(scope="module", params=SCENES, ids=lambda scene: scene[0])
def fitted(request: pytest.FixtureRequest):
    """A scene, its fit from mask and keypoints, and the body."""
    name, seed = request.param
    body = open_body()
    scene = synthetic_scene(body, everyday_pose(name), seed)
    return scene, fit_image(scene.observation(parts=False), body=body, clothing="none"), body


def test_joints_and_surface_are_close_to_the_ground_truth(fitted):
    scene, fit, body = fitted
    true = body.keypoints(scene.parameters, H36M_17)[0]
    error = error_3d(body, fit.parameters, H36M_17, true)
    print(f"PA-MPJPE {error.pa_mpjpe_mm} mm, flips {error.limb_flips}")
    assert error.pa_mpjpe_mm < 70
    assert error.limb_flips == 0 and not error.facing_flipped
    surface = float(metrics.pve(fit.output.vertices, scene.vertices_camera[None], align="scale"))
    print(f"PVE {1000 * surface:.1f} mm")
    assert surface < 0.08


def test_the_silhouette_fits_without_an_extreme_shape_or_a_failure_mode(fitted):
    scene, fit, body = fitted
    iou = silhouette_iou(body, fit.parameters, fit.camera, scene.mask)
    before = silhouette_iou(body, fit.before, fit.camera, scene.mask)
    print(f"IoU {before:.3f} -> {iou:.3f}, |β| {fit.report.beta_max:.2f}")
    assert iou > 0.92 and iou > before + 0.05
    assert fit.parameters.betas.abs().max() < 2.5
    assert find_failure_modes(body, fit.parameters, scene.skeleton, scene.keypoints_px, torch.ones(17)).count == 0
    assert fit.report.status == "ok"
