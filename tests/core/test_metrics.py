"""Metrics against values calculated by hand."""

import math

import pytest
import torch

from render_fit.core import metrics


def square(height: int, width: int, top: int, left: int, size: int) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, top : top + size, left : left + size] = 1
    return mask


def test_iou_of_two_shifted_squares():
    # Two 4 × 4 squares that share 4 × 2 pixels: 8 / 24.
    score = metrics.iou(square(10, 10, 2, 2, 4), square(10, 10, 2, 4, 4))
    torch.testing.assert_close(score, torch.tensor([1 / 3]))


def test_soft_iou_counts_partial_pixels_and_invalid_pixels_are_ignored():
    half = 0.5 * square(10, 10, 2, 2, 4)
    torch.testing.assert_close(metrics.soft_iou(half, square(10, 10, 2, 2, 4)), torch.tensor([0.5]))
    valid = torch.ones(1, 10, 10, dtype=torch.bool)
    valid[:, :, 4:] = False
    for iou in (metrics.soft_iou, metrics.iou):
        shifted = iou(square(10, 10, 2, 2, 4), square(10, 10, 3, 2, 4), valid)
        torch.testing.assert_close(shifted, torch.tensor([6 / 10]))


def test_iou_thresholds_at_half():
    # Three pixels above 0.5 and one at exactly 0.5, against four.
    mask = torch.tensor([[[0.51, 0.9, 1.0, 0.5]]])
    torch.testing.assert_close(metrics.iou(mask, torch.ones(1, 1, 4)), torch.tensor([3 / 4]))


def test_iou_of_empty_masks():
    empty = torch.zeros(2, 4, 4)
    full = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)])
    assert metrics.iou(empty, full).tolist() == metrics.soft_iou(empty, full).tolist() == [1.0, 0.0]


def test_part_iou_averages_over_the_parts_that_the_truth_shows():
    true = torch.tensor([[[1, 1, 2, 0]]])
    predicted = torch.tensor([[[1, 2, 2, 3]]])
    # part 1: 1/2, part 2: 1/2; part 3 is not in the truth.
    torch.testing.assert_close(metrics.part_iou(predicted, true, 4), torch.tensor([0.5]))
    assert metrics.part_iou(predicted, torch.zeros_like(true), 4).isnan().all()
    # Without the first two pixels only part 2 remains, with 1/1; the others are absent from the truth.
    valid = torch.tensor([[[False, False, True, True]]])
    torch.testing.assert_close(
        metrics.part_ious(predicted, true, 4, valid), torch.tensor([[math.nan, 1.0, math.nan]]), equal_nan=True
    )


def test_mpjpe_literal():
    true = torch.zeros(1, 2, 3)
    predicted = torch.tensor([[[0.3, 0.4, 0.0], [0.0, 0.0, 0.1]]])
    torch.testing.assert_close(metrics.mpjpe(predicted, true), torch.tensor([0.3]))
    torch.testing.assert_close(metrics.mpjpe(predicted, true, torch.tensor([[False, True]])), torch.tensor([0.1]))
    # About the first joint the second is off by (−0.3, −0.4, 0.1).
    torch.testing.assert_close(metrics.mpjpe(predicted, true, root=0), torch.tensor([math.sqrt(0.26) / 2]))


def test_n_mpjpe_takes_out_size_only():
    true = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]])
    assert metrics.n_mpjpe(0.5 * true + 3.0, true).item() == pytest.approx(0, abs=1e-6)
    quarter_turn = true[..., [1, 0, 2]] * torch.tensor([-1.0, 1, 1])
    # Rotated by 90° the least-squares factor is 0, so all that is left is the true bones: (1 + 2) / 3.
    assert metrics.n_mpjpe(quarter_turn, true).item() == pytest.approx(1.0, abs=1e-6)


def test_pa_mpjpe_takes_out_a_similarity_but_not_a_mirror():
    true = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    turned = true[..., [1, 2, 0]] * 1.7 + torch.tensor([0.2, -3.0, 5.0])
    assert metrics.pa_mpjpe(turned, true).item() == pytest.approx(0, abs=1e-5)
    mirrored = true * torch.tensor([-1.0, 1, 1])
    # scipy.optimize.minimize over rotation vector, translation and log scale, best of 20 starts: 0.42815.
    assert metrics.pa_mpjpe(mirrored, true).item() == pytest.approx(0.42815, abs=2e-5)


def test_pa_mpjpe_of_one_moved_joint_is_below_mpjpe():
    # A square in a plane with one corner lifted; the optimum was found by scipy.optimize.minimize over
    # rotation vector, translation and scale (sum of squares), then the mean distance taken: 0.12122.
    true = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]], dtype=torch.float64)
    lifted = true.clone()
    lifted[0, 2, 2] = 0.5
    assert metrics.pa_mpjpe(lifted, true).item() == pytest.approx(0.12122, abs=2e-5)


def test_pa_mpjpe_is_scipys_procrustes():
    # from scipy.spatial import procrustes; a, b, _ = procrustes(true, points)
    # np.linalg.norm(a - b, axis=1).mean() * np.linalg.norm(true - true.mean(0))  # 0.0900242531801478
    true = [[0.296, 0.909, -0.53], [-0.773, 0.729, 0.585], [-0.88, -0.358, 0.972],
            [0.108, -1.0, 0.15], [0.961, -0.398, -0.859], [0.619, 0.699, -0.799]]  # fmt: skip
    points = [
        [1.79675, 2.770541, 2.145155],
        [1.260147, 2.846572, 4.172725],
        [0.40807, 1.714634, 4.740566],
        [0.285698, 0.801939, 3.211537],
        [1.032481, 1.314436, 1.531461],
        [1.715331, 2.706725, 1.79278],
    ]
    found = metrics.pa_mpjpe(*(torch.tensor([one], dtype=torch.float64) for one in (points, true)))
    assert found.item() == pytest.approx(0.0900242531801478, abs=1e-9)


