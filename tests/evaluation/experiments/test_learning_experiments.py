"""The experiments on regressors run at small size; the figures themselves are measured, not tested."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.skeletons import COCO_17, SMPL_24
from render_fit.evaluation.experiments import (
    backbones,
    domain_adaptation,
    input_representation,
    regressor_baselines,
    small_trainings,
    supervision,
    two_d_supervision,
)
from render_fit.evaluation.experiments.regressor_baselines import observations_of, sample_fit_targets
from render_fit.evaluation.experiments.runner import run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.regressors import regressor_metrics
from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.synthesis.observation_noise import NO_NOISE, ObservationNoise
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training import feature_cache
from render_fit.training.recipe import load_training_recipe
from render_fit.training.samples import training_batch
from render_fit.training.validation import sample_held_out

from ...observations.hub_models import save_classifier

TINY = RegressorConfig(
    size=32, width=16, depth=0, hypotheses=2, n_clothing=0, pictures=("silhouette",),
    backbone={"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"},
)  # fmt: skip


@pytest.fixture
def few_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poses of the prior in place of motion capture."""

    def bank(_: ExperimentConfig, split: str) -> PoseBank:
        poses = PoseBank.from_prior(200, seed=len(split)).pose
        poses[:40, 1:9] *= 0.2  # some who stand
        return PoseBank(poses)

    monkeypatch.setattr(ExperimentConfig, "bank", bank)


def run(name: str, out: Path, **options: Any) -> dict:
    run_experiment(name, out, people=12, **options)
    return json.loads((out / f"{name}.json").read_text())


def test_the_nearest_neighbour_of_a_person_is_that_person() -> None:
    bank = PoseBank.from_prior(60)
    synthesis = PeopleSampler(open_body(), bank, None, 32, noise=NO_NOISE)
    features = regressor_baselines.NeighbourFeatures.of(
        training_batch(synthesis, 40, torch.Generator().manual_seed(0))[0]
    )
    for weights in regressor_baselines.KINDS.values():
        assert regressor_baselines.nearest_neighbours(features[slice(5, 9)], features, *weights).tolist() == [
            5,
            6,
            7,
            8,
        ]


def test_the_mean_pose_is_upright_and_the_ground_truth_has_no_error() -> None:
    bank = PoseBank.from_prior(50)
    mean = regressor_baselines.mean_pose(bank, 3)
    assert mean.shape == (3, 24, 3, 3)
    assert float(mean[0, 0, 1, 1]) == pytest.approx(-1, abs=1e-4)  # y points down in the camera's axes
    synthesis = PeopleSampler(open_body(), bank, None, 32)
    _, truth = training_batch(synthesis, 6, torch.Generator().manual_seed(0))
    assert max(regressor_baselines._errors(truth.rotations, truth, synthesis, truth.betas).values()) < 0.1


def test_silhouettes_overlap_fully_where_the_prediction_is_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    synthesis = PeopleSampler(open_body(), PoseBank.from_prior(50), None, 32)
    held_out, regressor = sample_held_out(synthesis, 4), Regressor(TINY)
    assert 0 < regressor_metrics(regressor, held_out, synthesis)["iou"] < 0.9

    def oracle(inputs):
        prediction = Regressor(TINY)(inputs)
        truth = held_out.truth
        for name in ("rotations", "betas", "pelvis_offset"):
            getattr(prediction, name).data.copy_(getattr(truth, name)[:, None].expand_as(getattr(prediction, name)))
        return prediction

    monkeypatch.setattr(regressor, "forward", oracle)
    errors = regressor_metrics(regressor, held_out, synthesis)
    assert errors["iou"] > 0.999 and errors["pa_mpjpe_mm"] < 0.1


def test_baselines_evaluate_given_regressors(few_poses: None, tmp_path: Path) -> None:
    save_regressor(Regressor(TINY), tmp_path / "tiny.safetensors")
    table = run("regressor-baselines", tmp_path, scale=0.01, regressors=(str(tmp_path / "tiny.safetensors"),))
    assert [row["what"].split()[0] for row in table["people"][:4]] == ["mean", "most", "most", "most"]
    assert all(row["pa_mpjpe_mm"] > 0 for row in table["people"])
    assert table["people"][4]["iou"] > 0


def test_regressors_are_evaluated_with_the_noise_of_their_training(tmp_path: Path) -> None:
    nbf = load_training_recipe("nbf")
    assert regressor_baselines.training_noise_of("nbf") == nbf.observation_noise != ObservationNoise()
    assert regressor_baselines.training_noise_of(str(tmp_path / "regressor.safetensors")) == ObservationNoise()
    (tmp_path / "recipe.json").write_text(nbf.model_dump_json())
    assert regressor_baselines.training_noise_of(str(tmp_path / "regressor.safetensors")) == nbf.observation_noise


