"""The adversarial prior inside a training: off it changes nothing, on it pulls towards people, and it stops, goes on
and shares work like the rest."""

from pathlib import Path

import pytest
import roma
import torch
import torch.multiprocessing
from safetensors.torch import load_file

from render_fit.losses.priors import default_joint_limits
from render_fit.regressors.network import Regressor
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.adversarial import AdversarialConfig, AdversarialPriorTraining
from render_fit.training.checkpointing import STATE
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.samples import training_batch
from tests.training.test_loop import _member, same_gradients

SETTING = AdversarialConfig(weight=0.5, learning_rate=1e-3, features=8, width=16)


def alone(bank: PoseBank, setting: AdversarialConfig = SETTING) -> AdversarialPriorTraining:
    return AdversarialPriorTraining(
        setting, bank, 10, 0, torch.device("cpu"), lambda people: people, lambda gradients: gradients
    )


@pytest.fixture
def hmr(recipe: TrainingRecipe) -> TrainingRecipe:
    return recipe.model_copy(update={"adversarial": SETTING})


def prediction_of(recipe: TrainingRecipe, synthesis: PeopleSampler, count: int = 8):
    torch.manual_seed(1)
    regressor = Regressor(recipe.regressor)
    inputs, _ = training_batch(synthesis, count, torch.Generator().manual_seed(0))
    return regressor, inputs


def test_off_unless_asked_for(recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path) -> None:
    assert TrainingRecipe.model_fields["adversarial"].default.weight == 0
    told: list[dict[str, float]] = []
    train(recipe, tmp_path, synthesis, workers=0, stop_after=1, watch=lambda _, figures: told.append(figures))
    assert "adversarial" not in told[0]
    assert "adversary" not in torch.load(tmp_path / STATE, weights_only=True)["others"]


def test_discriminators_learn_and_the_regressor_feels_it(recipe: TrainingRecipe, synthesis: PeopleSampler) -> None:
    adversary = alone(synthesis.bank, SETTING.model_copy(update={"learning_rate": 1e-2}))
    regressor, inputs = prediction_of(recipe, synthesis)
    prediction = regressor(inputs)
    before = {name: value.clone() for name, value in regressor.state_dict().items()}
    told = [adversary.learn(prediction, range(step, step + 1), 8).terms["discriminators"] for step in range(200)]
    assert float(told[-1]) < 0.5 * (25 * 0.5)  # half of what 25 of them lose that always say "as likely as not"
    assert all(p.grad is None for p in regressor.parameters())  # the discriminators learned, nobody else
    assert all(torch.equal(value, before[name]) for name, value in regressor.state_dict().items())
    loss = adversary.loss(prediction)
    assert float(loss.total.detach()) == pytest.approx(0.5 * float(loss.terms["adversarial"]), rel=1e-5)
    learned = [p.clone() for p in adversary.discriminators.parameters()]
    loss.total.backward()
    gradient = regressor.head.weight.grad
    assert gradient is not None and gradient.isfinite().all() and gradient.any()
    assert all(p.grad is None or torch.equal(p, q) for p, q in zip(adversary.discriminators.parameters(), learned))


def test_a_regressor_that_follows_it_says_less_impossible_poses(
    recipe: TrainingRecipe, synthesis: PeopleSampler
) -> None:
    """No label anywhere: only the adversary, against a regressor that begins with poses far from people's."""
    adversary = alone(synthesis.bank)
    regressor, inputs = prediction_of(recipe, synthesis)
    with torch.no_grad():
        regressor.head.bias.add_(0.6 * torch.randn(len(regressor.head.bias)))
    optimiser = torch.optim.Adam(regressor.parameters(), 1e-2)

    def excess() -> float:
        turns = regressor(inputs).rotations.flatten(0, 1)[:, 1:22]
        return float(default_joint_limits()(roma.rotmat_to_rotvec(turns.detach())).mean())

    was = excess()
    for step in range(200):
        prediction = regressor(inputs)
        optimiser.zero_grad()
        adversary.loss(prediction).total.backward()
        optimiser.step()
        adversary.learn(prediction, range(step, step + 1), 8)
    assert excess() < 0.5 * was


def test_it_goes_on_bit_for_bit(hmr: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path) -> None:
    told: list[dict[str, float]] = []
    train(hmr, tmp_path / "whole", synthesis, workers=0, watch=lambda _, figures: told.append(figures))
    assert {"adversarial", "discriminators"} <= set(told[0])
    train(hmr, tmp_path / "stopped", synthesis, workers=0, stop_after=3)
    train(hmr, tmp_path / "stopped", synthesis, workers=0)
    whole, stopped = (load_file(tmp_path / name / "regressor.safetensors") for name in ("whole", "stopped"))
    assert all(torch.equal(value, stopped[name]) for name, value in whole.items())
    whole, stopped = (
        torch.load(tmp_path / n / STATE, weights_only=True)["others"]["adversary"] for n in ("whole", "stopped")
    )
    for name, value in whole["discriminators"].items():
        assert torch.equal(value, stopped["discriminators"][name]), name
    moments = zip(whole["optimiser"]["state"].values(), stopped["optimiser"]["state"].values(), strict=True)
    assert all(torch.equal(a["exp_avg"], b["exp_avg"]) for a, b in moments)


def test_it_changes_what_is_learned(
    recipe: TrainingRecipe, hmr: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    train(recipe, tmp_path / "without", synthesis, workers=0, stop_after=1)
    train(hmr, tmp_path / "with", synthesis, workers=0, stop_after=1)
    assert not same_gradients(tmp_path / "without", tmp_path / "with")


def test_two_processes_train_as_one(hmr: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path) -> None:
    hmr = hmr.model_copy(update={"steps": 1})
    train(hmr, tmp_path / "one", synthesis, workers=0)
    torch.multiprocessing.spawn(_member, (hmr, tmp_path / "two", synthesis), nprocs=2)
    assert same_gradients(tmp_path / "one", tmp_path / "two")
    one, two = (
        torch.load(tmp_path / name / STATE, weights_only=True)["others"]["adversary"]["optimiser"]["state"]
        for name in ("one", "two")
    )
    for key, value in one.items():
        difference = (value["exp_avg"] - two[key]["exp_avg"]).norm()
        assert float(difference) <= 1e-5 * float(value["exp_avg"].norm()) + 1e-9


def test_a_state_from_before_there_was_an_adversary_goes_on(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    train(recipe, tmp_path / "whole", synthesis, workers=0)
    train(recipe, tmp_path / "old", synthesis, workers=0, stop_after=2)
    content = torch.load(tmp_path / "old" / STATE, weights_only=True)
    del content["others"]
    content["recipe"] = recipe.model_dump_json(exclude={"adversarial"})
    torch.save(content, tmp_path / "old" / STATE)
    assert train(recipe, tmp_path / "old", synthesis, workers=0).steps == recipe.steps
    whole, old = (load_file(tmp_path / name / "regressor.safetensors") for name in ("whole", "old"))
    assert all(torch.equal(value, old[name]) for name, value in whole.items())
