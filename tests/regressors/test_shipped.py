"""The regressors that come with the package do what is said of them."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.core.metrics import mpjpe, pa_mpjpe
from render_fit.fitting.fit import fit_image
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.names import shipped_names
from render_fit.regressors.network import Regressor
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.synthesis.observation_noise import NO_NOISE
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.recipe import load_training_recipe
from render_fit.training.samples import training_batch
from render_fit.training.validation import HeldOut, Score, score


@pytest.fixture(scope="module")
def lifter() -> Regressor:
    return load_regressor("lifter")


@pytest.fixture(scope="module")
def synthesis(lifter: Regressor) -> PeopleSampler:
    body = open_body()
    return PeopleSampler(body, PoseBank.from_prior(300, seed=3), clothing_basis(body, lifter.config.n_clothing))


def judged(lifter: Regressor, synthesis: PeopleSampler, **unseen: bool) -> Score:
    inputs, truth = training_batch(synthesis, 96, torch.Generator().manual_seed(5))
    blank = {name: torch.zeros_like(getattr(inputs, name)) for name in unseen}
    return score(lifter, HeldOut(replace(inputs, **blank), truth), synthesis.body)


def test_shipped_names() -> None:
    assert set(shipped_names()) == {"hmr", "lifter", "nbf"}


def test_hmr_predicts_poses_from_pixels_alone(synthesis: PeopleSampler) -> None:
    hmr, recipe = load_regressor("hmr"), load_training_recipe("hmr")
    assert hmr.config == recipe.regressor and hmr.config.input_kinds == {"photo"}
    sampler = replace(synthesis, size=hmr.config.size, images=recipe.images)
    inputs, truth = training_batch(sampler, 32, torch.Generator().manual_seed(5))
    rest = truth.joints[:1].expand_as(truth.joints)
    found = score(hmr, HeldOut(inputs, truth), synthesis.body)
    assert found.pa_mpjpe_mm < 0.75 * 1000 * float(pa_mpjpe(rest, truth.joints).mean())
    assert found.mpjpe_mm < 0.6 * 1000 * float(mpjpe(rest, truth.joints, root=0).mean())
    blind = score(hmr, HeldOut(replace(inputs, photo=torch.zeros_like(inputs.parts[:, :3])), truth), synthesis.body)
    assert found.pa_mpjpe_mm < 0.9 * blind.pa_mpjpe_mm


def test_nbf_predicts_poses_from_part_maps(synthesis: PeopleSampler) -> None:
    nbf = load_regressor("nbf")
    assert nbf.config.input_kinds == {"part map"}
    errors = load_training_recipe("nbf").observation_noise
    naked = replace(synthesis, basis=None)
    inputs, truth = training_batch(replace(naked, noise=errors), 96, torch.Generator().manual_seed(5))
    rest = truth.joints[:1].expand_as(truth.joints)
    spoiled = score(nbf, HeldOut(inputs, truth), synthesis.body)
    assert spoiled.pa_mpjpe_mm < 0.75 * 1000 * float(pa_mpjpe(rest, truth.joints).mean())
    assert spoiled.mpjpe_mm < 0.6 * 1000 * float(mpjpe(rest, truth.joints, root=0).mean())
    perfect = NO_NOISE.model_copy(update={"coarse_parts": 1.0})
    inputs, truth = training_batch(replace(naked, noise=perfect), 96, torch.Generator().manual_seed(5))
    assert score(nbf, HeldOut(inputs, truth), synthesis.body).pa_mpjpe_mm < spoiled.pa_mpjpe_mm


def test_it_beats_the_mean_pose_by_far_with_and_without_errors(lifter: Regressor, synthesis: PeopleSampler) -> None:
    _, truth = training_batch(synthesis, 96, torch.Generator().manual_seed(5))
    rest = truth.joints[:1].expand_as(truth.joints)  # anybody's pose is as good as another
    spoiled, perfect = judged(lifter, synthesis), judged(lifter, replace(synthesis, noise=NO_NOISE))
    assert perfect.pa_mpjpe_mm < spoiled.pa_mpjpe_mm < 0.75 * 1000 * float(pa_mpjpe(rest, truth.joints).mean())
    assert spoiled.mpjpe_mm < 0.6 * 1000 * float(mpjpe(rest, truth.joints, root=0).mean())
    assert perfect.pa_mpjpe_mm < 80


def test_any_subset_of_observations_is_enough(lifter: Regressor, synthesis: PeopleSampler) -> None:
    perfect = replace(synthesis, noise=NO_NOISE)
    everything = judged(lifter, perfect).mpjpe_mm
    for unseen in ({"parts": True}, {"silhouette": True, "parts": True}, {"confidence": True, "keypoints": True}):
        less = judged(lifter, perfect, **unseen)
        assert everything < less.mpjpe_mm and less.pa_mpjpe_mm < 130


@pytest.mark.parametrize("pose", ["standing", "striding", "sitting"])
def test_predictions_for_a_synthetic_person_lie_on_the_silhouette(pose: str) -> None:
    scene = synthetic_scene(open_body(), everyday_pose(pose), 1, yaw_rad=0.4)
    fit = fit_image(scene.observation(), "predict")
    assert fit.report.iou is not None and fit.report.iou.after > 0.6
    true = open_body().kinematics(scene.parameters).joints
    assert 1000 * float(pa_mpjpe(fit.output.joints[:, :24], true)) < 90
