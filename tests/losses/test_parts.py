"""Part likelihood: a value by hand, and which pose and which labels it prefers."""

import math

import pytest
import torch

from render_fit.bodies import BodyParameters
from render_fit.core.parts import PART_SPACES
from render_fit.core.skeletons import SMPL_24, mirrored_name
from render_fit.losses.pixels import PartLikelihood
from tests.losses.factories import (
    SIZE,
    at,
    drawn,
    finite_gradient,
    joined,
    leaves,
    moved,
    painted,
    seen,
    standing,
    targets,
)

SMPL = PART_SPACES["smpl24"]
HEAD = SMPL_24.index("head")


def test_by_hand():
    """Four pixels, one of them head; a half of it drawn as head, the rest background."""
    labels, parts = torch.zeros(1, 2, 2, dtype=torch.int64), torch.zeros(1, 24, 2, 2)
    labels[0, 0, 0], parts[0, HEAD, 0, 0] = HEAD + 1, 0.5
    value = PartLikelihood()(painted(targets(2, labels=labels, part_space=SMPL), parts=parts)).item()
    # An outlier share of 2 % is spread over 25 labels: 0.98 + 0.0008 for a part's own label, 0.0008 for any other.
    assert value == pytest.approx(-math.log(0.5 * 0.9808 + 0.5 * 0.0008) - 3 * math.log(0.9808), rel=1e-4)


def test_one_wrong_pixel_costs_a_bounded_amount():
    labels = torch.full((1, 2, 2), HEAD + 1, dtype=torch.int64)
    value = PartLikelihood()(painted(targets(2, labels=labels, part_space=SMPL), parts=torch.zeros(1, 24, 2, 2)))
    assert value.item() <= -math.log(1e-6) + 1e-4


def test_true_pose_is_preferred():
    true = drawn("waving").parameters
    raised, turned = true.pose, true.pose
    raised[0, SMPL_24.index("right_shoulder"), 2] += 0.8
    turned[0, 0] = torch.tensor([0.0, 0.0, math.pi])  # seen from behind: much the same silhouette, other labels
    states = [true] + [BodyParameters.from_rotvec(pose, true.betas, true.transl) for pose in (raised, turned)]
    right, arm, back = PartLikelihood()(at(seen("waving"), joined(*states)))
    assert right < arm - 0.05
    assert right < back - 0.5


def test_swapped_sides_are_worse():
    swap = torch.tensor([0] + [1 + SMPL_24.index(mirrored_name(name)) for name in SMPL_24.joints])
    scene = at(seen(), drawn().parameters)
    swapped = targets(person_size_px=48.0, labels=swap[seen().labels], part_space=SMPL)
    assert PartLikelihood()(scene) < PartLikelihood()(at(swapped, drawn().parameters)) - 0.5


def test_rows_do_not_couple():
    states = [drawn().parameters, moved(drawn().parameters, (0.2, 0.0, 0.0))]
    together = PartLikelihood()(at(seen(), joined(*states)))
    alone = torch.cat([PartLikelihood()(at(seen(), state)) for state in states])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_invalid_pixels_do_not_count():
    valid = torch.ones(1, SIZE, SIZE, dtype=torch.bool)
    valid[:, : SIZE // 2] = False
    other = torch.where(valid, seen().labels, 7)
    values = [
        PartLikelihood()(at(targets(labels=labels, part_space=SMPL, valid=valid), drawn().parameters)).item()
        for labels in (seen().labels, other)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


@pytest.mark.parametrize("transl", [(5.0, 0.3, 4.0), (0.0, 0.3, -4.0)], ids=["beside the image", "behind the camera"])
def test_finite_where_nothing_overlaps(transl):
    parameters, wanted = leaves(standing(transl=transl))
    finite_gradient(PartLikelihood(), at(seen(), parameters), wanted)


def test_finite_where_nothing_is_labelled():
    parameters, wanted = leaves(standing())
    nothing = targets(labels=torch.zeros(1, SIZE, SIZE, dtype=torch.int64), part_space=SMPL)
    finite_gradient(PartLikelihood(), at(nothing, parameters), wanted)


def test_no_labels_is_said_clearly():
    with pytest.raises(ValueError, match="labels: the observation has no part map"):
        PartLikelihood()(at(targets(), standing()))
