"""Cached features of a frozen backbone: computed once, resumed, and equal to those that are not cached."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.network import Regressor
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training import feature_cache
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.feature_cache import CachedPeople, cached_features, fingerprint
from render_fit.training.loop import train
from render_fit.training.recipe import Optimiser, TrainingRecipe, load_training_recipe
from render_fit.training.runs import make_people_sampler
from render_fit.training.samples import LABELS, LabelAvailability, ground_truth, photo_inputs, training_batch
from render_fit.training.validation import HeldOut, sample_held_out


@pytest.fixture(autouse=True)
def small_files(monkeypatch) -> None:
    """Files of eight people, rendered four at a time."""
    monkeypatch.setattr(feature_cache, "PEOPLE", 8)
    monkeypatch.setattr(feature_cache, "CHUNK", 4)


@pytest.fixture
def hmr() -> TrainingRecipe:
    recipe = load_training_recipe("hmr")
    network = recipe.regressor.model_copy(update={"size": 32, "width": 128, "depth": 1, "n_clothing": 6})
    sizes = {"regressor": network, "steps": 80, "batch": 8, "shard": 4, "precision": "no", "cached_people": 16}
    warm = Optimiser(learning_rate=3e-3, warm_up=1, average=0.5)
    return recipe.model_copy(update=sizes | {"optimiser": warm, "validate_every": 80, "save_every": 80})


@pytest.fixture
def sampler(hmr: TrainingRecipe, bank: PoseBank) -> PeopleSampler:
    return make_people_sampler(hmr, bank)


def test_cached_features_are_those_of_new_people(hmr: TrainingRecipe, sampler: PeopleSampler, tmp_path: Path) -> None:
    regressor = Regressor(hmr.regressor)
    inputs, truth = cached_features(regressor, sampler, 16, 5, tmp_path)
    assert len(truth) == 16 and inputs.features is not None and inputs.features.dtype == torch.float16
    generator = torch.Generator().manual_seed(5 * 1_000_003 + 1)  # the second file
    drawn = sampler.sample(4, generator)
    features = regressor.image_features(photo_inputs(sampler, drawn, generator))
    # float16 keeps three digits
    torch.testing.assert_close(inputs.features[8:12].float(), features, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(truth.joints[8:12], ground_truth(sampler, drawn.people).joints)


def test_a_stopped_computation_goes_on(hmr: TrainingRecipe, sampler: PeopleSampler, tmp_path: Path) -> None:
    regressor, done = Regressor(hmr.regressor), []
    whole, _ = cached_features(regressor, sampler, 24, 0, tmp_path / "whole")
    cached_features(regressor, sampler, 8, 0, tmp_path / "stopped")
    first = tmp_path / "stopped" / "people_00000.safetensors"
    written = first.stat().st_mtime_ns
    (tmp_path / "stopped" / "people_00001.safetensors").write_bytes(first.read_bytes()[:-100])  # cut off
    again, _ = cached_features(
        regressor, sampler, 24, 0, tmp_path / "stopped", on_progress=lambda *numbers: done.append(numbers)
    )
    assert done == [(8, 24), (16, 24), (24, 24)]
    assert first.stat().st_mtime_ns == written
    assert again.features is not None and whole.features is not None and torch.equal(again.features, whole.features)


def test_features_of_other_people_are_refused(hmr: TrainingRecipe, sampler: PeopleSampler, tmp_path: Path) -> None:
    regressor = Regressor(hmr.regressor)
    cached_features(regressor, sampler, 8, 0, tmp_path)
    for other, seed in ((sampler, 1), (replace(sampler, size=48), 0), (replace(sampler, basis=None), 0)):
        with pytest.raises(InputError, match=r"people_00000\.safetensors: features of other people .* another folder"):
            cached_features(regressor, other, 8, seed, tmp_path)


def test_a_trained_backbone_has_no_cache(sampler: PeopleSampler, recipe: TrainingRecipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cached_people: .* only for a frozen backbone"):
        cached_features(Regressor(recipe.regressor), sampler, 8, 0, tmp_path)


def test_everybody_is_in_every_epoch_once(hmr: TrainingRecipe, sampler: PeopleSampler, tmp_path: Path) -> None:
    inputs, truth = cached_features(Regressor(hmr.regressor), sampler, 16, 0, tmp_path)
    half = LabelAvailability(joints=0.5)
    people = CachedPeople(inputs, truth, 4, 0, half)
    first, second = ([people[index] for index in range(4 * epoch, 4 * epoch + 4)] for epoch in (0, 1))
    for epoch in (first, second):
        focal = torch.cat([one.focal for one, _ in epoch])
        assert torch.equal(focal.sort().values, inputs.focal.sort().values)
        labelled = torch.cat([found.labels for _, found in epoch]).float().mean(0)
        assert labelled[LABELS.index("joints")] == pytest.approx(0.5, abs=1 / 16)  # right to one person
        assert labelled[LABELS.index("projection")] == 1
    assert not torch.equal(first[0][0].focal, second[0][0].focal)
    again = CachedPeople(inputs, truth, 4, 0, half)[5][0]  # a resumed training begins anywhere
    assert torch.equal(again.focal, second[1][0].focal)
    with pytest.raises(InputError, match="at least a shard of 32, got 16"):
        CachedPeople(inputs, truth, 32, 0, half)


def test_people_without_features_are_a_fixed_set_too(sampler: PeopleSampler) -> None:
    inputs, truth = training_batch(sampler, 8, torch.Generator().manual_seed(0))
    batches = [CachedPeople(inputs, truth, 4, 0, LabelAvailability())[index][0] for index in (0, 1)]
    assert all(batch.features is None for batch in batches)
    focal = torch.cat([batch.focal for batch in batches])
    assert torch.equal(focal.sort().values, inputs.focal.sort().values)


def test_a_head_is_trained_on_cached_features_and_resumes(
    hmr: TrainingRecipe, sampler: PeopleSampler, tmp_path: Path
) -> None:
    inputs, truth = cached_features(Regressor(hmr.regressor), sampler, hmr.cached_people, 0, tmp_path / "features")
    people = CachedPeople(inputs, truth, hmr.shard, 0, hmr.label_availability)
    held_out = sample_held_out(sampler, 4)
    known = HeldOut(Regressor(hmr.regressor).with_features(held_out.inputs), held_out.truth)
    joints: list[float] = []
    result = train(
        hmr, tmp_path / "whole", sampler, known, cached=people, on_step=lambda _, f: joints.append(f["joints"])
    )
    # sixteen people, forty epochs: their joints are learned
    assert sum(joints[-4:]) < 0.75 * sum(joints[:4])
    assert result.best is not None
    train(hmr, tmp_path / "stopped", sampler, known, cached=people, stop_after=13)
    train(hmr, tmp_path / "stopped", sampler, known, cached=people)
    one, other = (load_regressor(tmp_path / name / REGRESSOR) for name in ("whole", "stopped"))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    with torch.no_grad():  # from pixels, as from features
        torch.testing.assert_close(one(held_out.inputs).rotations, one(known.inputs).rotations)


@pytest.mark.parametrize("name", ["finetune", "spin", "pseudo-labels"])
def test_a_fine_tuning_shares_the_people_of_hmr(name: str, bank: PoseBank) -> None:
    def mark(recipe: TrainingRecipe) -> str:
        return fingerprint(Regressor(recipe.regressor), make_people_sampler(recipe, bank), recipe.seed)

    hmr = load_training_recipe("hmr")
    assert mark(load_training_recipe(name).model_copy(update={"regressor": hmr.regressor})) == mark(hmr)
