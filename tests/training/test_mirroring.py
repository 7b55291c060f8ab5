"""Mirror images of synthetic people: bodies, clothing and projections are mirrored, twice is the identity."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.bodies.mesh_operators import mirror_vertices
from render_fit.core.skeletons import CANONICAL_KEYPOINTS, SMPL_24
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.prediction import pelvis_in_view
from render_fit.regressors.turned_view import PersonFeatures, TurnedView
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.mirroring import Mirror
from render_fit.training.samples import GroundTruth, training_batch

FLIP = torch.tensor([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def people() -> tuple[PeopleSampler, RegressorInputs, GroundTruth]:
    body = open_body()
    sampler = PeopleSampler(body, PoseBank.from_prior(50, seed=1), clothing_basis(body, 12), size=32)
    inputs, truth = training_batch(sampler, 6, torch.Generator().manual_seed(0))
    alignment = torch.randn(6, 2, 2, generator=torch.Generator().manual_seed(1))
    features = PersonFeatures(TurnedView.around(alignment, truth.focal), torch.randn(6, 9), torch.randn(6, 9))
    return sampler, replace(inputs, features=features.joined_numbers()), replace(truth, parts=None)


def test_mirrored_people_are_mirrored_meshes(people: tuple[PeopleSampler, RegressorInputs, GroundTruth]) -> None:
    sampler, inputs, truth = people
    body, basis = sampler.body, sampler.basis
    assert basis is not None and truth.clothing.abs().max() > 0.5
    which = torch.tensor([True, False, True, True, False, True])
    _, mirrored = Mirror.of(body, basis).people(inputs, truth, which)

    def mesh(one: GroundTruth) -> torch.Tensor:
        offset = one.pelvis - body.rest_joints(one.betas)[:, 0]
        return body(BodyParameters(one.rotations, one.betas, offset, basis(one.clothing))).vertices

    expected = torch.where(which[:, None, None], mesh(truth)[:, mirror_vertices(body.v_template)] * FLIP, mesh(truth))
    # metres; the joints of the open body are symmetric to 2 mm, its surface exactly
    torch.testing.assert_close(mesh(mirrored), expected, atol=2e-3, rtol=0)
    joints = truth.joints[:, list(SMPL_24.left_right_swap)] * FLIP
    assert torch.equal(mirrored.joints, torch.where(which[:, None, None], joints, truth.joints))
    torch.testing.assert_close(pelvis_in_view(mirrored.pelvis_offset, truth.focal), mirrored.pelvis, atol=1e-4, rtol=0)


def test_inputs_are_those_of_the_mirror_image(people: tuple[PeopleSampler, RegressorInputs, GroundTruth]) -> None:
    sampler, inputs, truth = people
    mirror, everyone = Mirror.of(sampler.body, None), torch.ones(6, dtype=torch.bool)
    truth = replace(truth, clothing=truth.clothing[:, :0])
    mirrored, other_truth = mirror.people(inputs, truth, everyone)
    assert mirrored.features is not None and inputs.features is not None
    one, other = map(PersonFeatures.split_numbers, (inputs.features, mirrored.features))
    assert torch.equal(other.own, one.mirrored) and torch.equal(other.mirrored, one.own)
    left, right = (CANONICAL_KEYPOINTS.index(f"{side}_wrist") for side in ("left", "right"))
    assert torch.equal(mirrored.keypoints[:, left], inputs.keypoints[:, right] * FLIP[:2])
    assert torch.equal(mirrored.confidence[:, left], inputs.confidence[:, right])
    again, truth_again = mirror.people(mirrored, other_truth, everyone)
    for name, value in inputs.tensors().items():
        torch.testing.assert_close(again.tensors()[name], value)
    for name, value in truth.tensors().items():
        torch.testing.assert_close(truth_again.tensors()[name], value)
