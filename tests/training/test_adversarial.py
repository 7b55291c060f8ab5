"""The adversarial prior in a training: its effect, that it is off by default, resuming, several processes."""

from dataclasses import replace
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
from render_fit.training.adversarial import AdversarialConfig, AdversarialPrior
from render_fit.training.checkpointing import STATE
from render_fit.training.loop import train
from render_fit.training.processes import Processes
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.samples import training_batch
from render_fit.training.supervision import StepBatch, StepPrediction

CONFIG = AdversarialConfig(weight=0.5, learning_rate=1e-3, features=8, width=16)


def adversary_of(bank: PoseBank, config: AdversarialConfig = CONFIG) -> AdversarialPrior:
    """The prior of a training in one process, on the CPU."""
    return AdversarialPrior(config, bank, 10, 0, Processes())


@pytest.fixture
def hmr(recipe: TrainingRecipe) -> TrainingRecipe:
    return recipe.model_copy(update={"adversarial": CONFIG})


def first_batch(recipe: TrainingRecipe, synthesis: PeopleSampler) -> tuple[Regressor, StepBatch]:
    """A regressor with initial weights, and a shard of people."""
    torch.manual_seed(1)
    regressor = Regressor(recipe.regressor)
    inputs, truth = training_batch(synthesis, 8, torch.Generator().manual_seed(0))
    return regressor, StepBatch(inputs, truth, range(1))


def predict(regressor: Regressor, batch: StepBatch) -> StepPrediction:
    return StepPrediction.of(regressor(batch.inputs), None, len(batch.truth))


def test_the_adversary_is_off_by_default(recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path) -> None:
    assert TrainingRecipe.model_fields["adversarial"].default.weight == 0
    logged: list[dict[str, float]] = []
    train(recipe, tmp_path, synthesis, workers=0, stop_after=1, on_step=lambda _, figures: logged.append(figures))
    assert "adversarial" not in logged[0]
    assert "adversary" not in torch.load(tmp_path / STATE, weights_only=True)["others"]


def test_discriminators_learn_and_supervise_the_regressor(recipe: TrainingRecipe, synthesis: PeopleSampler) -> None:
    adversary = adversary_of(synthesis.bank, CONFIG.model_copy(update={"learning_rate": 1e-2}))
    regressor, batch = first_batch(recipe, synthesis)
    prediction = predict(regressor, batch)
    before = {name: value.clone() for name, value in regressor.state_dict().items()}
    steps = [replace(batch, shards=range(step, step + 1)) for step in range(200)]
    losses = [adversary.update(prediction, step)["discriminators"] for step in steps]
    assert float(losses[-1]) < 0.5 * (25 * 0.5)  # half the loss of 25 discriminators whose output is always 0.5
    assert all(p.grad is None for p in regressor.parameters())  # the discriminators alone were trained
    assert all(torch.equal(value, before[name]) for name, value in regressor.state_dict().items())
    loss = adversary.loss(prediction, batch)
    assert float(loss.total.detach()) == pytest.approx(0.5 * float(loss.terms["adversarial"]), rel=1e-5)
    learned = [p.clone() for p in adversary.discriminators.parameters()]
    loss.total.backward()
    gradient = regressor.head.weight.grad
    assert gradient is not None and gradient.isfinite().all() and gradient.any()
    assert all(p.grad is None or torch.equal(p, q) for p, q in zip(adversary.discriminators.parameters(), learned))


def test_a_regressor_trained_with_it_predicts_fewer_impossible_poses(
    recipe: TrainingRecipe, synthesis: PeopleSampler
) -> None:
    """Without labels: the adversary alone, and a regressor whose first poses are far from those of people."""
    adversary = adversary_of(synthesis.bank)
    regressor, batch = first_batch(recipe, synthesis)
    with torch.no_grad():
        regressor.head.bias.add_(0.6 * torch.randn(len(regressor.head.bias)))
    optimiser = torch.optim.Adam(regressor.parameters(), 1e-2)

    def excess() -> float:
        rotations = regressor(batch.inputs).rotations.flatten(0, 1)[:, 1:22]
        return float(default_joint_limits()(roma.rotmat_to_rotvec(rotations.detach())).mean())

    before = excess()
    for step in range(200):
        step_batch = replace(batch, shards=range(step, step + 1))
        prediction = predict(regressor, step_batch)
        optimiser.zero_grad()
        adversary.loss(prediction, step_batch).total.backward()
        optimiser.step()
        adversary.update(prediction, step_batch)
    assert excess() < 0.5 * before


def test_it_resumes_bit_for_bit(hmr: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path) -> None:
    logged: list[dict[str, float]] = []
    train(hmr, tmp_path / "whole", synthesis, workers=0, on_step=lambda _, figures: logged.append(figures))
    assert {"adversarial", "discriminators"} <= set(logged[0])
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


def test_a_state_from_before_there_was_an_adversary_resumes(
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
