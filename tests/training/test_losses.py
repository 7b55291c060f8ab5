"""The supervised losses."""

from dataclasses import replace

import pytest
import torch

from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import REFERENCE_M, Prediction
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.losses import LossWeights, distances, losses
from render_fit.training.processes import Processes
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.samples import LABELS, GroundTruth, LabelAvailability, training_batch


def prediction_near(truth: GroundTruth, wrong: float = 0.0) -> Prediction:
    """Two hypotheses: one with an error of ``wrong`` in every value, and the truth."""

    def pair(value: torch.Tensor) -> torch.Tensor:
        return torch.stack([value + wrong, value], 1)

    n = len(truth)
    rotations = torch.stack([truth.rotations.roll(1, 1) if wrong else truth.rotations, truth.rotations], 1)
    return Prediction(
        rotations, pair(truth.betas), pair(truth.pelvis_offset), pair(truth.clothing),
        torch.full((n, 2), 0.5).log(), torch.full((n, 2, 24), 0.05),
    )  # fmt: skip


def test_the_truth_has_no_distance(synthesis: PeopleSampler) -> None:
    _, truth = training_batch(synthesis, 4, torch.Generator().manual_seed(0))
    off = distances(prediction_near(truth), truth, synthesis.body)
    for name, value in off.items():
        if name != "joint_error":
            assert value.abs().max() < 2e-4, name
    wrong = distances(prediction_near(truth, 0.3), truth, synthesis.body)
    assert (wrong["joints"][:, 0] > 0.05).all()
    torch.testing.assert_close(wrong["betas"][:, 0], torch.full((4,), 0.09), atol=1e-5, rtol=0)


def test_a_prediction_far_off_has_a_finite_gradient(synthesis: PeopleSampler) -> None:
    """With L_2D alone, nothing determines how far away people are."""
    _, truth = training_batch(synthesis, 3, torch.Generator().manual_seed(0))
    near = prediction_near(truth)
    # The pelvis so near that some joints are beside the camera, and some behind it.
    depth = torch.tensor([[0.3, 0.02], [0.5, 0.1], [0.1, 0.05]])
    log_depth = (depth / (truth.focal[:, None] * REFERENCE_M)).log()
    log_depth[1] = torch.tensor([100.0, -100.0])  # e^100 is beyond float32
    place = torch.cat([torch.ones(3, 2, 2), log_depth[..., None]], -1)
    posed = replace(near, pelvis_offset=place.requires_grad_(), betas=near.betas.clone().requires_grad_())
    off = distances(posed, truth, synthesis.body)
    assert all(value.isfinite().all() for value in off.values())
    assert (off["projection"] > 0.1).all()
    gradient = torch.autograd.grad(off["projection"].sum(), (posed.pelvis_offset, posed.betas))
    assert all(value.isfinite().all() for value in gradient)


def test_the_best_hypothesis_is_trained_and_chosen(recipe: TrainingRecipe, synthesis: PeopleSampler) -> None:
    inputs, truth = training_batch(synthesis, 3, torch.Generator().manual_seed(0))
    regressor = Regressor(recipe.regressor)
    prediction = regressor(inputs)
    alone = LossWeights(all_hypotheses=0.0, choice=0.0, joint_error=0.0)
    loss = losses(prediction, truth, synthesis.body, alone)
    gradient = torch.autograd.grad(loss.total, prediction.betas, retain_graph=True)[0]
    assert ((gradient.abs().sum(-1) > 0).sum(1) == 1).all()
    choice = losses(prediction, truth, synthesis.body, LossWeights(all_hypotheses=0.0, choice=1.0))
    score = torch.autograd.grad(choice.total, prediction.log_likelihood)[0]
    best = gradient.abs().sum(-1).argmax(1)
    assert (score.gather(1, best[:, None]) < 0).all()


def without_labels(truth: GroundTruth, **unknown: list[int]) -> GroundTruth:
    """The same people without some labels; their indices by the name of the label."""
    labels = truth.labels.clone()
    for name, people in unknown.items():
        labels[people, LABELS.index(name)] = False
    return replace(truth, labels=labels)


