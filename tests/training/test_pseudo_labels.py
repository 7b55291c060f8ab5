"""Pseudo labels: photos are fitted once, good fits alone are targets, and a regressor learns from them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import PartialState
from PIL import Image

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17
from render_fit.fitting.fit import fit_image
from render_fit.regressors.network import Regressor
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.synthesis.observation_noise import NO_NOISE
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training import pseudo_labels
from render_fit.training.fitting_in_the_loop import BestFits
from render_fit.training.losses import LossWeights
from render_fit.training.processes import Processes
from render_fit.training.pseudo_labels import PseudoLabels, PseudoLabelsConfig, fitted_photos
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.supervision import StepBatch, StepPrediction
from render_fit.training.unlabelled_photos import sample_unlabelled

from ..photos import QUICK_RECIPE, write_recipe

LONGER = (
    QUICK_RECIPE.replace("iterations: 12", "iterations: 30")
    .replace("free: [position]", "free: [orient, position, pose, betas]")
    .replace("silhouette_l2:", "pose: {weight: 1.0}, shape: {weight: 1.0}, silhouette_l2:")
    .replace("iterations: 3}", "iterations: 10}")
)
"""Enough for the status ok, which 12 iterations are not."""

POSES = ("walking", "standing")


def scene(photo: Path):
    return synthetic_scene(open_body(), everyday_pose(POSES[int(photo.stem)]), 0)


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the photos that were observed, in place of being read again."""
    names: list[str] = []

    def observe(path: Path, **_):
        names.append(path.name)
        return [scene(path).observation()]

    monkeypatch.setattr(pseudo_labels, "observe", observe)
    return names


def fitted(folder: Path, config: PseudoLabelsConfig) -> BestFits:
    photos = [folder / f"{number}.png" for number in range(len(POSES))]
    for photo in photos:
        Image.new("RGB", (8, 8)).save(photo)
    return fitted_photos(photos, config, open_body(), folder / "fitted", PartialState(cpu=True))


def test_photos_are_fitted_once_and_fits_are_those_of_the_recipe(observed: list[str], tmp_path: Path) -> None:
    config = PseudoLabelsConfig(recipe=str(write_recipe(tmp_path, LONGER)))
    found = fitted(tmp_path, config)
    assert observed == ["0.png", "1.png"]
    for number in range(2):
        fit = fit_image(scene(tmp_path / f"{number}.png").observation(), config.recipe)
        own = found[number : number + 1]
        torch.testing.assert_close(own.rotations, fit.parameters.rotations, atol=1e-5, rtol=0)
        torch.testing.assert_close(own.betas, fit.parameters.betas)
        pelvis = fit.parameters.transl + open_body().rest_joints(fit.parameters.betas)[:, 0]
        torch.testing.assert_close(own.pelvis, pelvis)
        assert fit.report.status == "ok" and own.value == 0
    again = fitted(tmp_path, config)
    assert len(observed) == 2 and torch.equal(again.rotations, found.rotations)
    write_recipe(tmp_path)  # another recipe, whose fits are poor
    assert fitted(tmp_path, config).value.isinf().all()
    assert len(observed) == 4


def test_a_recipe_of_another_body_is_one_line(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    recipe.write_text(recipe.read_text() + "\nn_betas: 4\n")
    with pytest.raises(InputError, match="fits 4 betas, the regressor predicts 10"):
        fitted_photos([], PseudoLabelsConfig(recipe=str(recipe)), open_body(), tmp_path, PartialState(cpu=True))
    with pytest.raises(InputError, match="recipe 'nothing': not known"):
        fitted_photos([], PseudoLabelsConfig(recipe="nothing"), open_body(), tmp_path, PartialState(cpu=True))


def test_a_regressor_learns_from_good_fits_alone(synthesis: PeopleSampler, recipe: TrainingRecipe) -> None:
    perfect = replace(synthesis, keypoint_formats=(COCO_17,), noise=NO_NOISE)
    photos, truth = sample_unlabelled(perfect, 4, torch.Generator().manual_seed(0))
    fits = BestFits(truth.rotations, truth.betas, truth.pelvis, torch.tensor([0.0, 0.0, 0.0, torch.inf]))
    labels = PseudoLabels(LossWeights(), open_body(), fits, Processes(), PseudoLabelsConfig(weight=2.0))
    regressor = Regressor(recipe.regressor)
    optimiser = torch.optim.Adam(regressor.parameters(), 3e-3)
    rows = torch.arange(4)

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        output = regressor(photos.inputs)
        output.rotations.retain_grad()
        batch = StepBatch(photos.inputs, truth[:0], range(0), photos, rows)
        loss = labels.loss(StepPrediction.of(output, None, 0), batch)
        assert loss.total.item() == pytest.approx(2 * float(loss.terms["photos"]))
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        assert output.rotations.grad is not None
        return loss.total.detach(), output.rotations.grad.flatten(1).norm(dim=1)

    first, gradients = step()
    assert (gradients[:3] > 0).all() and gradients[3] == 0
    for _ in range(30):
        last, _ = step()
    assert last < 0.7 * first