def test_baselines_fit_people_by_recipes(few_poses: None, tmp_path: Path) -> None:
    options = {"scale": 0.01, "regressors": ("none",), "recipes": ("predict",), "fits": 3}
    *_, mean, predicted = run("regressor-baselines", tmp_path, **options)["people"]
    assert (mean["what"], predicted["what"]) == ("mean pose", "predict")
    assert mean["people"] == predicted["people"] == 3
    assert 0 < predicted["pa_mpjpe_mm"] <= predicted["mpjpe_mm"]


def test_fit_targets_have_the_observations_of_the_regressor_inputs() -> None:
    noise = NO_NOISE.model_copy(update={"no_mask": 0.5, "no_keypoints": 0.5})
    synthesis = PeopleSampler(open_body(), PoseBank.from_prior(50), None, 32, noise=noise)
    observed, truth = sample_fit_targets(synthesis, 24)
    assert len(observed) == len(truth) == 24
    joints = [SMPL_24.index(name) for name in ("left_knee", "right_elbow")]
    points = [COCO_17.index(name) for name in ("left_knee", "right_elbow")]
    for row, one in enumerate(observations_of(observed)):
        assert one.mask is not None or bool((one.confidence > 0).any())
        there = one.camera.project((truth.joints[row] + truth.pelvis[row])[None, joints])[0]
        known = one.confidence[points] > 0
        # Knees and elbows are where SMPL has them, but for a finger's breadth; a pixel is about 7 cm.
        assert (there - one.keypoints_px[points]).norm(dim=-1)[known].lt(1.0).all()


