"""The focal length that all images of a person have in common."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice

import pytest
import torch

from render_fit.core.cameras import camera_from_focal
from render_fit.evaluation.experiments.images_of_one import PosedPerson, turning_images
from render_fit.fitting.beginning import GUESS
from render_fit.fitting.focal_length import SPREAD, FocalLength, freed, usual_focal
from render_fit.fitting.person import PersonFit, fit_person
from render_fit.fitting.recipe import load_recipe
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.variables import Variables
from render_fit.observations import Observation
from render_fit.observations.camera_source import ASSUMED, assumed_camera

TRUE_FOCAL = 0.6  # over the diagonal: a 26 mm lens, which phones have


@pytest.fixture(scope="module")
def resolved() -> ResolvedRecipe:
    return resolve(load_recipe("hybrid"))


@pytest.fixture(scope="module")
def images(resolved) -> list[Observation]:
    person = PosedPerson(0, 11, torch.zeros(8, 24, 3))
    return [
        one.observation(resolved.body)
        for one in islice(turning_images(resolved.body, person, tight=True, focal=TRUE_FOCAL), 4)
    ]


def without_camera(observation: Observation) -> Observation:
    camera = assumed_camera(*observation.image_size)
    return replace(observation, camera=camera, source={**observation.source, "camera": ASSUMED})


def focal_of(fit: PersonFit, index: int) -> float:
    camera = fit.results[index].camera
    return float(camera.K[0, 0, 0]) / math.hypot(camera.height, camera.width)


@pytest.fixture(scope="module")
def fit(resolved, images) -> PersonFit:
    return fit_person([without_camera(one) for one in images], resolved, clothing="none", same_lens=True)


def test_a_wide_lens_is_found_from_a_person_who_turns(fit):
    found = [focal_of(fit, index) for index in range(4) if fit.results[index] is not None]
    assert len(found) >= 3 and max(found) - min(found) < 1e-6
    assert abs(math.log(found[0] / TRUE_FOCAL)) < 0.25  # half of the assumed one's error
    assert found[0] == pytest.approx(math.exp(fit.focal.log_ratio), rel=1e-4)
    assert 0.0 < fit.focal.sigma < SPREAD


def test_the_report_says_that_the_focal_length_is_an_estimate(fit):
    for result in fit.results:
        if result is not None:
            assert any("focal length is estimated from all images" in note for note in result.report.notes)
            assert not any(note.startswith(GUESS) for note in result.report.notes)


def test_the_fit_and_what_it_is_compared_with_are_seen_by_the_estimated_camera(fit, images):
    """Both project into the person's mask: the depth goes with the focal length."""
    for result, image in zip(fit.results, images, strict=True):
        if result is None:
            continue
        assert result.report.iou.after > 0.85 and result.report.iou.before > 0.7
        assert float(result.before.transl[0, 2]) < 3.5  # 5 m or so with the assumed camera
        columns = image.mask.amax(dim=0).nonzero()[:, 0]
        vertices_px = result.camera.project(result.output.vertices)[0]
        assert abs(float(vertices_px[:, 0].mean()) - float(columns.float().mean())) < 15


def test_a_known_camera_is_kept(resolved, images):
    fit = fit_person(images[:1], resolved, clothing="none", same_lens=True)
    assert fit.focal == FocalLength()
    assert focal_of(fit, 0) == pytest.approx(TRUE_FOCAL)


def test_the_usual_focal_length_costs_nothing_and_a_spread_half_a_nat():
    zeros = torch.zeros(2, 3)
    start = freed(Variables(torch.eye(3).expand(2, 3, 3), zeros, torch.zeros(2, 23, 3), torch.zeros(2, 10), zeros))
    assert float(usual_focal(start)) == 0.0
    assert float(usual_focal(replace(start, focal=start.focal + SPREAD))) == pytest.approx(0.5)


def test_nothing_changes_where_nothing_was_estimated():
    camera = camera_from_focal(600.0, 480, 360)
    assert FocalLength().told([f"{GUESS}: 600 px"], camera) == [f"{GUESS}: 600 px"]
    zeros = torch.tensor([[0.1, -0.2, 1.3]])
    state = Variables(torch.eye(3)[None], torch.zeros(1, 3), torch.zeros(1, 23, 3), torch.zeros(1, 10), zeros)
    assert torch.equal(FocalLength().seen(state).position, state.position)
