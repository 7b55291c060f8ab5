"""Groups of clothing labels, and their IoU."""

import pytest
import torch

from render_fit.core.parts import ATR
from render_fit.evaluation.clothing_labels import GROUPS, group_counts, group_ious, grouped


def label(name: str) -> int:
    return ATR.labels.index(name)


def test_every_label_is_in_one_group_or_none():
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names)) and set(names) <= set(ATR.labels)
    assert grouped(torch.tensor([0, label("hat"), label("left-arm"), label("bag")])).tolist() == [0, 0, 1, 7]


def test_iou_by_hand():
    human = torch.zeros(4, 4, dtype=torch.int64)
    human[:2], human[2:] = label("hair"), label("pants")
    ours = human.clone()
    ours[1] = label("pants")
    counts = group_counts(ours, human)
    ious = group_ious(counts)
    # hair: 4 of 8 pixels; trousers: 8 of 12; no other group occurs
    assert ious["hair"] == 0.5 and ious["lower clothes"] == pytest.approx(2 / 3)
    assert ious["bag"] is None and ious["mean"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    counted = torch.ones(4, 4, dtype=torch.bool)
    counted[1] = False
    assert group_ious(group_counts(ours, human, counted))["mean"] == 1


def test_sides_are_not_compared():
    left, right = torch.full((2, 2), label("left-leg")), torch.full((2, 2), label("right-leg"))
    assert group_ious(group_counts(left, right))["skin"] == 1
