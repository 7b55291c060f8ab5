"""One person in several synthetic images: the shape is shared, images that do not fit are left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.fitting.person import fit_person
from render_fit.fitting.person_report import image_reports, person_report
from render_fit.fitting.recipe import load_recipe
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.shared_shape import UNUSUAL, fused
from render_fit.observations import Observation
from render_fit.synthesis.clothed_people import clothed_person
from render_fit.synthesis.poses.named import everyday_pose

POSES = ("hands_on_hips", "waving", "hands_on_hips")
BETAS = torch.linspace(1.5, -1.0, 10)


@pytest.fixture(scope="module")
def resolved() -> ResolvedRecipe:
    return resolve(load_recipe("hybrid"))


@pytest.fixture(scope="module")
def images(resolved) -> list[Observation]:
    yaws = (0.2, -0.6, 2.6)
    return [
        clothed_person(resolved.body, everyday_pose(pose), i, betas=BETAS, yaw_rad=yaw).observation(
            resolved.body, clothed=False
        )
        for i, (pose, yaw) in enumerate(zip(POSES, yaws, strict=True))
    ]


@pytest.fixture(scope="module")
def person(resolved, images):
    empty = replace(images[0], keypoints_px=images[0].keypoints_px.flip(0))  # left is right, the head is below
    return fit_person([*images, empty], resolved, clothing="smooth")


def test_all_images_have_one_shape_and_one_set_of_clothes(person):
    first, *others = [result for result in person.results if result is not None]
    assert len(others) >= 1
    for other in others:
        assert torch.equal(first.parameters.betas, other.parameters.betas)
        assert torch.allclose(first.parameters.offsets, other.parameters.offsets, atol=1e-6)
        assert not torch.equal(first.parameters.rotations, other.parameters.rotations)


def test_the_images_fit_and_the_shape_is_nearer_the_truth_than_the_mean_is(person, resolved):
    assert all(result.report.iou.after > 0.85 for result in person.results[:3] if result is not None)

    def shape(betas: torch.Tensor) -> np.ndarray:
        rest = resolved.body.rest_vertices(betas[None])[0]
        return (rest - rest.mean(dim=0)).numpy()

    error, of_mean = (
        np.linalg.norm(shape(betas) - shape(BETAS), axis=1).mean() for betas in (person.betas, torch.zeros(10))
    )
    assert error < 0.7 * of_mean


def test_an_image_that_cannot_be_fitted_does_not_cost_the_others(person):
    assert [result is not None for result in person.results] == [True, True, True, False]
    assert list(person.left_out) == [3] and person.left_out[3]


def test_the_covariance_is_one(person):
    assert bool((torch.linalg.eigvalsh(person.betas_covariance) > 0).all())
    assert float(person.betas_covariance.diagonal().max()) <= 1.05  # the prior's, at the most


def test_the_report_has_one_verdict_and_every_image(person, resolved):
    names = ["a", "b", "nobody", "c", "d"]
    frames = image_reports(names, {"nobody": "nobody is in it"}, person)
    report = person_report(frames, person, resolved.record())
    assert [frame.name for frame in report.frames] == names
    assert report.frames[2].reason == "nobody is in it" and not report.frames[2].found
    assert report.images == 5 and report.found == sum(frame.found for frame in frames)
    assert report.status in ("ok", "poor") and "left out" in report.reason


def test_the_mean_of_shapes_is_weighted_by_what_each_image_tells():
    told = torch.stack([torch.diag(torch.tensor([9.0, 1.0])), torch.diag(torch.tensor([1.0, 9.0]))])
    mean, _ = fused(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), told)
    assert mean.tolist() == pytest.approx([0.9, 0.9], abs=0.03)


def test_somebody_else_hardly_counts_in_the_mean():
    told = 40 * torch.eye(3).expand(5, 3, 3)
    betas = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1], [0.0, 0.0, 0.0], [3.0, -3.0, 2.0]])
    mean, distance = fused(betas, told)
    assert float(mean.abs().max()) < 0.1
    assert float(distance[4]) > 10 * UNUSUAL and float(distance[:4].max()) < 10


def test_without_images_or_shared_variables_there_is_nothing_to_fit(resolved, images):
    with pytest.raises(InputError, match="no image"):
        fit_person([], resolved)
    stages = tuple(stage for stage in resolved.recipe.stages if not stage.resolution)
    keypoints_alone = replace(resolved, recipe=resolved.recipe.model_copy(update={"stages": stages}))
    with pytest.raises(InputError, match="betas"):
        fit_person(images[:1], keypoints_alone)
    with pytest.raises(InputError, match="betas"):
        fit_person(images[:1], keypoints_alone.recipe)  # a recipe, or its name, in place of its objects
    with pytest.raises(InputError, match="hybrid"):
        fit_person(images[:1], "hybird")
