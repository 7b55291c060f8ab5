"""Render-and-compare losses: gradients reach the weights, and the objective decreases."""

import torch

from render_fit.bodies import open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.regressors.network import Regressor
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.render_supervision import RenderSupervisionConfig, render_and_compare
from render_fit.training.unlabelled_photos import UnlabelledPhotos


def observed(size: int) -> UnlabelledPhotos:
    scenes = [
        synthetic_scene(open_body(), everyday_pose(pose), seed, yaw_rad=0.3, image_size=(160, 160))
        for seed, pose in enumerate(("standing", "striding"))
    ]
    return UnlabelledPhotos.of([s.observation() for s in scenes], [s.camera for s in scenes], size, 48)


def test_observations_alone_train_a_regressor(recipe: TrainingRecipe) -> None:
    torch.manual_seed(0)
    photos, body, regressor = observed(32), open_body(), Regressor(recipe.regressor)
    config, basis = RenderSupervisionConfig(resolution=48), clothing_basis(body, 6)
    optimiser = torch.optim.Adam(regressor.parameters(), 3e-3)
    values = []
    for _ in range(15):
        loss, best, _ = render_and_compare(regressor(photos.inputs), photos, body, basis, config)
        assert loss.shape == best.shape == (2,)
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()
        values.append(loss.mean().item())
    assert values[-1] < 0.6 * values[0]
    assert all(w.grad is not None and w.grad.isfinite().all() for w in regressor.head.parameters())


def test_people_in_a_batch_are_compared_with_their_own_observations(recipe: TrainingRecipe) -> None:
    photos, body, regressor = observed(32), open_body(), Regressor(recipe.regressor)
    arguments = body, None, RenderSupervisionConfig()
    both = render_and_compare(regressor(photos.inputs), photos, *arguments).values
    for index in range(2):
        row = torch.tensor([index])
        alone = render_and_compare(regressor(photos.inputs[row]), photos[row], *arguments).values
        torch.testing.assert_close(alone[0], both[index], rtol=1e-4, atol=1e-3)