def test_part_f1_is_the_dice_coefficient_of_the_labels_in_the_truth():
    true = torch.tensor([[[1, 1, 2, 0]], [[0, 0, 0, 0]]])
    predicted = torch.tensor([[[1, 2, 2, 3]], [[1, 0, 0, 0]]])
    # sklearn.metrics.f1_score(true[0].ravel(), predicted[0].ravel(), labels=[1, 2], average=None): [0.667, 0.667]
    found = metrics.part_f1(predicted, true, 4)
    assert found[0].item() == pytest.approx(2 / 3) and found[1].isnan()


def test_pve_alignments():
    true = torch.tensor([[[0.0, 0, 0], [0, 2, 0], [1, 1, 0], [-1, 1, 0]]])
    moved = 1.5 * true + torch.tensor([0.0, 0.0, 4.0])
    assert metrics.pve(true + torch.tensor([0.0, 3, 4]), true).item() == pytest.approx(5.0)
    assert metrics.pve(moved, true, align="scale").item() == pytest.approx(0, abs=1e-6)
    # Distances from the mean are all 1 and grow to 1.5.
    assert metrics.pve(moved, true, align="translation").item() == pytest.approx(0.5)
    turned = true[..., [1, 0, 2]]
    assert metrics.pve(turned, true, align="scale").item() > 0.1
    assert metrics.pve(turned, true, align="procrustes").item() == pytest.approx(0, abs=1e-5)
    with pytest.raises(ValueError, match="align"):
        metrics.pve.__wrapped__(true, true, align="size")


def test_pve_t_sc_compares_proportions_by_rms_size():
    # A 1 × 3 cross against a 1 × 1 cross: both have points at ± (a, b); RMS distances are sqrt(5) and 1,
    # so the arms become 1/sqrt(5) and 3/sqrt(5): errors 0.5528 and 0.3416, mean 0.4472.
    true = torch.tensor([[[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]])
    long = true * torch.tensor([1.0, 3.0, 1.0])
    assert metrics.pve_t_sc(long, true).item() == pytest.approx(0.4472, abs=1e-4)


def test_pve_t_sc_is_that_of_ssp3d():
    # akashsengupta1997/SSP-3D, metrics.py: scale_and_translation_transform_batch(P, T), then
    # np.linalg.norm(transformed - T, axis=-1).mean()  # 0.7705608567515687
    P = [[2.414, 3.273, 1.258], [0.918, 3.021, 2.819], [0.768, 1.499, 3.361], [2.151, 0.6, 2.21], [3.345, 1.443, 0.797]]
    T = [[0.343, 0.929, -0.397], [-0.906, 0.45, 0.879], [-0.501, -0.85, 0.551], [0.818, -0.599, -0.783],
         [0.645, 0.745, -0.688]]  # fmt: skip
    found = metrics.pve_t_sc(*(torch.tensor([one], dtype=torch.float64) for one in (P, T)))
    assert found.item() == pytest.approx(0.7705608567515687, abs=1e-9)


def test_pck_is_mmposes():
    # mmpose, keypoint_pck_accuracy: d = np.linalg.norm((pred - gt) / 20, axis=-1)
    # [(d[mask] < thr).mean() for thr in (0.05, 0.3, 0.45, 0.5)]
    predicted = torch.tensor([[[10.0, 10.0], [52.0, 11.0], [33.0, 48.0], [70.0, 80.0]]])
    true = torch.tensor([[[12.0, 10.0], [50.0, 20.0], [30.0, 40.0], [70.0, 95.0]]])
    visible, reference = torch.tensor([[True, True, True, False]]), torch.tensor([20.0])
    found = [metrics.pck(predicted, true, visible, reference, t).item() for t in (0.05, 0.3, 0.45, 0.5)]
    assert found == pytest.approx([0.0, 1 / 3, 2 / 3, 1.0])


def test_keypoint_error_and_pck_of_the_box():
    true = torch.tensor([[[10.0, 10.0], [50.0, 10.0], [0.0, 0.0]]])
    predicted = torch.tensor([[[13.0, 14.0], [50.0, 30.0], [90.0, 90.0]]])
    visible = torch.tensor([[True, True, False]])
    reference = metrics.box_reference(torch.tensor([[0.0, 0.0, 40.0, 100.0]]))
    assert reference.tolist() == [100.0]
    # 5 px and 20 px of 100 px; the third is not visible.
    error = metrics.keypoint_error(predicted, true, visible, reference)
    torch.testing.assert_close(error, torch.tensor([0.125]))
    torch.testing.assert_close(metrics.keypoint_error(predicted[:, :2], true[:, :2]), torch.tensor([12.5]))  # pixels
    scores = [metrics.pck(predicted, true, visible, reference, t).item() for t in (0.04, 0.05, 0.2)]
    assert scores == [0.0, 0.5, 1.0]
    nothing = torch.zeros_like(visible)
    assert metrics.pck(predicted, true, nothing, reference, 0.1).isnan().all()


def test_pckh_measures_by_the_head():
    true = torch.tensor([[[0.0, 0.0], [0.0, 20.0], [50.0, 50.0], [80.0, 50.0]]])
    predicted = true + torch.tensor([[[0.0, 0], [0, 0], [9, 0], [11, 0]]])
    visible = torch.tensor([[False, False, True, True]])
    # Head segment 20 px, threshold 10 px.
    assert metrics.pckh(predicted, true, visible, head_top=0, neck=1).item() == 0.5
