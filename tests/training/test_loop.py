"""Trainings: they learn, and resume bit for bit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from safetensors.torch import load_file

from render_fit.core.errors import InputError
from render_fit.regressors.checkpoint import load_regressor
from render_fit.synthesis.observation_noise import NO_NOISE
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseAugmentation, PoseBank
from render_fit.training.checkpointing import RECIPE, STATE
from render_fit.training.loop import train
from render_fit.training.optimisation import mixed_precision
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.samples import LabelAvailability
from render_fit.training.validation import sample_held_out


def run(recipe: TrainingRecipe, folder: Path, synthesis: PeopleSampler, **options):
    return train(recipe, folder, synthesis, workers=0, **options)


def test_it_learns_and_leaves_the_best_weights(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    # One pose under every camera: a small network learns it in seconds.
    only = PoseAugmentation(**{name: 0.0 for name in PoseAugmentation.model_fields if name != "limit_penalty"})
    synthesis = replace(synthesis, bank=PoseBank(synthesis.bank.pose[:1]), poses=only, noise=NO_NOISE)
    recipe = recipe.model_copy(update={"steps": 90, "validate_every": 45})
    logged: list[dict[str, float]] = []
    held_out = sample_held_out(synthesis, 32)
    done = run(recipe, tmp_path, synthesis, held_out=held_out, on_step=lambda _, figures: logged.append(figures))
    assert done.steps == 90
    first, last = (sum(f["total"] for f in part) / 8 for part in (logged[:8], logged[-8:]))
    assert last < 0.7 * first
    assert done.best is not None
    assert done.best.best_pa_mpjpe_mm <= done.best.pa_mpjpe_mm <= done.best.mpjpe_mm
    assert load_regressor(tmp_path / "regressor.safetensors").config == recipe.regressor


def test_a_training_that_was_stopped_ends_bit_for_bit_the_same(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    run(recipe, tmp_path / "whole", synthesis)
    run(recipe, tmp_path / "stopped", synthesis, stop_after=2)

    def killed(step: int, _: dict[str, float]) -> None:
        if step == 5:  # after the save of step 4
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "stopped", synthesis, on_step=killed)
    assert run(recipe, tmp_path / "stopped", synthesis).steps == 6
    whole, stopped = (load_file(tmp_path / name / "regressor.safetensors") for name in ("whole", "stopped"))
    assert whole.keys() == stopped.keys()
    for name, value in whole.items():
        assert torch.equal(value, stopped[name]), name


def test_it_goes_on_with_another_rhythm_of_validations_and_saves(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    run(recipe, tmp_path / "whole", synthesis)
    run(recipe, tmp_path / "changed", synthesis, stop_after=2)
    other = recipe.model_copy(update={"validate_every": 4, "save_every": 1})
    assert run(other, tmp_path / "changed", synthesis).steps == 6
    whole, changed = (load_file(tmp_path / name / "regressor.safetensors") for name in ("whole", "changed"))
    assert all(torch.equal(value, changed[name]) for name, value in whole.items())


def test_trainings_of_different_precision_follow_each_other_in_one_process(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    for precision in ("bf16", "no"):
        changed = recipe.model_copy(update={"precision": precision})
        assert run(changed, tmp_path / precision, synthesis, stop_after=1).steps == 1


def test_an_unusable_state_is_refused(recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path) -> None:
    run(recipe, tmp_path, synthesis, stop_after=2)
    written = (tmp_path / RECIPE).read_text()
    with pytest.raises(InputError, match=r"another recipe \(differs in seed\)"):
        run(recipe.model_copy(update={"seed": 1}), tmp_path, synthesis)
    assert (tmp_path / RECIPE).read_text() == written
    state = tmp_path / STATE
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InputError, match="cut off"):
        run(recipe, tmp_path, synthesis)


def test_a_loss_that_is_not_finite_ends_it_and_keeps_the_last_state(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    run(recipe, tmp_path, synthesis, stop_after=2)
    before = (tmp_path / STATE).read_bytes()
    content = torch.load(tmp_path / STATE, weights_only=True)
    content["model"]["head.bias"][:] = torch.nan
    torch.save(content, tmp_path / STATE)
    poisoned = (tmp_path / STATE).read_bytes()
    with pytest.raises(InputError, match=r"step 3: not finite: .*joints"):
        run(recipe, tmp_path, synthesis)
    assert (tmp_path / STATE).read_bytes() == poisoned != before
    assert not (tmp_path / "regressor.safetensors").exists()


def test_a_state_saved_before_recipes_had_a_key_resumes(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    run(recipe, tmp_path, synthesis, stop_after=1)
    content = torch.load(tmp_path / STATE, weights_only=True)
    saved = json.loads(content["recipe"])
    del saved["label_availability"]
    torch.save(content | {"recipe": json.dumps(saved)}, tmp_path / STATE)
    assert run(recipe, tmp_path, synthesis, stop_after=1).steps == 2
    with pytest.raises(InputError, match=r"another recipe \(differs in label_availability.joints\)"):
        run(recipe.model_copy(update={"label_availability": LabelAvailability(joints=0.5)}), tmp_path, synthesis)


def test_too_few_shards_for_the_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of shard"):
        TrainingRecipe(name="x", description="x", steps=1, batch=10, shard=4)


@pytest.mark.parametrize(
    ("features", "expected"), [({"amx-bf16": True}, "bf16"), ({"avx512bf16": True}, "bf16"), ({"avx2": True}, "no")]
)
def test_precision_is_reduced_only_where_that_is_faster(monkeypatch, features, expected) -> None:
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: features)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert mixed_precision("auto") == expected
    assert mixed_precision("bf16") == "bf16"
    assert mixed_precision("no") == "no"


def test_resuming_draws_the_same_random_numbers(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    run(recipe, tmp_path / "whole", synthesis)
    for _ in range(3):
        run(recipe, tmp_path / "stopped", synthesis, stop_after=2)
    whole, stopped = (torch.load(tmp_path / name / STATE, weights_only=True) for name in ("whole", "stopped"))
    assert whole["step"] == stopped["step"] == recipe.steps
    assert torch.equal(whole["random"], stopped["random"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: [state],
        lambda state: {},
        lambda state: {key: value for key, value in state.items() if key != "optimiser"},
        lambda state: {**state, "recipe": None},
        lambda state: {**state, "model": {}},
        lambda state: {**state, "model": None},
        lambda state: {**state, "optimiser": {"state": {}, "param_groups": []}},
        lambda state: {**state, "best": {"pa_mpjpe": 1.0}},
        lambda state: {**state, "step": "two"},
        lambda state: {**state, "random": torch.zeros(3)},
        lambda state: {**state, "others": None},
    ],
)
def test_states_that_are_none_are_refused_in_one_line(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path, damage
) -> None:
    run(recipe, tmp_path, synthesis, stop_after=2)
    state = torch.load(tmp_path / STATE, weights_only=True)
    torch.save(damage(state), tmp_path / STATE)
    with pytest.raises(InputError) as error:
        run(recipe, tmp_path, synthesis)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)