def test_means_are_over_all_processes_people_with_the_label(
    recipe: TrainingRecipe, synthesis: PeopleSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, truth = training_batch(synthesis, 4, torch.Generator().manual_seed(0))
    truth = without_labels(truth, rotations=[0, 1, 2], betas=[0], joints=[3], projection=[0, 1, 2, 3])
    regressor, weights = Regressor(recipe.regressor), LossWeights()
    whole = losses(regressor(inputs), truth, synthesis.body, weights).total
    halves = (slice(0, 1), slice(1, 4))
    counts: list[torch.Tensor] = []
    monkeypatch.setattr(Processes, "global_count", lambda _, people: counts.append(people) or people)
    for rows in halves:
        losses(regressor(inputs[rows]), truth[rows], synthesis.body, weights)
    everybody = torch.stack(counts).sum(0)
    monkeypatch.setattr(Processes, "global_count", lambda *_: everybody)
    parts = [losses(regressor(inputs[rows]), truth[rows], synthesis.body, weights).total for rows in halves]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)


def test_values_without_a_label_change_no_gradient(recipe: TrainingRecipe, synthesis: PeopleSampler) -> None:
    inputs, truth = training_batch(synthesis, 4, torch.Generator().manual_seed(0))
    regressor = Regressor(recipe.regressor)
    three_d = ("rotations", "betas", "clothing", "joints", "pelvis_offset")
    weights = LossWeights(projection=0.0)

    def gradient(truth: GroundTruth, rows: slice = slice(None)) -> torch.Tensor:
        loss = losses(regressor(inputs[rows]), truth[rows], synthesis.body, weights)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss.total, list(regressor.parameters()))])

    masked = without_labels(truth, **{name: [2, 3] for name in three_d}, projection=[2, 3])
    other = training_batch(synthesis, 4, torch.Generator().manual_seed(1))[1]
    wrong = replace(masked, **{name: getattr(truth, name).clone() for name in three_d})
    for name in three_d:
        getattr(wrong, name)[2:] = getattr(other, name)[2:]
    torch.testing.assert_close(gradient(wrong), gradient(masked), atol=0, rtol=0)
    # The gradient is that of the two labelled people alone, not that of all four with labels.
    torch.testing.assert_close(gradient(masked), gradient(truth, slice(0, 2)), atol=1e-6, rtol=1e-4)
    assert (gradient(masked) - gradient(truth)).norm() > 0.05 * gradient(truth).norm()


def test_without_labels_loss_and_gradient_are_zero(recipe: TrainingRecipe, synthesis: PeopleSampler) -> None:
    inputs, truth = training_batch(synthesis, 3, torch.Generator().manual_seed(0))
    truth = without_labels(truth, **{name: [0, 1, 2] for name in LABELS})
    regressor = Regressor(recipe.regressor)
    loss = losses(regressor(inputs), truth, synthesis.body, LossWeights())
    assert loss.total == 0
    assert all(value == 0 for value in loss.terms.values())
    gradients = torch.autograd.grad(loss.total, list(regressor.parameters()))
    assert not any(g.any() for g in gradients)


def test_shares_of_labels_are_exact_and_rare_labels_come_with_common_ones() -> None:
    mix = LabelAvailability(latent=0.1, joints=0.3)
    numbers = torch.arange(5_000_000, 5_000_200)
    carried = dict(zip(LABELS, mix.carried(numbers).T, strict=True))
    assert abs(int(carried["rotations"].sum()) - 20) <= 2
    assert abs(int(carried["joints"].sum()) - 60) <= 2
    assert carried["projection"].all()
    assert (carried["joints"] | ~carried["betas"]).all()
    assert torch.equal(carried["rotations"][7:50], mix.carried(numbers[7:50])[:, 0])
    assert not LabelAvailability(latent=0).carried(numbers)[:, 0].any()
    with pytest.raises(ValueError, match="joints"):
        LabelAvailability(joints=1.2)
