"""BlazePose's landmark network as a backbone: features, landmarks and 3D landmarks of the person in a crop.

The observer's weights are used, and ship with the package already. The network has seen people in photographs, so its
features transfer from synthetic images to photos better than those of a network that has seen synthetic images alone.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.observations.blazepose.landmarks import INPUT_SIDE_PX, KEYPOINTS, POINTS, LandmarkNetwork
from render_fit.observations.blazepose.weights import read_landmark_network, read_networks
from render_fit.regressors.resnet import FeatureMaps

PERSON_SIDE_PX = 222
"""Side of the person crop inside of the network's input, pixels. The network expects more room around people than a
person crop has; at 1.15 times the crop its 3D landmarks of synthetic people are best (of 0.9 to 1.45 times)."""

BODY_MAP = 288 * 2 * 2
"""Numbers of the network's last map, 288 channels at 2 × 2 locations."""

ENCODER_MAP = 864
"""Channels of the encoder's last map, of which the mean is taken."""

FEATURES = ENCODER_MAP + BODY_MAP + POINTS * 8 + 1
"""Length of the features."""


class BlazePoseBackbone(nn.Module):
    """Features of photos by BlazePose's landmark network.

    Frozen, its weights are not parameters of this module: they are the observer's, shared by all regressors, and no
    part of checkpoints. Otherwise they start from the observer's, are trained, and are saved.

    Args:
        frozen: Whether the weights stay those of the observer.
    """

    def __init__(self, frozen: bool = True) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_channels=3)
        self.channels = [FEATURES]
        self.frozen = frozen
        if not frozen:
            self.network = _without_maps(read_landmark_network())

    def forward(self, photo: Float[Tensor, "n 3 s s"]) -> FeatureMaps:
        """Features of person crops.

        Args:
            photo: (N, 3, S, S) sRGB from −1 to 1, 0 outside of the photo. Resized to the network's resolution.

        Returns:
            One feature map of a single location: the mean of the encoder's last map; the last map of all; x, y, z of
            the landmarks (units of half the crop's side) with visibility and presence; 3D landmarks (half metres);
            presence of a person. The hidden states are the encoder's maps at 1/4, 1/8, 1/16 and 1/32 of the resolution.

        Differentiability: piecewise smooth; in the photo only if frozen, and then without gradient.
        """
        if not self.frozen:
            return _features(self.network, _network_input(photo))
        network = _observers_network(str(photo.device))
        with torch.no_grad(), torch.autocast(photo.device.type, enabled=False):
            images = _network_input(photo.float())
            if photo.device.type != "cpu" or torch.jit.is_tracing():
                return _features(network, images)
            # One by one a CPU is fastest: what the layers hand on stays in its cache.
            parts = [_features(network, image) for image in images.split(1)]
        maps = zip(*(part.hidden_states for part in parts), strict=True)
        return FeatureMaps((torch.cat([part.feature_maps[0] for part in parts]),), tuple(map(torch.cat, maps)))


def world_landmarks(features: Float[Tensor, "n f"]) -> Float[Tensor, "n 33 3"]:
    """BlazePose's 3D landmarks in its features, `core.skeletons.MEDIAPIPE_33`, metres in camera axes from the hips."""
    first = ENCODER_MAP + BODY_MAP + 5 * POINTS
    return features[:, first : first + 3 * POINTS].unflatten(1, (POINTS, 3))[:, :KEYPOINTS] / 2


@cache
def _observers_network(device: str) -> LandmarkNetwork:
    """The observer's landmark network on a device, without its decoders of mask and heat maps."""
    network = _without_maps(read_networks()[1])
    return network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _without_maps(network: LandmarkNetwork) -> LandmarkNetwork:
    """The network without the layers that only mask and heat maps need."""
    for name, _ in list(network.named_children()):
        if name not in ("encoder", "body", "landmarks", "world", "presence"):
            delattr(network, name)
    return network


def _network_input(photo: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 3 256 256"]:
    """RGB in [0, 1] at the network's resolution, with repeated border pixels around the crop."""
    border = (INPUT_SIDE_PX - PERSON_SIDE_PX) // 2
    side = (PERSON_SIDE_PX, PERSON_SIDE_PX)
    image = F.interpolate((photo + 1) / 2, side, mode="bilinear", align_corners=False)
    return F.pad(image, [border] * 4, mode="replicate").contiguous(memory_format=torch.channels_last)


def _features(network: LandmarkNetwork, image: Float[Tensor, "n 3 256 256"]) -> FeatureMaps:
    """Features of images at the network's resolution."""
    maps = network.encoder(image)
    body = network.body(maps[-1])
    points = network.landmarks(body).flatten(1)  # of each landmark x, y, z, visibility, presence
    columns = torch.arange(5 * POINTS, device=image.device)
    place, likely = points[:, columns % 5 < 3], points[:, columns % 5 >= 3]
    centre = image.new_tensor([INPUT_SIDE_PX / 2, INPUT_SIDE_PX / 2, 0.0]).repeat(POINTS)
    joined = [
        maps[-1].mean((2, 3)),
        body.flatten(1),
        (place - centre) / (PERSON_SIDE_PX / 2),
        likely.sigmoid(),
        2 * network.world(body).flatten(1),
        network.presence(body).flatten(1).sigmoid(),
    ]
    return FeatureMaps((torch.cat(joined, 1)[:, :, None, None],), tuple(maps[1:]))
