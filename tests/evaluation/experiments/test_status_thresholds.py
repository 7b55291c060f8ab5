"""The experiment on statuses: the perturbations of observations, and the rule that chooses thresholds."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.evaluation.experiments import status_thresholds
from render_fit.evaluation.tables import Metrics
from render_fit.fitting.quality import Quality, Thresholds, fit_status
from render_fit.observations.observation import box_of_mask
from render_fit.synthesis import everyday_pose, perturbations, synthetic_scene

POINTS = ("keypoints_px", "confidence")


@pytest.fixture(scope="module")
def people():
    body = open_body()
    scenes = (synthetic_scene(body, everyday_pose(pose), seed) for seed, pose in enumerate(("walking", "t_pose")))
    return tuple(scene.observation(parts=False) for scene in scenes)


@pytest.fixture
def seen(people):
    return people[0]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def same(a, b, *names):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in names)


def test_keypoints_are_off_by_a_share_of_the_box(seen, rng):
    moved = [perturbations.jitter_keypoints(seen, 0.06, rng).keypoints_px - seen.keypoints_px for _ in range(40)]
    assert torch.stack(moved).std() == pytest.approx(0.06 * max(seen.box[2:]), rel=0.1)
    assert torch.stack(moved).mean().abs() < 0.01 * max(seen.box[2:])


def test_sides_are_swapped_in_all_keypoints(seen):
    swapped = perturbations.swap_sides(seen)
    for side, other in (("left", "right"), ("right", "left")):
        for joint in ("eye", "shoulder", "wrist", "ankle"):
            to, of = seen.skeleton.index(f"{side}_{joint}"), seen.skeleton.index(f"{other}_{joint}")
            assert torch.equal(swapped.keypoints_px[to], seen.keypoints_px[of])
            assert swapped.confidence[to] == seen.confidence[of]
    nose = seen.skeleton.index("nose")
    assert torch.equal(swapped.keypoints_px[nose], seen.keypoints_px[nose])
    assert same(perturbations.swap_sides(swapped), seen, *POINTS)


@pytest.mark.parametrize("better", ["left", "right"])
def test_a_limb_moves_onto_the_better_seen_one(seen, rng, better):
    weak = [joint for joint in seen.skeleton.joints if "_" in joint and not joint.startswith(better)]
    confidence = torch.ones(17)
    confidence[[seen.skeleton.index(joint) for joint in weak]] = 0.5
    seen = replace(seen, confidence=confidence)
    limbs = set()
    for _ in range(10):
        moved = perturbations.move_limb_to_other_side(seen, rng)
        changed = torch.nonzero((moved.keypoints_px != seen.keypoints_px).any(dim=1)).flatten().tolist()
        limbs.add(tuple(seen.skeleton.joints[index] for index in changed))
        for index in changed:
            twin = seen.skeleton.left_right_swap[index]
            assert torch.equal(moved.keypoints_px[index], seen.keypoints_px[twin]) and moved.confidence[index] == 1
    other = "right" if better == "left" else "left"
    assert limbs == {(f"{other}_elbow", f"{other}_wrist"), (f"{other}_knee", f"{other}_ankle")}


def test_half_of_the_annotated_keypoints_go_missing(seen, rng):
    seen = replace(seen, confidence=torch.tensor([0.0, 0.5] + 15 * [1.0]))
    left = perturbations.drop_keypoints(seen, rng).confidence
    assert int((left > 0).sum()) == 8
    assert torch.equal(left[left > 0], seen.confidence[left > 0])


def test_masks_are_shifted_cut_and_widened(seen, rng):
    left, top, width, height = seen.box
    moved = box_of_mask(perturbations.shift_mask(seen, 0.1, rng).mask)
    assert moved[2:] == seen.box[2:]
    assert abs(moved[0] - left) == round(0.1 * width) and abs(moved[1] - top) == round(0.1 * height)
    cut = perturbations.cut_lower_half(seen).mask
    middle = round(top + height / 2)
    assert not cut[middle:].any() and torch.equal(cut[:middle], seen.mask[:middle])
    wide = perturbations.dilate_mask(seen, 0.06).mask
    wider = box_of_mask(wide)
    assert wider[2] - width == pytest.approx(0.12 * height, abs=2) and height > width
    assert top - wider[1] == pytest.approx(0.06 * height, abs=1)
    assert (wide[seen.mask >= 0.5] == 1).all()


@pytest.mark.parametrize("kind", perturbations.PERTURBATIONS)
def test_a_perturbation_changes_either_mask_or_keypoints(people, rng, kind):
    seen, other = people
    made = perturbations.perturb(seen, kind, other, rng)
    assert same(made, seen, "mask") == ("mask" not in kind)
    assert same(made, seen, *POINTS) == ("mask" in kind or kind == "nothing")
    if "another" in kind:
        assert same(made, other, "mask") if "mask" in kind else same(made, other, *POINTS)
    # the box holds all that is left, as an observed person's does
    left, top, width, height = made.box
    points = made.keypoints_px[made.confidence > 0]
    assert (points >= torch.tensor([left, top]) - 1e-3).all()
    assert (points <= torch.tensor([left + width, top + height]) + 1e-3).all()


def quality(iou: float, error: float) -> Quality:
    return Quality(iou, None, error, 1.0)


def test_chosen_thresholds_separate_bad_from_not_bad():
    fine = [quality(*figures) for figures in ((0.92, 0.012), (0.81, 0.018), (0.78, 0.033), (0.55, 0.02), (0.52, 0.02))]
    bad = [quality(iou, 0.02) for iou in (0.74, 0.62, 0.60, 0.41, 0.3)] + [quality(0.9, 0.057), quality(0.9, 0.13)]
    chosen = status_thresholds.choose_thresholds(fine + bad, [False] * len(fine) + [True] * len(bad))
    # ok: from 0.75 on, under the 5.7 % of a bad one. failed: 0.75 would find all but be wrong in 2 of 9 cases;
    # what finds 0.41 and 0.3 without the two good ones over 0.5 starts at 0.45.
    assert chosen == Thresholds(iou_ok=0.75, keypoint_error_ok=0.055, iou_failed=0.45, keypoint_error_failed=0.055)
    assert (
        status_thresholds.youden([fit_status(one, chosen)[0] == "ok" for one in fine + bad], [False] * 5 + [True] * 7)
        == 0.6
    )


def test_no_fit_is_failed_where_no_limit_separates_bad_from_good():
    figures = [quality(iou, 0.01) for iou in (0.3, 0.2, 0.25, 0.9)]
    chosen = status_thresholds.choose_thresholds(figures, [False, False, True, True])
    assert (chosen.iou_failed, chosen.keypoint_error_failed) == (0.0, math.inf)


def test_the_area_under_the_roc_curve_is_the_share_of_pairs_in_order():
    def people(sign: str, bad: list[float], others: list[float]) -> list[Metrics]:
        return [
            Metrics({"in_3d": grade, sign: value}) for grade, some in (("bad", bad), ("good", others)) for value in some
        ]

    # of the six pairs (0.4, 0.2, 0.1 against 0.3, 0.1) three are in order and one is a tie
    assert status_thresholds.roc_area(people("unexplained", [0.4, 0.2, 0.1], [0.3, 0.1]), "unexplained") == 0.583
    # a small IoU is the sign of a bad fit
    assert status_thresholds.roc_area(people("iou", [0.2, 0.3], [0.8, 0.9]), "iou") == 1
    assert status_thresholds.roc_area(people("iou", [0.9], [0.8, 0.7]), "iou") == 0
    assert status_thresholds.roc_area([Metrics({"in_3d": "bad", "iou": None})], "iou") is None
    assert status_thresholds.roc_area(people("body_outside", [], [0.1]), "body_outside") is None


def test_errors_are_counted_by_status():
    def person(grade: str, flips: int = 0) -> Metrics:
        error = {"good": 50.0, "usable": 100.0, "bad": 150.0}[grade]
        return Metrics({"in_3d": grade, "pa_mpjpe": error, "limb_flips": flips, "facing_flipped": False})

    people = [person("good"), person("usable"), person("bad", 2), person("bad"), person("good"), person("bad")]
    row = status_thresholds.errors_by_status(people, ["ok", "ok", "ok", "poor", "failed", "failed"], Thresholds())
    assert row["status"] == "3 ok, 1 poor, 2 failed"
    assert row["mean, median PA-MPJPE of ok, mm"] == "100.0, 100.0"
    assert row["good among ok"] == "1 of 3 (33%)"
    assert row["bad among failed"] == "1 of 2 (50%)"
    assert row["bad called failed"] == "1 of 3 (33%)"
    assert row["bad that slipped through as ok"] == "1 of 3 (33%)"
    assert row["of these with a limb flipped in depth or facing the wrong way"] == "1 of 1 (100%)"
    assert row["ok against bad, Youden index"] == pytest.approx(2 / 3 - 1 / 3, abs=0.01)


def test_a_clothed_persons_body_is_ok():
    assert fit_status(quality(0.80, 0.015))[0] == "ok"
