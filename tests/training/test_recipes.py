"""The training recipes: each trains, is saved and loaded, predicts, initialises a fit, and is evaluated."""

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
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe, load_training_recipe, training_recipe_names
from render_fit.training.render_supervision import RenderSupervisionConfig
from render_fit.training.runs import make_people_sampler, write_dataset
from render_fit.training.samples import LabelAvailability, training_batch
from render_fit.training.unlabelled_photos import UnlabelledPhotos
from render_fit.training.validation import sample_held_out

SYSTEMS = ("hmr", "nbf", "pavlakos")


def small(name: str) -> TrainingRecipe:
    """A shipped recipe at the size of a test, without weight decay: weights change through gradients alone."""
    recipe = load_training_recipe(name)
    backbone = recipe.regressor.backbone
    if backbone["model_type"] == "resnet":
        backbone = backbone | {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    network = recipe.regressor.model_copy(update={"size": 32, "width": 32, "depth": 1, "backbone": backbone})
    sizes = {"regressor": network, "steps": 4, "batch": 8, "shard": 4, "precision": "no", "validate_every": 4}
    config = RenderSupervisionConfig(batch=2, resolution=32)
    warm = recipe.optimiser.model_copy(update={"warm_up": 1, "average": 0.5, "weight_decay": 0.0})
    return recipe.model_copy(update=sizes | {"render_supervision": config, "optimiser": warm})


def observation() -> tuple[Observation, Camera]:
    """Observation of a synthetic person, pixels included."""
    scene = synthetic_scene(open_body(), everyday_pose("standing"), 0)
    seen = scene.observation()
    return replace(seen, image=torch.rand(3, *seen.image_size)), scene.camera


def trained(
    name: str, bank: PoseBank, folder: Path, *, changes: dict[str, Any] | None = None, **options
) -> tuple[TrainingRecipe, list[dict[str, float]]]:
    recipe = small(name).model_copy(update=changes or {})
    logged: list[dict[str, float]] = []
    sampler = make_people_sampler(recipe, bank)
    train(recipe, folder, sampler, workers=0, on_step=lambda _, figures: logged.append(figures), **options)
    return recipe, logged


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_learns_in_all_its_layers(name: str, bank: PoseBank, tmp_path: Path) -> None:
    assert name in training_recipe_names()
    held_out = sample_held_out(make_people_sampler(small(name), bank), 8)
    recipe, logged = trained(name, bank, tmp_path, held_out=held_out)
    assert len(logged) == 4
    assert logged[-1]["held out: pa_mpjpe_mm"] > 0
    regressor = load_regressor(tmp_path / REGRESSOR)
    assert regressor.config == recipe.regressor
    with torch.no_grad():
        prediction = regressor(held_out.inputs)
    assert prediction.rotations.shape == (8, recipe.regressor.hypotheses, 24, 3, 3)
    assert (prediction.rotations[0] - prediction.rotations[1]).abs().max() > 1e-6
    # The weights of all layers have changed, in every branch.
    torch.manual_seed(recipe.seed)
    before = Regressor(recipe.regressor).state_dict()
    still = {key for key, value in load_file(tmp_path / REGRESSOR).items() if torch.equal(value, before[key])}
    measured = {"standard.mean", "standard.scale"}  # of cached features, which there are none of here
    assert not {key for key in still - measured if not key.endswith("bias")}

    if name == "hmr":
        seen, _ = observation()
        with pytest.raises(InputError, match="uses the pixels of the photo"):
            fit_image(replace(seen, image=None), load_recipe("predict").with_regressor(str(tmp_path / REGRESSOR)))


@pytest.mark.parametrize("name", training_recipe_names())
def test_every_recipe_trains_predicts_and_initialises_fits(name: str, bank: PoseBank, tmp_path: Path) -> None:
    scene = synthetic_scene(open_body(), everyday_pose("walking"), 0)
    seen = scene.observation()
    assert seen.mask is not None
    seen = replace(seen, image=(0.3 + 0.5 * seen.mask).expand(3, -1, -1))  # hmr looks for the person in the photo
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
    # The refined fit agrees better with what was observed and has the lower error. Its stages keep the body inside of
    # the mask, so that the IoU says little, and its objective has other terms than that of the prediction.
    assert refined.report.keypoint_error_px.after < 0.5 * predicted.report.keypoint_error_px.after
    true = open_body().keypoints(scene.parameters, H36M_17)[0]
    before, after = (error_3d(open_body(), fit.parameters, H36M_17, true) for fit in (predicted, refined))
    assert after.mpjpe_mm < before.mpjpe_mm


def test_hmr_trains_on_people_with_2d_labels_alone(bank: PoseBank, tmp_path: Path) -> None:
    recipe = load_training_recipe("hmr")
    assert recipe.regressor.head == "iterative" and recipe.adversarial.weight > 0
    inputs, _ = training_batch(make_people_sampler(small("hmr"), bank), 2, torch.Generator().manual_seed(0))
    assert inputs.photo is not None
    _, logged = trained("hmr", bank, tmp_path, changes={"label_availability": LabelAvailability(latent=0, joints=0)})
    assert all(figures["joints"] == 0 and figures["projection"] > 0 for figures in logged)


def test_nbf_uses_its_twelve_parts_and_nothing_else(bank: PoseBank) -> None:
    recipe = small("nbf")
    inputs, _ = training_batch(make_people_sampler(recipe, bank), 6, torch.Generator().manual_seed(0))
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
    photo = recipe.regressor.uses("photo")
    photos = UnlabelledPhotos.of([seen], [camera], 32, 32, photo=photo)
    assert (photos.inputs.photo is None) == (not photo)
    nothing = LabelAvailability(latent=0, joints=0, projection=0)
    again = recipe.model_copy(update={"pretrained": str(tmp_path / "first" / REGRESSOR), "label_availability": nothing})
    logged: list[dict[str, float]] = []
    synthesis = make_people_sampler(again, bank)
    train(again, tmp_path / "then", synthesis, photos=photos, workers=0, on_step=lambda _, f: logged.append(f))
    assert all(figures["unlabelled"] > 0 for figures in logged)
    # Synthetic people had no labels: weights have changed through render and compare alone.
    first, then = (load_file(tmp_path / folder / REGRESSOR) for folder in ("first", "then"))
    changed = {key for key, value in first.items() if (value - then[key]).abs().max() > 1e-5}
    ends = {"pavlakos": {"head.weight", "shape_head.2.weight"}, "hmr": {"head.start", "head.correction.4.weight"}}
    assert ends[name] <= changed


def test_inputs_of_photos_and_synthetic_people_are_joined(bank: PoseBank) -> None:
    seen, camera = observation()
    for name in SYSTEMS:
        recipe = small(name)
        drawn, _ = training_batch(make_people_sampler(recipe, bank), 2, torch.Generator().manual_seed(0))
        photos = UnlabelledPhotos.of([seen], [camera], 32, 32, photo=recipe.regressor.uses("photo")).inputs
        assert len(RegressorInputs.joined([drawn, photos])) == 3


def test_files_contain_rgb_images_if_the_network_uses_them(tmp_path: Path) -> None:
    for name in ("hmr", "nbf"):
        assert list(write_dataset(name, tmp_path / name, 2, 32, None, 0)) == [2]
        with np.load(tmp_path / name / "people_00000.npz") as people:
            assert ("photo" in people) == (name == "hmr")
            if name == "hmr":
                assert people["photo"].shape == (2, 3, 32, 32)
                assert people["photo"].std() > 20


def test_keys_of_recipes_before_0_2_are_accepted() -> None:
    base = {"name": "old", "description": "keys of 0.1", "steps": 4}
    old = {
        "start": "lifter",
        "poses": {"limber": 0.31, "stooped": 0.32, "any_way_up": 0.33, "excess": 0.34},
        "people": {"dressed": 0.35, "loose_cm": 0.36},
        "errors": {"swollen": 0.37, "ragged": 0.38, "stained": 0.39, "stray": 0.41, "twelve_parts": 0.42},
        "photos": {"patched": 0.43, "things": 4, "creases": 0.44, "cast": 0.45},
        "labels": {"joints": 0.46},
        "losses": {"place": 0.47, "spread": 0.48},
        "unlabelled": {"weight": 0.49},
        "in_the_loop": {"weight": 0.51},
    }
    new = {
        "pretrained": "lifter",
        "poses": {"extreme_range": 0.31, "bent_forward": 0.32, "random_orientation": 0.33, "limit_penalty": 0.34},
        "people": {"clothed": 0.35, "clothing_mean_cm": 0.36},
        "observation_noise": dict(
            mask_dilation=0.37,
            mask_boundary_noise=0.38,
            false_positive_region=0.39,
            keypoint_outliers=0.41,
            coarse_parts=0.42,
        ),
        "images": {"patchwork": 0.43, "background_shapes": 4, "albedo_noise": 0.44, "channel_gain": 0.45},
        "label_availability": {"joints": 0.46},
        "losses": {"pelvis_offset": 0.47, "joint_error": 0.48},
        "render_supervision": {"weight": 0.49},
        "fitting_in_the_loop": {"weight": 0.51},
    }
    assert TrainingRecipe.model_validate(base | old) == TrainingRecipe.model_validate(base | new)