def test_domain_adaptation_compares_all_variants(
    few_poses: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One precision for all trainings of a process, as accelerate has it.
    monkeypatch.setattr(domain_adaptation, "PRECISION", "no")
    monkeypatch.setattr(domain_adaptation, "NETWORK", TINY.model_copy(update={"n_clothing": 6}))
    table = run("domain-adaptation", tmp_path, scale=0.002, workers=0)
    rows = {row["what"]: row for row in table["people"]}
    assert set(domain_adaptation.VARIANTS) | {"narrow", "all labels of the wide world"} < set(rows)
    assert all(row["refined_pa_mpjpe_mm"] > 0 for row in rows.values())
    assert all(f"of the gap, {name}" in table["summary"] for name in domain_adaptation.VARIANTS)


def test_two_d_supervision_has_a_row_and_images_per_variant(
    few_poses: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [two_d_supervision.VARIANTS[index] for index in (0, 2, 3)]  # without prior, with autoencoder, adversary
    monkeypatch.setattr(two_d_supervision, "VARIANTS", chosen)
    table = run("two-d-supervision", tmp_path, scale=0.002, repeats=1)
    assert [row["what"] for row in table["people"]][:-1] == [variant.name for variant in chosen]
    assert all(0 <= row["impossible"] <= 1 for row in table["people"])
    assert (tmp_path / "two-d-supervision.png").stat().st_size > 0


def test_supervisions_have_the_losses_of_their_names(
    few_poses: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = {name: supervision.SUPERVISIONS[name] for name in ("L_2D", "L_lat")}
    monkeypatch.setattr(supervision, "SUPERVISIONS", two)
    table = run("supervision", tmp_path, scale=0.0005, repeats=2)
    assert [row["what"] for row in table["people"]] == ["L_2D", "L_lat"]
    assert all(row["mpjpe_mm"] > row["pa_mpjpe_mm"] > 0 and row["mpjpe_mm_sd"] > 0 for row in table["people"])
    assert table["people"][0]["published_3d_mm"] == 198.0
    recipes = tmp_path / "trainings/supervision/1_steps"
    weights = json.loads((recipes / "L_lat,_seed_0" / "recipe.json").read_text())["losses"]
    assert weights["projection"] == weights["joints"] == 0 < min(weights["rotations"], weights["pelvis_offset"])
    weights = json.loads((recipes / "L_2D,_seed_1" / "recipe.json").read_text())["losses"]
    assert weights["rotations"] == weights["betas"] == weights["joints"] == 0 < weights["projection"]


def test_the_truth_has_no_supervised_errors_and_a_turned_joint_has_its_angle(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = PeopleSampler(open_body(), PoseBank.from_prior(50), None, 32)
    held_out, regressor = sample_held_out(sampler, 6), Regressor(TINY)
    turned = held_out.truth.rotations.clone()

    def oracle(inputs):
        prediction = Regressor(TINY)(inputs)
        true = {"rotations": turned, "betas": held_out.truth.betas, "pelvis_offset": held_out.truth.pelvis_offset}
        for name, value in true.items():
            getattr(prediction, name).data.copy_(value[:, None].expand_as(getattr(prediction, name)))
        return prediction

    monkeypatch.setattr(regressor, "forward", oracle)
    exact = small_trainings.supervised_errors(regressor, held_out, sampler.body)
    assert exact["pckh"] == 100 and exact["mpjpe_mm"] < 0.1 and exact["rotation_deg"] < 0.1
    quarter = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    turned[:, 4] = turned[:, 4] @ quarter  # the left knee by 90 degrees: a 24th of that on average
    wrong = small_trainings.supervised_errors(regressor, held_out, sampler.body)
    assert wrong["rotation_deg"] == pytest.approx(90 / 24, abs=0.1)
    assert wrong["mpjpe_mm"] > 10 and 80 < wrong["pckh"] < 100


def test_means_and_spreads_of_repeated_trainings() -> None:
    assert small_trainings.mean_and_spread([{"a": 1.0}]) == {"a": 1.0}
    assert small_trainings.mean_and_spread([{"a": 1.0}, {"a": 3.0}]) == {"a": 2.0, "a_sd": 1.414}


def test_segmentations_get_worse_by_degree(few_poses: None, tmp_path: Path) -> None:
    table = run("segmentation-quality", tmp_path, scale=0.0005, repeats=1)
    quality = [row["part_f1"] for row in table["people"]]
    assert quality[0] == 1 and quality == sorted(quality, reverse=True) and quality[-1] < 0.9
    assert all(row["exact_pa_mpjpe_mm"] > 0 and row["flawed_pa_mpjpe_mm"] > 0 for row in table["people"])


def test_inputs_are_those_of_the_rows_names(few_poses: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [variant.name for variant in input_representation.VARIANTS]
    assert names[1:6] == ["silhouette", "3 parts", "6 parts", "12 parts", "24 parts"]
    monkeypatch.setattr(input_representation, "VARIANTS", input_representation.VARIANTS[3:4])
    table = run("input-representation", tmp_path, scale=0.0005, repeats=1)
    assert [row["what"] for row in table["people"]] == ["6 parts"]
    recipe = json.loads((tmp_path / "trainings/input-representation/1_steps/6_parts,_seed_0/recipe.json").read_text())
    assert recipe["observation_noise"]["coarse_space"] == "nbf6" and not recipe["regressor"]["keypoints"]


def test_a_trial_and_a_longer_run_share_a_folder_and_no_training(
    few_poses: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_representation, "VARIANTS", input_representation.VARIANTS[1:2])
    rows = [
        run("input-representation", tmp_path, repeats=1, **options)["people"][0]
        for options in ({"scale": 0.001}, {"scale": 0.003}, {"scale": 0.001}, {"scale": 0.001, "seed": 1})
    ]
    assert rows[0] == rows[2]
    assert len({row["mpjpe_mm"] for row in rows}) == 3
    assert len(list((tmp_path / "trainings").rglob("recipe.json"))) == 3


def test_backbones_has_a_row_per_backbone_and_number_of_images(
    few_poses: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "PEOPLE", 32)
    monkeypatch.setattr(backbones, "real_frames", lambda _: [])  # research data, which may be absent
    model = save_classifier(tmp_path / "model")
    table = run("backbones", tmp_path, scale=0.001, workers=0, backbones=(str(model),))
    what = [row["what"] for row in table["people"]]
    frozen = [*["blazepose, frozen"] * 3, f"{model}, frozen"]
    assert what == ["mean pose", backbones.LANDMARKS_ALONE, *frozen, "resnet, from scratch"]
    assert [row["images"] for row in table["people"]] == [0, 0, 32, 32, 33, 33, 3 * 128]
    assert all(row["pa_mpjpe_mm"] > 0 for row in table["people"])


def test_errors_on_real_frames_are_those_of_the_likeliest_hypothesis(shared_data: Path, tmp_path: Path) -> None:
    config = ExperimentConfig(tmp_path, data=shared_data, limit=1)
    frames = backbones.real_frames(config)
    hmr = load_regressor("hmr")
    errors = backbones.frame_errors(hmr, frames, open_body())
    table = run_experiment("real-3d", tmp_path, data=shared_data, limit=1, recipes=("predict",), regressors=("hmr",))
    assert errors["real_pa_mpjpe_mm"] == pytest.approx(table.people[0].values["pa_mpjpe_before"], abs=0.1)
