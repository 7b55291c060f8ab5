"""Regressors: shapes, places, checkpoints."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import roma
import torch
from safetensors.torch import load_file, save_file

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.cameras import camera_from_focal
from render_fit.core.errors import InputError
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.layers import FARTHEST_STEP, IterativeHead
from render_fit.regressors.network import Regressor
from render_fit.regressors.person_crop import person_crop
from render_fit.regressors.prediction import orthonormal, pelvis_in_view, place_in_view

SMALL = RegressorConfig(
    size=32, width=32, depth=1, n_clothing=5, hypotheses=3,
    backbone={"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16],
              "depths": [1, 1], "layer_type": "basic"},
)  # fmt: skip


def random_inputs(n: int, size: int = 32, photo: bool = False) -> RegressorInputs:
    generator = torch.Generator().manual_seed(0)
    return RegressorInputs(
        torch.randn(n, size, size, generator=generator),
        torch.rand(n, 24, size, size, generator=generator),
        torch.randn(n, len(CANONICAL_KEYPOINTS), 2, generator=generator),
        torch.rand(n, len(CANONICAL_KEYPOINTS), generator=generator),
        torch.randn(n, len(CANONICAL_KEYPOINTS), generator=generator),
        torch.rand(n, len(CANONICAL_KEYPOINTS), generator=generator),
        torch.rand(n, generator=generator) + 1,
        torch.rand(n, 3, size, size, generator=generator) if photo else None,
    )


ITERATIVE = SMALL.model_copy(update={"head": "iterative"})
TWO_BRANCHES = SMALL.model_copy(
    update={"pictures": ("heatmaps",), "shape_pictures": ("silhouette",), "keypoints": False}
)


@pytest.mark.parametrize("head", ["direct", "iterative"])
@pytest.mark.parametrize("pictures", [(), ("silhouette",), ("silhouette", "parts", "heatmaps", "photo")])
@pytest.mark.parametrize("shape_pictures", [(), ("silhouette",)])
def test_hypotheses_are_rotations_and_probabilities(pictures, shape_pictures, head) -> None:
    changes = {"pictures": pictures, "shape_pictures": shape_pictures, "head": head}
    regressor = Regressor(SMALL.model_copy(update=changes))
    ranked = regressor(random_inputs(4, photo="photo" in pictures)).ranked()
    identity = ranked.rotations @ ranked.rotations.mT
    torch.testing.assert_close(identity, torch.eye(3).expand_as(identity), atol=1e-5, rtol=0)
    assert torch.linalg.det(ranked.rotations).min() > 0
    torch.testing.assert_close(ranked.log_likelihood.exp().sum(1), torch.ones(4))
    assert (ranked.log_likelihood.diff(dim=1) <= 0).all()
    assert ranked.clothing.shape == (4, 3, 5)


def test_rotations_of_two_columns_equal_those_of_roma() -> None:
    ours, theirs = (torch.randn(5, 7, 3, 2).requires_grad_() for _ in range(2))
    theirs.data.copy_(ours.data)
    weight = torch.randn(5, 7, 3, 3)
    made, expected = orthonormal(ours), roma.special_gramschmidt(theirs)
    assert torch.equal(made, expected)
    (made * weight).sum().backward()
    (expected * weight).sum().backward()
    assert ours.grad is not None and theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", [SMALL, ITERATIVE, TWO_BRANCHES], ids=["direct", "iterative", "two branches"])
def test_people_do_not_change_each_other(config: RegressorConfig) -> None:
    regressor, inputs = Regressor(config).train(), random_inputs(4)
    together, alone = regressor(inputs), regressor(inputs[slice(2, 3)])
    torch.testing.assert_close(together.rotations[2:3], alone.rotations, atol=1e-5, rtol=0)


def test_iterative_error_feedback_starts_at_the_mean_pose_and_is_corrected_step_by_step() -> None:
    regressor, inputs = Regressor(ITERATIVE), random_inputs(2)
    mean = roma.random_rotmat(23)
    regressor.begin_at(mean)
    head = regressor.head
    assert isinstance(head, IterativeHead)
    last = head.correction[-1]
    assert isinstance(last, torch.nn.Linear)
    once, moved = last.weight.detach().clone(), []
    with torch.no_grad():
        last.weight.zero_()
        still = regressor(inputs)
        torch.testing.assert_close(still.rotations[:, :, 1:], mean.expand(2, 3, -1, -1, -1), atol=1e-6, rtol=0)
        assert not still.betas.any()
        last.weight.copy_(once)
        for head.times in (1, 3):
            moved.append((regressor(inputs).betas - still.betas).norm())
        # The second correction knows of the first one: it is not the same again.
        assert moved[1] > 1.5 * moved[0]
        assert abs(moved[1] - 3 * moved[0]) > 1e-4 * moved[0]
        # However much it is driven, it cannot run away.
        last.weight.mul_(1e6)
        far = regressor(inputs)
        assert far.betas.abs().max() > 1.9
        for value in (far.betas, far.pelvis_offset):
            assert value.abs().max() <= 3 * FARTHEST_STEP
    with pytest.raises(ValueError, match="not iterative"):
        Regressor(SMALL).begin_at(mean)


def test_the_shape_branch_uses_only_its_own_images() -> None:
    regressor, inputs = Regressor(TWO_BRANCHES), random_inputs(2)
    first = regressor(inputs)
    other_points = regressor(replace(inputs, keypoints=-inputs.keypoints))
    other_mask = regressor(replace(inputs, silhouette=-inputs.silhouette))
    assert torch.equal(other_points.betas, first.betas) and torch.equal(other_points.clothing, first.clothing)
    assert not torch.equal(other_points.rotations, first.rotations)
    assert torch.equal(other_mask.rotations, first.rotations) and torch.equal(
        other_mask.pelvis_offset, first.pelvis_offset
    )
    assert not torch.equal(other_mask.betas, first.betas)
    assert torch.equal(first.betas[:, 0], first.betas[:, 2])


def test_missing_photos_are_an_error() -> None:
    with pytest.raises(ValueError, match="uses photos"):
        Regressor(SMALL.model_copy(update={"pictures": ("photo",)}))(random_inputs(1))


def test_pelvis_offset_and_position_are_inverse() -> None:
    pelvis = torch.tensor([[[0.3, -0.2, 4.0], [0.0, 0.1, 9.0]]])
    focal = torch.tensor([[1.5, 1.5]])
    torch.testing.assert_close(pelvis_in_view(place_in_view(pelvis, focal), focal), pelvis)


def test_parameters_in_the_photo_camera_are_those_of_the_crop_rotated_back() -> None:
    body, photo = open_body(), camera_from_focal(400.0, 300, 400)
    view = person_crop(photo, (250.0, 40.0, 100.0, 220.0), 32)
    prediction = Regressor(SMALL)(random_inputs(1))
    seen = body(prediction.parameters(body, view.focal)).vertices
    rotations, pelvis = prediction.in_photo_camera(view)
    betas = prediction.betas.flatten(0, 1)
    told = body(BodyParameters(rotations, betas, pelvis - body.rest_joints(betas)[:, 0])).vertices
    torch.testing.assert_close(told @ view.rotation.mT, seen, atol=1e-5, rtol=0)


def test_inputs_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expects 32 x 32 pixels, got 16"):
        Regressor(SMALL)(random_inputs(1, 16))


def test_checkpoints_give_back_the_same_network(tmp_path: Path) -> None:
    regressor, inputs = Regressor(SMALL).eval(), random_inputs(2)
    save_regressor(regressor, tmp_path / "a.safetensors")
    back = load_regressor(tmp_path / "a.safetensors")
    assert back.config == SMALL
    torch.testing.assert_close(back(inputs).rotations, regressor(inputs).rotations, atol=0, rtol=0)
    save_regressor(regressor, tmp_path / "half.safetensors", half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "a.safetensors").stat().st_size
    assert not list(tmp_path.glob(".*"))


def test_checkpoints_without_keys_for_heads_and_branches_still_load(tmp_path: Path) -> None:
    regressor, inputs = Regressor(SMALL).eval(), random_inputs(2)
    names = {name for name in regressor.state_dict() if not name.startswith("backbone.")}
    layers = ("numbers.0", "numbers.2", "join", "trunk.0.layers.0", "trunk.0.layers.1", "trunk.0.layers.3")
    layers += ("trunk.0.layers.4", "trunk.1", "head")
    assert names == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    path = tmp_path / "a.safetensors"
    save_regressor(regressor, path)
    config = json.loads(SMALL.model_dump_json())
    for key in ("head", "corrections", "shape_pictures"):
        del config[key]
    save_file(load_file(path), path, metadata={"render_fit_regressor": json.dumps(config)})
    assert torch.equal(load_regressor(path)(inputs).rotations, regressor(inputs).rotations)


def test_bad_checkpoints_get_one_clear_line(tmp_path: Path) -> None:
    whole = tmp_path / "a.safetensors"
    save_regressor(Regressor(SMALL), whole)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole.read_bytes()[:2000])
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(3)}, other)
    wrong = tmp_path / "wrong.safetensors"
    save_file({"x": torch.zeros(3)}, wrong, metadata={"render_fit_regressor": SMALL.model_dump_json()})
    for path, words in ((cut, "cut off"), (other, "no regressor of render-fit"), (wrong, "do not fit")):
        with pytest.raises(InputError, match=words) as caught:
            load_regressor(path)
        assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        load_regressor("nobody")


@pytest.mark.parametrize("changes", [{"pictures": ("parts",), "keypoints": False}, {"pictures": (), "keypoints": True}])
def test_people_without_any_used_input_are_refused(changes) -> None:
    regressor = Regressor(SMALL.model_copy(update=changes))
    seen = random_inputs(3)
    regressor.check_inputs(seen)
    blind = replace(seen, parts=seen.parts.clone(), confidence=seen.confidence.clone())
    blind.parts[1] = 0
    blind.confidence[1] = 0
    only = "part map, which was not observed; give --parts" if changes["pictures"] else "keypoints, which was not"
    with pytest.raises(InputError, match=f"uses only {only}"):
        regressor.check_inputs(blind)
    Regressor(SMALL).check_inputs(blind)  # there is the silhouette
