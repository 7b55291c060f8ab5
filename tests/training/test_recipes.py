"""The training recipes: each trains, predicts, is saved and read, begins a fit, and is judged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from render_fit.bodies import open_body
from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError
from render_fit.core.parts import PART_SPACES, part_evidence
from render_fit.core.skeletons import H36M_17
from render_fit.evaluation.fit_errors import error_3d
from render_fit.fitting.fit import fit_image
from render_fit.fitting.recipe import load_recipe
from render_fit.observations.observation import Observation
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.label_availability import LABELS, LabelAvailability
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe, load_training_recipe, training_recipe_names
from render_fit.training.render_supervision import RenderSupervisionConfig, UnlabelledPhotos
from render_fit.training.runs import people_sampler, write_dataset
from render_fit.training.samples import training_batch
from render_fit.training.validation import sample_held_out

SYSTEMS = ("hmr", "nbf", "pavlakos")


def small(name: str) -> TrainingRecipe:
    """A shipped recipe at the size of a test; without decay, so that weights change by what they learn alone."""
    recipe = load_training_recipe(name)
    backbone = recipe.regressor.backbone | {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    network = recipe.regressor.model_copy(update={"size": 32, "width": 32, "depth": 1, "backbone": backbone})
    sizes = {"regressor": network, "steps": 4, "batch": 8, "shard": 4, "precision": "no", "validate_every": 4}
    setting = RenderSupervisionConfig(batch=2, resolution=32)
    warm = recipe.optimiser.model_copy(update={"warm_up": 1, "average": 0.5, "weight_decay": 0.0})
    return recipe.model_copy(update=sizes | {"render_supervision": setting, "optimiser": warm})


def observation() -> tuple[Observation, Camera]:
    """A drawn person of whom everything was observed, pixels included."""
    scene = synthetic_scene(open_body(), everyday_pose("standing"), 0)
    seen = scene.observation()
    return replace(seen, image=torch.rand(3, *seen.image_size)), scene.camera


def trained(
    name: str, bank: PoseBank, folder: Path, *, changes: dict[str, Any] | None = None, **options
) -> tuple[TrainingRecipe, list[dict[str, float]]]:
    recipe = small(name).model_copy(update=changes or {})
    told: list[dict[str, float]] = []
    train(recipe, folder, people_sampler(recipe, bank), workers=0, watch=lambda _, f: told.append(f), **options)
    return recipe, told


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_learns_in_all_its_layers(name: str, bank: PoseBank, tmp_path: Path) -> None:
    assert name in training_recipe_names()
    held_out = sample_held_out(people_sampler(small(name), bank), 8)
    recipe, told = trained(name, bank, tmp_path, held_out=held_out)
    assert len(told) == 4
    assert told[-1]["held out: pa_mpjpe_mm"] > 0
    regressor = load_regressor(tmp_path / REGRESSOR)
    assert regressor.config == recipe.regressor
    with torch.no_grad():
        answer = regressor(held_out.inputs)
    assert answer.rotations.shape == (8, 1, 24, 3, 3)
    assert (answer.rotations[0] - answer.rotations[1]).abs().max() > 1e-6
    # All layers have learned, those of every branch.
    torch.manual_seed(recipe.seed)
    before = Regressor(recipe.regressor).state_dict()
    still = {key for key, value in load_file(tmp_path / REGRESSOR).items() if torch.equal(value, before[key])}
    assert not {key for key in still if not key.endswith("bias")}

    if name == "hmr":
        seen, _ = observation()
        with pytest.raises(InputError, match="looks at the photo's pixels"):
            fit_image(replace(seen, image=None), load_recipe("predict").with_regressor(str(tmp_path / REGRESSOR)))


@pytest.mark.parametrize("name", training_recipe_names())
def test_every_recipe_trains_predicts_refines_and_is_judged(name: str, bank: PoseBank, tmp_path: Path) -> None:
    scene = synthetic_scene(open_body(), everyday_pose("walking"), 0)
    seen = scene.observation()
    seen = replace(seen, image=torch.rand(3, *seen.image_size))
    if name in ("finetune", "spin"):
        first, _ = trained("lifter", bank, tmp_path / "first")
        start = {"pretrained": str(tmp_path / "first" / REGRESSOR), "regressor": first.regressor}
        photos = UnlabelledPhotos.of([seen] * 2, [scene.camera] * 2, 32, 32)
        trained(name, bank, tmp_path, changes=start, photos=photos)
    else:
        trained(name, bank, tmp_path)
    regressor = str(tmp_path / REGRESSOR)
    predicted = fit_image(seen, load_recipe("predict").with_regressor(regressor))
    hybrid = load_recipe("hybrid")
    by_keypoints, by_pictures = (next(s for s in hybrid.stages if s.name == kind) for kind in ("search", "coarse"))
    stages = (
        by_keypoints.model_copy(update={"n_hypotheses": 1}),
        by_pictures.model_copy(update={"n_hypotheses": 1, "resolution": 64}),
    )
    refined = fit_image(seen, hybrid.model_copy(update={"stages": stages}).with_regressor(regressor))
    # Both are judged by the same objective, and by the truth.
    assert sum(refined.report.losses.values()) < 0.5 * sum(predicted.report.losses.values())
    true = open_body().keypoints(scene.parameters, H36M_17)[0]
    before, after = (error_3d(open_body(), fit.parameters, H36M_17, true) for fit in (predicted, refined))
    assert after.mpjpe_mm < before.mpjpe_mm


def test_hmr_learns_from_people_of_whom_only_2d_is_known(bank: PoseBank) -> None:
    recipe = load_training_recipe("hmr")
    carried = dict(
        zip(LABELS, recipe.label_availability.carried(torch.arange(1000)).float().mean(0).tolist(), strict=True)
    )
    assert carried["projection"] == 1
    assert carried["rotations"] == pytest.approx(0.2, abs=0.01)
    assert carried["joints"] == pytest.approx(0.5, abs=0.01)
    assert recipe.regressor.head == "iterative"
    inputs, _ = training_batch(people_sampler(small("hmr"), bank), 2, torch.Generator().manual_seed(0))
    assert inputs.photo is not None


def test_nbf_sees_its_twelve_parts_and_nothing_else(bank: PoseBank) -> None:
    recipe = small("nbf")
    inputs, _ = training_batch(people_sampler(recipe, bank), 6, torch.Generator().manual_seed(0))
    evidence = part_evidence(PART_SPACES["nbf12"])
    pixels = inputs.parts.movedim(1, -1).reshape(-1, 24)
    assert torch.isin(pixels.sum(1), evidence.sum(1)).all()
    off = (pixels[:, None] - evidence).abs().amax(-1).amin(1)
    assert off.max() < 1e-6
    assert inputs.parts.flatten(1).any(1).all()
    regressor = Regressor(recipe.regressor)
    blind = replace(
        inputs, silhouette=0 * inputs.silhouette, keypoints=0 * inputs.keypoints, confidence=0 * inputs.confidence
    )
    assert torch.equal(regressor(blind).rotations, regressor(inputs).rotations)


@pytest.mark.parametrize("name", ["pavlakos", "hmr"])
def test_render_and_compare_reaches_every_branch(name: str, bank: PoseBank, tmp_path: Path) -> None:
    recipe, _ = trained(name, bank, tmp_path / "first")
    seen, camera = observation()
    photo = recipe.regressor.sees("photo")
    photos = UnlabelledPhotos.of([seen], [camera], 32, 32, photo=photo)
    assert (photos.inputs.photo is None) == (not photo)
    nothing = LabelAvailability(latent=0, joints=0, projection=0)
    again = recipe.model_copy(update={"pretrained": str(tmp_path / "first" / REGRESSOR), "label_availability": nothing})
    told: list[dict[str, float]] = []
    synthesis = people_sampler(again, bank)
    train(again, tmp_path / "then", synthesis, photos=photos, workers=0, watch=lambda _, f: told.append(f))
    assert all(figures["unlabelled"] > 0 for figures in told)
    # Nothing of the drawn people was known: what has changed has changed by what was drawn and compared.
    first, then = (load_file(tmp_path / folder / REGRESSOR) for folder in ("first", "then"))
    changed = {key for key, value in first.items() if (value - then[key]).abs().max() > 1e-5}
    ends = {"pavlakos": {"head.weight", "shape_head.2.weight"}, "hmr": {"head.start", "head.correction.4.weight"}}
    assert ends[name] <= changed


def test_inputs_are_joined_with_those_of_drawn_people(bank: PoseBank) -> None:
    seen, camera = observation()
    for name in SYSTEMS:
        recipe = small(name)
        drawn, _ = training_batch(people_sampler(recipe, bank), 2, torch.Generator().manual_seed(0))
        told = UnlabelledPhotos.of([seen], [camera], 32, 32, photo=recipe.regressor.sees("photo")).inputs
        assert len(RegressorInputs.joined([drawn, told])) == 3


def test_people_in_files_have_pictures_where_the_network_looks_at_them(tmp_path: Path) -> None:
    for name in ("hmr", "nbf"):
        assert list(write_dataset(name, tmp_path / name, 2, 32, None, 0)) == [2]
        with np.load(tmp_path / name / "people_00000.npz") as people:
            assert ("photo" in people) == (name == "hmr")
            if name == "hmr":
                assert people["photo"].shape == (2, 3, 32, 32)
                assert people["photo"].std() > 20
