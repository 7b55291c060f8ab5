"""SPIN: batches of fits, the best fit of each photo, and the loss towards it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17
from render_fit.fitting.recipe import TermSetting
from render_fit.fitting.variables import Variables
from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import pelvis_in_view
from render_fit.synthesis.observation_noise import NO_NOISE
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.fitting_in_the_loop import (
    BestFits,
    FittingInTheLoop,
    FittingInTheLoopConfig,
    fit_batch,
    refine,
)
from render_fit.training.loop import train
from render_fit.training.losses import LossWeights
from render_fit.training.processes import Processes
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.render_supervision import RenderSupervisionConfig
from render_fit.training.samples import GroundTruth
from render_fit.training.unlabelled_photos import UnlabelledPhotos, sample_unlabelled


@pytest.fixture(scope="module")
def observed(synthesis: PeopleSampler) -> tuple[UnlabelledPhotos, GroundTruth]:
    perfect = replace(synthesis, keypoint_formats=(COCO_17,), noise=NO_NOISE)
    return sample_unlabelled(perfect, 6, torch.Generator().manual_seed(0))


def near(truth: GroundTruth) -> Variables:
    """Initial values near the ground truth."""
    body = open_body()
    pelvis = pelvis_in_view(truth.pelvis_offset, truth.focal)
    true = BodyParameters(truth.rotations, truth.betas, pelvis - body.rest_joints(truth.betas)[:, 0])
    variables = Variables.from_parameters(body, true)
    return variables.with_values({"pose": variables.pose + 0.1, "betas": torch.zeros_like(variables.betas)})


def test_observations_agree_with_their_ground_truth(observed: tuple[UnlabelledPhotos, GroundTruth]) -> None:
    photos, truth = observed
    fits = BestFits(truth.rotations, truth.betas, truth.pelvis, torch.zeros(6))
    again = fits.truth(photos.view, open_body(), truth.clothing.shape[1], torch.ones(6, dtype=torch.bool))
    torch.testing.assert_close(again.joints, truth.joints, atol=2e-5, rtol=0)
    torch.testing.assert_close(again.pelvis_offset, truth.pelvis_offset)
    body = open_body()
    points = body.keypoints(near(truth).with_values({"betas": truth.betas}).parameters(body), COCO_17)
    assert photos.targets.keypoints_px is not None and photos.targets.confidence is not None
    off = (photos.targets.camera.project(points) - photos.targets.keypoints_px).norm(dim=-1)
    # Poses a tenth of a radian off: points are a few of 32 pixels away, not on another limb.
    assert float(off[photos.targets.confidence > 0].median()) < 3


def test_a_batch_of_fits_equals_single_fits(observed: tuple[UnlabelledPhotos, GroundTruth]) -> None:
    photos, truth = observed
    config, body = FittingInTheLoopConfig(iterations=6), open_body()
    start = near(truth)
    together = refine(start, photos.targets, body, config)
    for index in range(3):
        row = torch.tensor([index])
        alone = refine(start[row], photos.targets[row], body, config)
        torch.testing.assert_close(alone.value[0], together.value[index], rtol=2e-3, atol=1e-2)
    from_start = refine(start, photos.targets, body, FittingInTheLoopConfig(iterations=1))
    assert (together.value < from_start.value).all()


def test_the_best_fit_of_every_image_is_kept() -> None:
    best = BestFits.none(3, 24, 10)
    first = BestFits.none(2, 24, 10)
    first = replace(first, betas=first.betas + 1, value=torch.tensor([5.0, torch.inf]))
    best.improve(torch.tensor([2, 0]), first)
    assert best.value.tolist() == [torch.inf, torch.inf, 5.0]
    worse = replace(first, betas=first.betas + 1, value=torch.tensor([6.0, 7.0]))
    best.improve(torch.tensor([2, 1]), worse)
    assert best.value.tolist() == [torch.inf, 7.0, 5.0]
    assert best.betas[:, 0].tolist() == [0.0, 2.0, 1.0]


def test_only_good_fits_are_used(recipe: TrainingRecipe, observed: tuple[UnlabelledPhotos, GroundTruth]) -> None:
    torch.manual_seed(0)
    photos, truth = observed
    body, regressor = open_body(), Regressor(recipe.regressor)
    fits = BestFits(truth.rotations, truth.betas, truth.pelvis, torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 1e6]))

    supervision = FittingInTheLoop(LossWeights(), body, fits, Processes(), FittingInTheLoopConfig())

    def loss_towards(which: BestFits):
        return supervision.regression(regressor(photos.inputs), photos, which)

    regressor.zero_grad()
    loss_towards(fits).total.backward()
    some = [w.grad.clone() for w in regressor.parameters() if w.grad is not None]
    fits.betas[5] += 3.0
    regressor.zero_grad()
    loss_towards(fits).total.backward()
    assert all(torch.equal(a, w.grad) for a, w in zip(some, regressor.parameters(), strict=True))
    none = replace(fits, value=torch.full((6,), torch.inf))
    loss = loss_towards(none)
    assert loss.total.item() == 0 and float(loss.terms["good_fits"]) == 0
    loss.total.backward()
    optimiser = torch.optim.Adam(regressor.parameters(), 3e-3)
    values = []
    for _ in range(12):
        loss = loss_towards(fits)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        values.append(loss.total.item())
    assert values[-1] < 0.7 * values[0]


def test_a_resumed_training_keeps_its_fits(
    recipe: TrainingRecipe, synthesis: PeopleSampler, observed: tuple[UnlabelledPhotos, GroundTruth], tmp_path: Path
) -> None:
    photos, _ = observed
    config = RenderSupervisionConfig(weight=0.0, batch=4, resolution=32)
    recipe = recipe.model_copy(
        update={
            "render_supervision": config,
            "fitting_in_the_loop": FittingInTheLoopConfig(iterations=3, worst_nats=1e5),
            "steps": 4,
        }
    )
    whole = train(recipe, tmp_path / "whole", synthesis, photos=photos, workers=0)
    train(recipe, tmp_path / "stopped", synthesis, photos=photos, workers=0, stop_after=2)
    stopped = train(recipe, tmp_path / "stopped", synthesis, photos=photos, workers=0)
    assert whole.fits is not None and stopped.fits is not None
    assert whole.fits.value.isfinite().all()
    for name, value in whole.fits.__dict__.items():
        assert torch.equal(value, getattr(stopped.fits, name)), name
    fewer = photos[torch.arange(3)]
    with pytest.raises(InputError, match="started with 6 people in photos, now there are 3"):
        train(recipe.model_copy(), tmp_path / "stopped", synthesis, photos=fewer, workers=0)


def test_fits_are_initialised_from_the_hypothesis_nearest_to_the_keypoints(
    recipe: TrainingRecipe, observed: tuple[UnlabelledPhotos, GroundTruth]
) -> None:
    torch.manual_seed(0)
    photos, truth = observed
    regressor = Regressor(recipe.regressor)
    prediction = regressor(photos.inputs)
    # The second hypothesis is the truth.
    rotations, betas, place = prediction.rotations.clone(), prediction.betas.clone(), prediction.pelvis_offset.clone()
    rotations[:, 1], betas[:, 1], place[:, 1] = truth.rotations, truth.betas, truth.pelvis_offset
    given = replace(prediction, rotations=rotations.detach(), betas=betas.detach(), pelvis_offset=place.detach())
    keypoints = {"keypoints": TermSetting(weight=1.0, options={"scale": 0.1})}
    found = fit_batch(given, photos, open_body(), FittingInTheLoopConfig(iterations=1, terms=keypoints))
    torch.testing.assert_close(found.rotations, truth.rotations, atol=1e-4, rtol=0)
