"""An observer's label map beside a given mask."""

import torch

from render_fit.core.parts import ATR
from render_fit.observations.observation import Observation
from render_fit.observations.observe import _merged
from render_fit.observations.observed_labels import labels_within

FACE, PANTS, BAG = (ATR.labels.index(name) for name in ("face", "pants", "bag"))


def maps():
    """A mask of 8 columns; labels of 6 of them, a bag in one, and some beyond the mask."""
    mask, labels = torch.zeros(12, 20), torch.zeros(12, 20, dtype=torch.long)
    mask[:, 4:12] = 1.0
    labels[:6, 5:11], labels[6:, 5:11], labels[9:, 4], labels[:, 14:16] = FACE, PANTS, BAG, PANTS
    return mask, labels


def test_labels_end_at_the_mask_and_fill_it():
    mask, labels = maps()
    found = labels_within(labels, mask, ATR)
    assert torch.equal(found > 0, mask > 0)
    assert found[2, 4] == found[2, 11] == FACE and found[8, 4] == found[8, 11] == PANTS
    assert bool((found[9:, 4] == BAG).all()) and torch.equal(found[:, 5:11], labels[:, 5:11])


def test_labels_of_somebody_else_are_left_out_and_told():
    mask, labels = maps()
    assert labels_within(labels.roll(12, dims=1), mask, ATR) is None
    given = Observation.of(torch.zeros(3, 12, 20), mask=mask, source="mask.png")
    found = Observation.of(torch.zeros(3, 12, 20), labels=labels.roll(12, dims=1), part_space=ATR, source="parser")
    merged = _merged(given, found)
    assert merged.labels is None and "parts" not in merged.source
    assert merged.notes == ("label map of parser left out: it is not of the person of the mask",)
