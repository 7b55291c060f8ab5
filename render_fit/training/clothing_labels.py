"""Training of the decoder of clothing labels on synthetic people."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.observations.blazepose.clothing import SPACE, ClothingDecoder, ClothingFeatures, clothing_features
from render_fit.observations.blazepose.landmarks import LandmarkNetwork

STRIDE = 4
"""Pixels of a crop in a cell of the decoder's map."""

BACKGROUND_WEIGHT = 0.3
"""Weight of the background's cells. The observer's mask tells the person from the background already."""

MOST_WEIGHT = 4.0
"""Largest weight of a label over that of the commonest."""

CHANNEL_DROPOUT = 0.1
"""Share of the features' channels that are 0 in a step: not all of them mean the same in photographs."""

STANDARDIZED = 200
"""Crops from which the scale of the features is taken."""

BATCH, LEARNING_RATE, WARM_UP = 8, 1e-2, 20

IGNORED = 255
"""Label of cells that teach nothing."""

OnProgress = Callable[[int, int, float], None]


@torch.inference_mode()
def features_of_crops(network: LandmarkNetwork, images: UInt8[Tensor, "n 3 256 256"]) -> ClothingFeatures:
    """Features of crops in float16, one crop at a time."""
    parts = [clothing_features(network, image.float()[None] / 255).to(torch.float16) for image in images]
    return ClothingFeatures.joined(parts)


def cell_labels(labels: UInt8[Tensor, "n 256 256"]) -> UInt8[Tensor, "n 64 64"]:
    """Labels at the middles of the decoder's cells."""
    return labels[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].contiguous()


def label_weights(labels: UInt8[Tensor, "n 64 64"]) -> Float[Tensor, "l"]:
    """Weight of each label: the square root of how rare it is on people, at most `MOST_WEIGHT`."""
    counts = torch.bincount(labels[labels != IGNORED].long(), minlength=len(SPACE)).float()
    weights = (counts[1:].amax() / counts.clamp(min=1)).sqrt().clamp(max=MOST_WEIGHT)
    weights[0] = BACKGROUND_WEIGHT
    return weights


def train_decoder(
    decoder: ClothingDecoder,
    features: ClothingFeatures,
    labels: UInt8[Tensor, "n 64 64"],
    steps: int,
    seed: int,
    standardize: bool = True,
    on_progress: OnProgress | None = None,
    photos: tuple[ClothingFeatures, UInt8[Tensor, "p 64 64"]] | None = None,
    learning_rate: float = LEARNING_RATE,
) -> list[float]:
    """Trains a decoder on cached features: cross-entropy per cell, AdamW, a learning rate that falls as a cosine.

    Args:
        decoder: Decoder; trained in place.
        features: Features of N crops.
        labels: (N, 64, 64) labels of their cells.
        steps: Number of steps of `BATCH` crops.
        seed: Seed of the order and of dropped channels.
        standardize: Whether the scale of the features is taken from them first; not for a decoder that was trained.
        on_progress: Called with (steps done, steps in all, loss).
        photos: Features of P crops of photos and their labels, `IGNORED` where there is none; half of each step's
            crops are from these. The weights of labels are those of ``labels``.
        learning_rate: Largest learning rate.

    Returns:
        Loss of each step.

    Raises:
        InputError: if there is no crop.
    """
    if len(features) == 0 or len(features) != len(labels):
        raise InputError(f"clothing labels: expected crops with labels, got {len(features)} and {len(labels)}")
    generator = torch.Generator().manual_seed(seed)
    weights = label_weights(labels)
    if standardize:
        sample = torch.randperm(len(features), generator=generator)[:STANDARDIZED]
        decoder.standardize(features[sample])
    optimizer = torch.optim.AdamW(decoder.parameters(), learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / max(steps, 1)))
    )
    sources = [(features, labels)] if photos is None else [(features, labels), photos]
    orders = [_rows(len(crops), BATCH // len(sources), generator) for crops, _ in sources]
    losses = []
    decoder.to(memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
    for step in range(steps):
        rows = [next(order) for order in orders]
        drawn = ClothingFeatures.joined([crops[of] for (crops, _), of in zip(sources, rows, strict=True)])
        truth = torch.cat([cells[of] for (_, cells), of in zip(sources, rows, strict=True)])
        logits = decoder(_with_dropout(drawn.to(torch.float32), generator))
        loss = _loss(logits, truth.long(), weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if on_progress is not None:
            on_progress(step + 1, steps, losses[-1])
    decoder.eval()
    return losses


def _rows(count: int, size: int, generator: torch.Generator) -> Iterator[Int64[Tensor, "r"]]:
    """Rows of batches without end: each row once in a random order, and again in another."""
    order = torch.empty(0, dtype=torch.long)
    while True:
        if len(order) < size:
            order = torch.cat([order, torch.randperm(count, generator=generator)])
        rows, order = order[:size], order[size:]
        yield rows


def _loss(logits: Float[Tensor, "b l h w"], labels: Int64[Tensor, "b h w"], weights: Float[Tensor, "l"]) -> Tensor:
    return F.cross_entropy(logits, labels, weights, ignore_index=IGNORED)


def _with_dropout(features: ClothingFeatures, generator: torch.Generator) -> ClothingFeatures:
    """Features with some channels of some crops set to 0, the others enlarged."""
    maps = (features.at_4, features.at_8, features.at_16, features.at_32)
    kept = [torch.rand(*one.shape[:2], 1, 1, generator=generator) >= CHANNEL_DROPOUT for one in maps]
    return ClothingFeatures(*(one * keep / (1 - CHANNEL_DROPOUT) for one, keep in zip(maps, kept, strict=True)))
