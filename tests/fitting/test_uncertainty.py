"""Covariances of shape and joints: what they must be for one photo, and what makes them smaller."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from render_fit.fitting.beginning import begin
from render_fit.fitting.context import FitContext
from render_fit.fitting.fit import Fitted, fit_image, run_stages
from render_fit.fitting.joint import with_shared
from render_fit.fitting.person import joint_stages
from render_fit.fitting.recipe import load_recipe
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.stages import search_and_refinement
from render_fit.fitting.uncertainty import (
    Rivals,
    Uncertainty,
    from_pelvis,
    joint_jacobian,
    joint_sigma_mm,
    spread_of_rivals,
    uncertainty,
)
from render_fit.fitting.variables import SCALES, Variables
from render_fit.measurements.measure import measure
from render_fit.synthesis.clothed_people import ClothedPerson, clothed_person
from render_fit.synthesis.poses.named import everyday_pose

FREE = ("orient", "position", "pose", "betas")
BETAS = torch.linspace(1.0, -1.0, 10)


@pytest.fixture(scope="module")
def resolved() -> ResolvedRecipe:
    return resolve(load_recipe("hybrid"))


@pytest.fixture(scope="module")
def people(resolved) -> list[ClothedPerson]:
    poses = ("standing", "walking")
    return [clothed_person(resolved.body, everyday_pose(pose), i, betas=BETAS) for i, pose in enumerate(poses)]


@pytest.fixture(scope="module")
def fitted(resolved, people) -> tuple[list[FitContext], list[Fitted]]:
    contexts = [begin(one.observation(resolved.body), None, resolved, None, None, "none")[0] for one in people]
    return contexts, run_stages(contexts, *search_and_refinement(resolved.recipe, "none"))


@pytest.fixture(scope="module")
def unsure(fitted) -> Uncertainty:
    found = fitted[1][0].uncertainty(fitted[0][0])
    assert found is not None
    return found


def depth_and_across(joints: torch.Tensor, covariance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    ray = torch.nn.functional.normalize(joints, dim=-1)
    depth = (ray[:, None] @ covariance @ ray[..., None])[:, 0, 0]
    return depth, (covariance.diagonal(dim1=1, dim2=2).sum(dim=1) - depth) / 2


def test_covariances_are_symmetric_and_positive_semidefinite(unsure):
    assert unsure.betas.shape == (10, 10) and unsure.joints.shape == (1, 24, 3, 3)
    for matrix in (unsure.betas, unsure.joints):
        torch.testing.assert_close(matrix, matrix.mT, rtol=1e-4, atol=1e-9)
        assert float(torch.linalg.eigvalsh(matrix.double()).min()) > 0


def test_one_photo_tells_less_about_depth_than_about_what_it_shows(fitted, unsure, resolved):
    joints = resolved.body.kinematics(fitted[1][0].best.parameters(resolved.body)).joints[0].detach()
    depth, across = depth_and_across(joints, unsure.joints[0])
    names = list(resolved.body.joint_names)
    ends = [names.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("wrist", "ankle", "foot")]
    assert bool((depth[ends] > 2 * across[ends]).all())
    assert float(depth[0]) > 100 * float(across[0])  # the pelvis: its distance follows from the guessed size
    assert float(depth[names.index("left_ankle")]) > float(depth[names.index("left_hip")])  # errors add up
    sigma = joint_sigma_mm(joints[None], unsure)
    assert sigma["depth"] == pytest.approx(1000 * float(depth[1:].mean()) ** 0.5, abs=0.1)
    assert sigma["across"] == pytest.approx(1000 * float(across[1:].mean()) ** 0.5, abs=0.1)


def test_a_known_height_makes_shape_and_distance_surer(people, resolved):
    observation = people[0].observation(resolved.body)
    stature = float(measure(resolved.body, BETAS[None], ["stature"])["stature"])
    without, known = (fit_image(observation, height_m=height, clothing="none") for height in (None, stature))
    assert torch.trace(known.betas_covariance) < torch.trace(without.betas_covariance)
    assert float(known.joints_covariance[0, 0, 2, 2]) < 0.5 * float(without.joints_covariance[0, 0, 2, 2])


def test_more_images_make_the_shape_surer(fitted, resolved):
    contexts, alone = fitted
    stage, _ = joint_stages(resolved)

    def of(indices: list[int]) -> Uncertainty:
        together = alone[0].best.joined(alone[1].best)[torch.tensor(indices)]
        rivals = [alone[index].rivals for index in indices]
        return uncertainty([contexts[index] for index in indices], stage, with_shared(together, together), rivals)

    one, three = of([0]), of([0, 0, 0])
    assert three.joints.shape == (3, 24, 3, 3)
    assert float(torch.linalg.eigvalsh((one.betas - three.betas).double()).min()) > -1e-4
    assert float(torch.trace(three.betas)) < 0.99 * float(torch.trace(one.betas))
    both = of([0, 1])
    assert float(torch.trace(both.betas)) < float(torch.trace(one.betas))


def test_clothes_do_not_count(fitted, resolved):
    (context, _), (one, _) = fitted
    stage, _ = joint_stages(resolved)
    offsets = 0.05 * torch.ones(1, resolved.body.n_vertices, 3)
    dressed = uncertainty([context], stage, replace(one.best, offsets=offsets), [one.rivals])
    torch.testing.assert_close(dressed.joints, uncertainty([context], stage, one.best, [one.rivals]).joints)


def test_jacobian_is_that_of_automatic_differentiation(fitted, resolved):
    best: Variables = fitted[1][0].best.detached()
    moving = best.free(FREE)
    sizes = [value[0].numel() for value in moving.values()]

    def positions(x: torch.Tensor) -> torch.Tensor:
        changes = zip(moving.items(), x.split(sizes), strict=True)
        values = {name: value + SCALES[name] * change.reshape(value.shape) for (name, value), change in changes}
        joints = resolved.body.kinematics(best.with_values(values).parameters(resolved.body)).joints
        return from_pelvis(joints)[0]

    expected = torch.autograd.functional.jacobian(positions, torch.zeros(sum(sizes)))
    # differences over 0.001 of a float32 of metres: 1e-7 · 4 m / 1e-3
    torch.testing.assert_close(joint_jacobian(resolved.body, best, FREE), expected, atol=2e-3, rtol=0)


def test_rivals_of_equal_loss_count_half_and_bad_ones_nothing(fitted, resolved):
    best: Variables = fitted[1][0].best.detached()
    body, elbow = resolved.body, resolved.body.joint_names.index("left_elbow")
    bent = best.pose.clone()
    bent[0, elbow - 1, 1] += 0.8
    other = best.with_values({"pose": bent})
    both = best.joined(other)
    hand = resolved.body.joint_names.index("left_hand")
    places = from_pelvis(body.kinematics(both.parameters(body)).joints)[:, hand]
    away = places[1] - places[0]
    assert float(away.norm()) > 0.1
    equal = spread_of_rivals(body, best, Rivals(both, torch.tensor([5.0, 5.0])))
    torch.testing.assert_close(equal[hand], 0.5 * torch.outer(away, away), atol=1e-6, rtol=1e-4)
    assert float(equal[elbow].abs().max()) < 1e-8  # it did not move itself
    for loss in (500.0, torch.nan):
        assert float(spread_of_rivals(body, best, Rivals(both, torch.tensor([5.0, loss]))).abs().max()) < 1e-8


def test_a_prediction_without_stages_has_none(people, resolved):
    result = fit_image(people[0].observation(resolved.body), "predict")
    assert result.joints_covariance is None and result.betas_covariance is None
    assert result.report.joint_sigma_mm is None
