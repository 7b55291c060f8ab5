"""People drawn for training: placed right, seen right, told right."""

import torch

from render_fit.core.parts import PART_SPACES
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.observations.keypoints import centred_depths
from render_fit.regressors.network import pelvis_in_view
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


def test_people_fill_the_view_and_stand_before_the_camera(synthesis: PeopleSampler, bank: PoseBank) -> None:
    pose = bank.draw(24, PoseAugmentation(), seeded())
    who = sample_people(synthesis.body, pose, 64, STEADY, seeded(), synthesis.basis)
    assert who.vertices[..., 2].min() > 0.2
    points = who.camera.project(who.vertices)
    low, high = points.amin(1), points.amax(1)
    # The longer side takes the view's side over the margin; the middle of the box is the view's.
    torch.testing.assert_close((high - low).amax(1), torch.full((24,), 64 / 1.2), atol=1.0, rtol=0)
    torch.testing.assert_close((low + high) / 2, torch.full((24, 2), 32.0), atol=1.0, rtol=0)


def test_of_people_cut_off_what_is_left_fills_the_view(synthesis: PeopleSampler, bank: PoseBank) -> None:
    mix = STEADY.model_copy(update={"truncated": 1.0})
    who = sample_people(synthesis.body, bank.draw(24, PoseAugmentation(), seeded()), 64, mix, seeded(), None)
    points = who.camera.project(who.vertices)
    low = torch.maximum(points.amin(1), who.inside[:, :2])
    high = torch.minimum(points.amax(1), who.inside[:, 2:])
    far = who.vertices[..., 2].amin(1) > 0.31  # nobody is nearer than 0.3 m, whatever the picture would need
    assert far.float().mean() > 0.9
    filled = (high - low).amax(1)[far]
    torch.testing.assert_close(filled, torch.full_like(filled, 64 / 1.2), atol=1.5, rtol=0)
    beyond = (points < who.inside[:, None, :2]).any(-1) | (points > who.inside[:, None, 2:]).any(-1)
    assert (beyond.float().mean(1) > 0.02).all()
    assert (beyond.float().mean(1) < 0.7).all()


def test_keypoints_lie_on_their_parts(synthesis: PeopleSampler) -> None:
    drawn = synthesis.draw(64, seeded(1))
    pixel = ((drawn.keypoints + 1) * 16).floor().long().clamp(0, 31)
    label = drawn.labels[torch.arange(64)[:, None], pixel[..., 1], pixel[..., 0]]
    names = PART_SPACES["smpl24"].labels
    for point, parts in (("left_knee", ("left_hip", "left_knee")), ("right_elbow", ("right_shoulder", "right_elbow"))):
        shown = drawn.visible[:, CANONICAL_KEYPOINTS.index(point)]
        found = torch.isin(
            label[shown, CANONICAL_KEYPOINTS.index(point)], torch.tensor([names.index(part) for part in parts])
        )
        assert shown.sum() > 20
        assert found.float().mean() > 0.8  # a pixel is 5 cm wide here
    inner = [
        i
        for i, name in enumerate(CANONICAL_KEYPOINTS)
        if not any(word in name for word in ("toe", "heel", "head", "ear"))
    ]
    assert (label[:, inner][drawn.visible[:, inner]] > 0).float().mean() > 0.9


def test_truth_says_where_people_are(synthesis: PeopleSampler) -> None:
    drawn = synthesis.draw(5, seeded())
    truth = ground_truth(synthesis, drawn.people)
    torch.testing.assert_close(
        pelvis_in_view(truth.pelvis_offset, truth.focal), drawn.people.joints[:, 0], atol=1e-4, rtol=1e-4
    )
    assert truth.joints[:, 0].abs().max() == 0
    posed = synthesis.body(drawn.people.parameters)
    torch.testing.assert_close(posed.vertices, drawn.people.vertices, atol=1e-4, rtol=0)


def test_the_number_decides_the_people(synthesis: PeopleSampler) -> None:
    (a, true_a), (b, true_b) = (training_batch(synthesis, 6, seeded(3)) for _ in range(2))
    assert torch.equal(a.parts, b.parts)
    assert torch.equal(a.keypoints, b.keypoints)
    assert torch.equal(true_a.rotations, true_b.rotations)


