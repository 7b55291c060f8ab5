"""Batches of synthetic people: placement, ground truth and observation noise."""

import torch

from render_fit.core.parts import PART_SPACES
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.observations.observation import centred_depths
from render_fit.regressors.prediction import pelvis_in_view
from render_fit.synthesis.observation_noise import (
    NO_NOISE,
    ObservationNoise,
    add_depth_noise,
    add_keypoint_noise,
    add_mask_noise,
)
from render_fit.synthesis.people import PeopleDistribution, sample_people
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseAugmentation, PoseBank
from render_fit.training.samples import ground_truth, training_batch

STEADY = PeopleDistribution(truncated=0, zoom=0, shift=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_people_fill_the_view_and_are_in_front_of_the_camera(synthesis: PeopleSampler, bank: PoseBank) -> None:
    pose = bank.sample(24, PoseAugmentation(), seeded())
    people = sample_people(synthesis.body, pose, 64, STEADY, seeded(), synthesis.basis)
    assert people.vertices[..., 2].min() > 0.2
    points = people.camera.project(people.vertices)
    low, high = points.amin(1), points.amax(1)
    # The longer side of the box is the view's side over the margin; the centres of box and view agree.
    torch.testing.assert_close((high - low).amax(1), torch.full((24,), 64 / 1.2), atol=1.0, rtol=0)
    torch.testing.assert_close((low + high) / 2, torch.full((24, 2), 32.0), atol=1.0, rtol=0)


def test_the_visible_part_of_truncated_people_fills_the_view(synthesis: PeopleSampler, bank: PoseBank) -> None:
    config = STEADY.model_copy(update={"truncated": 1.0})
    people = sample_people(synthesis.body, bank.sample(24, PoseAugmentation(), seeded()), 64, config, seeded(), None)
    points = people.camera.project(people.vertices)
    low = torch.maximum(points.amin(1), people.image_bounds[:, :2])
    high = torch.minimum(points.amax(1), people.image_bounds[:, 2:])
    far = people.vertices[..., 2].amin(1) > 0.31  # people at the smallest depth, 0.3 m, may not fill the view
    assert far.float().mean() > 0.9
    filled = (high - low).amax(1)[far]
    torch.testing.assert_close(filled, torch.full_like(filled, 64 / 1.2), atol=1.5, rtol=0)
    beyond = (points < people.image_bounds[:, None, :2]).any(-1) | (points > people.image_bounds[:, None, 2:]).any(-1)
    assert (beyond.float().mean(1) > 0.01).all()  # the least: a hand on an outstretched arm
    assert beyond.float().mean() > 0.15
    assert (beyond.float().mean(1) < 0.7).all()


def test_keypoints_lie_on_their_parts(synthesis: PeopleSampler) -> None:
    rendered = synthesis.sample(64, seeded(1))
    pixel = ((rendered.keypoints + 1) * 16).floor().long().clamp(0, 31)
    label = rendered.labels[torch.arange(64)[:, None], pixel[..., 1], pixel[..., 0]]
    names = PART_SPACES["smpl24"].labels
    for point, parts in (("left_knee", ("left_hip", "left_knee")), ("right_elbow", ("right_shoulder", "right_elbow"))):
        visible = rendered.visible[:, CANONICAL_KEYPOINTS.index(point)]
        found = torch.isin(
            label[visible, CANONICAL_KEYPOINTS.index(point)], torch.tensor([names.index(part) for part in parts])
        )
        assert visible.sum() > 20
        assert found.float().mean() > 0.8  # a pixel is 5 cm wide here
    inner = [
        i
        for i, name in enumerate(CANONICAL_KEYPOINTS)
        if not any(word in name for word in ("toe", "heel", "head", "ear"))
    ]
    assert (label[:, inner][rendered.visible[:, inner]] > 0).float().mean() > 0.9


def test_ground_truth_reproduces_the_meshes(synthesis: PeopleSampler) -> None:
    rendered = synthesis.sample(5, seeded())
    truth = ground_truth(synthesis, rendered.people)
    torch.testing.assert_close(
        pelvis_in_view(truth.pelvis_offset, truth.focal), rendered.people.joints[:, 0], atol=1e-4, rtol=1e-4
    )
    assert truth.joints[:, 0].abs().max() == 0
    posed = synthesis.body(rendered.people.parameters)
    torch.testing.assert_close(posed.vertices, rendered.people.vertices, atol=1e-4, rtol=0)


def test_equal_seeds_give_equal_batches(synthesis: PeopleSampler) -> None:
    (a, true_a), (b, true_b) = (training_batch(synthesis, 6, seeded(3)) for _ in range(2))
    assert torch.equal(a.parts, b.parts)
    assert torch.equal(a.keypoints, b.keypoints)
    assert torch.equal(true_a.rotations, true_b.rotations)


def test_observations_without_noise_equal_the_ground_truth(synthesis: PeopleSampler) -> None:
    rendered = synthesis.sample(8, seeded(2))
    silhouette, parts = add_mask_noise(rendered.labels, rendered.in_image, NO_NOISE, seeded())
    assert torch.equal(silhouette > 0, rendered.labels > 0)
    assert torch.equal(silhouette == 0, ~rendered.in_image)
    assert torch.equal(parts, rendered.labels)
    points, confidence = add_keypoint_noise(rendered.keypoints, rendered.visible, rendered.known, NO_NOISE, seeded())
    assert torch.equal(confidence > 0, rendered.known)
    near = (points - rendered.keypoints).norm(dim=-1)[rendered.known & (rendered.keypoints.abs() < 3).all(-1)]
    assert near.max() < 1e-4


def test_each_kind_of_noise_has_its_documented_effect(synthesis: PeopleSampler) -> None:
    rendered = synthesis.sample(40, seeded(2))

    def observed(**errors: float) -> tuple[torch.Tensor, torch.Tensor]:
        config = NO_NOISE.model_copy(update=errors)
        return add_mask_noise(rendered.labels, rendered.in_image, config, seeded())

    assert not observed(no_mask=1.0)[0].any()
    assert not observed(no_parts=1.0)[1].any()
    area = (rendered.labels > 0).flatten(1).sum(1)
    lost = (area - (observed(limb_lost=1.0)[0] > 0).flatten(1).sum(1)) / area
    assert (lost >= 0).all()
    assert 0.02 < lost.mean() < 0.25
    occluded = observed(occluded=1.0)[0]
    assert ((occluded > 0).flatten(1).sum(1) <= area).all()
    grown = (observed(false_positive_region=1.0)[0] > 0).flatten(1).sum(1)
    assert (grown >= area).all()
    assert (grown > area).float().mean() > 0.5
    moved = (observed(mask_dilation=0.1)[0] > 0).flatten(1).sum(1) / area
    assert moved.min() < 0.9 < 1.1 < moved.max()

    def points(**errors) -> tuple[torch.Tensor, torch.Tensor]:
        config = NO_NOISE.model_copy(update=errors)
        return add_keypoint_noise(rendered.keypoints, rendered.visible, rendered.known, config, seeded())

    assert not points(no_keypoints=1.0)[1].any()
    visible = rendered.visible
    assert 0.4 < (points(missing=0.5)[1][visible] > 0).float().mean() < 0.6
    left, right = CANONICAL_KEYPOINTS.index("left_wrist"), CANONICAL_KEYPOINTS.index("right_wrist")
    both = rendered.known[:, left] & rendered.known[:, right]
    swapped = points(swapped=1.0)[0]
    changed = (swapped[both, left] - rendered.keypoints[both, right]).norm(dim=-1) < 1e-3
    assert changed.float().mean() > 0.4  # arms, or the whole person


def test_depth_noise_has_its_documented_effect(synthesis: PeopleSampler) -> None:
    rendered = synthesis.sample(64, seeded(5))

    def noisy(errors: ObservationNoise) -> tuple[torch.Tensor, torch.Tensor]:
        return add_depth_noise(rendered.keypoints_camera, rendered.visible, rendered.known, errors, seeded(6))

    depths, confidence = noisy(NO_NOISE)
    true = centred_depths(rendered.keypoints_camera[..., 2], rendered.known)
    assert torch.equal(confidence > 0, rendered.known)
    torch.testing.assert_close(depths, true, atol=1e-4, rtol=0)
    assert not noisy(NO_NOISE.model_copy(update={"no_depths": 1.0}))[1].any()
    halved, _ = noisy(NO_NOISE.model_copy(update={"depth_scale": (0.5, 0.5)}))
    trunk = [CANONICAL_KEYPOINTS.index(name) for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]
    both = rendered.known[:, trunk].all(1)
    apart = (halved[:, trunk] - halved[:, trunk[:1]])[both]
    torch.testing.assert_close(apart, 0.5 * (true[:, trunk] - true[:, trunk[:1]])[both], atol=1e-4, rtol=0)
    shoulder, wrist = CANONICAL_KEYPOINTS.index("left_shoulder"), CANONICAL_KEYPOINTS.index("left_wrist")
    both = rendered.known[:, [shoulder, wrist]].all(1)
    flipped, _ = noisy(NO_NOISE.model_copy(update={"depth_flipped": 1.0}))
    reach = (true[:, wrist] - true[:, shoulder])[both]
    torch.testing.assert_close((flipped[:, wrist] - flipped[:, shoulder])[both], -reach, atol=1e-4, rtol=0)
    # The default noise preserves most signs.
    guessed, confidence = noisy(ObservationNoise(no_depths=0.0))
    far = (true.abs() > 0.15) & (confidence > 0)
    assert 0.75 < (guessed.sign() == true.sign())[far].float().mean() < 0.99
