"""What training lowers."""

import torch

from render_fit.regressors.network import Prediction, Regressor
from render_fit.training.objective import LossWeights, distances, losses
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.synthesis import Synthesis, Truth


def saying(truth: Truth, wrong: float = 0.0) -> Prediction:
    """Two hypotheses: the truth, and one off by ``wrong`` in everything."""

    def pair(value: torch.Tensor) -> torch.Tensor:
        return torch.stack([value + wrong, value], 1)

    n = len(truth)
    rotations = torch.stack([truth.rotations.roll(1, 1) if wrong else truth.rotations, truth.rotations], 1)
    return Prediction(
        rotations, pair(truth.betas), pair(truth.place), pair(truth.clothing),
        torch.full((n, 2), 0.5).log(), torch.full((n, 2, 24), 0.05),
    )  # fmt: skip


def test_the_truth_is_at_no_distance(synthesis: Synthesis) -> None:
    _, truth = synthesis.batch(4, torch.Generator().manual_seed(0))
    off = distances(saying(truth), truth, synthesis.body)
    for name, value in off.items():
        if name != "spread":
            assert value.abs().max() < 2e-4, name
    wrong = distances(saying(truth, 0.3), truth, synthesis.body)
    assert (wrong["joints"][:, 0] > 0.05).all()
    torch.testing.assert_close(wrong["betas"][:, 0], torch.full((4,), 0.09), atol=1e-5, rtol=0)


def test_the_best_hypothesis_learns_and_the_choice_is_told(recipe: TrainingRecipe, synthesis: Synthesis) -> None:
    inputs, truth = synthesis.batch(3, torch.Generator().manual_seed(0))
    regressor = Regressor(recipe.regressor)
    prediction = regressor(inputs)
    alone = LossWeights(all_hypotheses=0.0, choice=0.0, spread=0.0)
    loss = losses(prediction, truth, synthesis.body, alone)
    gradient = torch.autograd.grad(loss.total, prediction.betas, retain_graph=True)[0]
    assert ((gradient.abs().sum(-1) > 0).sum(1) == 1).all()
    told = losses(prediction, truth, synthesis.body, LossWeights(all_hypotheses=0.0, choice=1.0))
    score = torch.autograd.grad(told.total, prediction.log_likelihood)[0]
    best = gradient.abs().sum(-1).argmax(1)
    assert (score.gather(1, best[:, None]) < 0).all()


def test_the_mean_is_over_all_people(recipe: TrainingRecipe, synthesis: Synthesis) -> None:
    inputs, truth = synthesis.batch(4, torch.Generator().manual_seed(0))
    regressor, weights = Regressor(recipe.regressor), LossWeights()
    whole = losses(regressor(inputs), truth, synthesis.body, weights).total
    halves = [
        losses(regressor(inputs[rows]), truth[rows], synthesis.body, weights, lambda people: 4 + 0 * people).total
        for rows in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(torch.stack(halves).sum(), whole)