def test_a_perfect_observer_sees_what_was_drawn(synthesis: PeopleSampler) -> None:
    drawn = synthesis.draw(8, seeded(2))
    silhouette, parts = add_mask_noise(drawn.labels, drawn.photographed, NO_NOISE, seeded())
    assert torch.equal(silhouette > 0, drawn.labels > 0)
    assert torch.equal(silhouette == 0, ~drawn.photographed)
    assert torch.equal(parts, drawn.labels)
    points, confidence = add_keypoint_noise(drawn.keypoints, drawn.visible, drawn.known, NO_NOISE, seeded())
    assert torch.equal(confidence > 0, drawn.known)
    near = (points - drawn.keypoints).norm(dim=-1)[drawn.known & (drawn.keypoints.abs() < 3).all(-1)]
    assert near.max() < 1e-4


def test_errors_do_what_they_say(synthesis: PeopleSampler) -> None:
    drawn = synthesis.draw(40, seeded(2))

    def seen(**errors: float) -> tuple[torch.Tensor, torch.Tensor]:
        mix = NO_NOISE.model_copy(update=errors)
        return add_mask_noise(drawn.labels, drawn.photographed, mix, seeded())

    assert not seen(no_mask=1.0)[0].any()
    assert not seen(no_parts=1.0)[1].any()
    area = (drawn.labels > 0).flatten(1).sum(1)
    lost = (area - (seen(limb_lost=1.0)[0] > 0).flatten(1).sum(1)) / area
    assert (lost >= 0).all()
    assert 0.02 < lost.mean() < 0.25
    blocked = seen(occluded=1.0)[0]
    assert ((blocked > 0).flatten(1).sum(1) <= area).all()
    stained = (seen(false_positive_region=1.0)[0] > 0).flatten(1).sum(1)
    assert (stained >= area).all()
    assert (stained > area).float().mean() > 0.5
    moved = (seen(mask_dilation=0.1)[0] > 0).flatten(1).sum(1) / area
    assert moved.min() < 0.9 < 1.1 < moved.max()

    def points(**errors) -> tuple[torch.Tensor, torch.Tensor]:
        mix = NO_NOISE.model_copy(update=errors)
        return add_keypoint_noise(drawn.keypoints, drawn.visible, drawn.known, mix, seeded())

    assert not points(no_keypoints=1.0)[1].any()
    shown = drawn.visible
    assert 0.4 < (points(missing=0.5)[1][shown] > 0).float().mean() < 0.6
    left, right = CANONICAL_KEYPOINTS.index("left_wrist"), CANONICAL_KEYPOINTS.index("right_wrist")
    both = drawn.known[:, left] & drawn.known[:, right]
    swapped = points(swapped=1.0)[0]
    changed = (swapped[both, left] - drawn.keypoints[both, right]).norm(dim=-1) < 1e-3
    assert changed.float().mean() > 0.4  # arms, or the whole person


def test_rough_depths_are_those_of_the_points_or_as_wrong_as_asked_for(synthesis: PeopleSampler) -> None:
    drawn = synthesis.draw(64, seeded(5))

    def told(errors: ObservationNoise) -> tuple[torch.Tensor, torch.Tensor]:
        return add_depth_noise(drawn.points, drawn.visible, drawn.known, errors, seeded(6))

    depths, sure = told(NO_NOISE)
    true = centred_depths(drawn.points[..., 2], drawn.known)
    assert torch.equal(sure > 0, drawn.known)
    torch.testing.assert_close(depths, true, atol=1e-4, rtol=0)
    assert not told(NO_NOISE.model_copy(update={"no_depths": 1.0}))[1].any()
    halved, _ = told(NO_NOISE.model_copy(update={"depth_scale": (0.5, 0.5)}))
    trunk = [CANONICAL_KEYPOINTS.index(name) for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]
    both = drawn.known[:, trunk].all(1)
    apart = (halved[:, trunk] - halved[:, trunk[:1]])[both]
    torch.testing.assert_close(apart, 0.5 * (true[:, trunk] - true[:, trunk[:1]])[both], atol=1e-4, rtol=0)
    shoulder, wrist = CANONICAL_KEYPOINTS.index("left_shoulder"), CANONICAL_KEYPOINTS.index("left_wrist")
    seen = drawn.known[:, [shoulder, wrist]].all(1)
    flipped, _ = told(NO_NOISE.model_copy(update={"depth_flipped": 1.0}))
    reach = (true[:, wrist] - true[:, shoulder])[seen]
    torch.testing.assert_close((flipped[:, wrist] - flipped[:, shoulder])[seen], -reach, atol=1e-4, rtol=0)
    # A detector's errors leave most signs as they are.
    guessed, sure = told(ObservationNoise(no_depths=0.0))
    far = (true.abs() > 0.15) & (sure > 0)
    assert 0.75 < (guessed.sign() == true.sign())[far].float().mean() < 0.99
