"""Agreement of predicted clothing labels with human ones, in the seven groups that both name alike."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from render_fit.core.parts import ATR

GROUPS: dict[str, tuple[str, ...]] = {
    "skin": ("face", "left-arm", "right-arm", "left-leg", "right-leg"),
    "hair": ("hair",),
    "upper clothes": ("upper-clothes", "scarf"),
    "lower clothes": ("pants",),
    "dress or skirt": ("dress", "skirt"),
    "shoes": ("left-shoe", "right-shoe"),
    "bag": ("bag",),
}
"""Labels of ATR in each group. Hats, belts and sunglasses are in none."""


def grouped(labels: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    """Number of the group of each label of ATR, from 1; 0 for labels in no group."""
    table = torch.zeros(len(ATR), dtype=torch.int64)
    for number, names in enumerate(GROUPS.values(), start=1):
        table[[ATR.labels.index(name) for name in names]] = number
    return table[labels.long()]


def group_counts(
    predicted: Int[Tensor, "h w"], human: Int[Tensor, "h w"], counted: Bool[Tensor, "h w"] | None = None
) -> Float[Tensor, "g 2"]:
    """Pixels in the intersection and in the union of each group, which are added up over photos.

    Args:
        predicted: (H, W) labels of ATR.
        human: (H, W) labels of ATR.
        counted: (H, W) pixels that count; all if None.
    """
    ours, theirs = grouped(predicted), grouped(human)
    if counted is not None:
        ours, theirs = ours[counted], theirs[counted]
    rows = []
    for number in range(1, len(GROUPS) + 1):
        both = ((ours == number) & (theirs == number)).sum()
        rows.append(torch.stack([both, ((ours == number) | (theirs == number)).sum()]))
    return torch.stack(rows).double()


def group_ious(counts: Float[Tensor, "g 2"]) -> Mapping[str, float | None]:
    """IoU of each group, None where there is no such pixel, and ``mean`` of those that there are."""
    ious = {name: float(row[0] / row[1]) if row[1] > 0 else None for name, row in zip(GROUPS, counts, strict=True)}
    known = [value for value in ious.values() if value is not None]
    return {**ious, "mean": sum(known) / len(known) if known else None}
