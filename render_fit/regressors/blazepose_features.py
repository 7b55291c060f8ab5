"""Features of views of people by BlazePose's landmark network, with the observer's weights or others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from render_fit.observations.blazepose.landmarks import INPUT_SIDE_PX, POINTS, LandmarkNetwork
from render_fit.observations.blazepose.weights import read_networks

PERSON_SIDE_PX = 222
"""Side of the person crop inside of the network's input in the first look, pixels. The network expects more room around
people than a person crop has; at 1.15 times the crop its 3D landmarks of synthetic people are best (of 0.9 to 1.45
times)."""

BODY_MAP = 288 * 2 * 2
"""Numbers of the network's last map, 288 channels at 2 × 2 locations."""

ENCODER_MAP = 864
"""Channels of the encoder's last map, of which the mean is taken."""

FEATURES = ENCODER_MAP + BODY_MAP + POINTS * 8 + 1
"""Length of the features of one view."""

Look = Callable[[Float[Tensor, "n 3 256 256"]], Float[Tensor, "n f"]]
"""Computes the features of views, as `view_features`."""


def view_features(network: LandmarkNetwork, image: Float[Tensor, "n 3 256 256"]) -> Float[Tensor, "n f"]:
    """Features of views, RGB in [0, 1], at the network's resolution.

    Returns:
        (N, F) the mean of the encoder's last map; the last map of all; x, y, z of the landmarks (units of half the
        view's side) with visibility and presence; 3D landmarks (half metres); presence of a person.

    Differentiability: piecewise smooth in weights and image.
    """
    last = network.encoder(image)[-1]
    body = network.body(last)
    points = network.landmarks(body).flatten(1)  # of each landmark x, y, z, visibility, presence
    columns = torch.arange(5 * POINTS, device=image.device)
    place, likely = points[:, columns % 5 < 3], points[:, columns % 5 >= 3]
    half = INPUT_SIDE_PX / 2
    joined = [
        last.mean((2, 3)),
        body.flatten(1),
        (place - image.new_tensor([half, half, 0.0]).repeat(POINTS)) / half,
        likely.sigmoid(),
        2 * network.world(body).flatten(1),
        network.presence(body).flatten(1).sigmoid(),
    ]
    return torch.cat(joined, 1)


def frozen_network(device: str = "cpu") -> LandmarkNetwork:
    """The observer's landmark network on a device, without its decoders of mask and heat maps; one for all callers."""
    return _frozen_network(device)


@cache
def _frozen_network(device: str) -> LandmarkNetwork:
    network = without_maps(read_networks()[1])
    return network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def without_maps(network: LandmarkNetwork) -> LandmarkNetwork:
    """The network without the layers that only mask and heat maps need."""
    for name, _ in list(network.named_children()):
        if name not in ("encoder", "body", "landmarks", "world", "presence"):
            delattr(network, name)
    return network


def observers_look(device: str) -> Look:
    """`view_features` with the observer's weights, in torch.

    One by one a CPU is fastest: what the layers hand on stays in its cache.
    """
    network = frozen_network(device)

    def look(images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        if device != "cpu" or torch.jit.is_tracing() or not len(images):
            return view_features(network, images)
        return torch.cat([view_features(network, image) for image in images.split(1)])

    return look


def upright_views(crops: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 3 256 256"]:
    """Crops, RGB in [0, 1], with repeated border pixels around them, at the network's resolution."""
    border = (INPUT_SIDE_PX - PERSON_SIDE_PX) // 2
    images = F.interpolate(crops, (PERSON_SIDE_PX, PERSON_SIDE_PX), mode="bilinear", align_corners=False)
    return F.pad(images, [border] * 4, mode="replicate")
