"""BlazePose's landmark network as a backbone: features, landmarks and 3D landmarks of the person in a crop.

The observer's weights are used, and ship with the package already. The network has seen people in photographs, so its
features transfer from synthetic images to photos better than those of a network that has seen synthetic images alone.
It expects people head up and of a certain size. So it looks twice, as MediaPipe does: the features of the upright crop
tell where the person's hips and head are (`ViewFinder`), and a second look sees the person turned and zoomed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.observations.blazepose.landmarks import INPUT_SIDE_PX, KEYPOINTS, POINTS, LandmarkNetwork
from render_fit.observations.blazepose.weights import read_landmark_network, read_networks
from render_fit.regressors.turned_view import PersonFeatures, TurnedView
from render_fit.regressors.view_finder import view_finder

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


class BlazePoseBackbone(nn.Module):
    """Features of photos by BlazePose's landmark network.

    Frozen, its weights are not parameters of this module: they are the observer's, shared by all regressors, and no
    part of checkpoints. Otherwise they start from the observer's, are trained, and are saved; the first look, which
    only finds the view, keeps to the observer's.

    Args:
        frozen: Whether the weights stay those of the observer.

    Attributes:
        look: Computes features of views with the observer's weights; None: torch does. See `onnx_look`.
    """

    def __init__(self, frozen: bool = True) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_channels=3)
        self.channels = [FEATURES]
        self.frozen = frozen
        self.look: Look | None = None
        if not frozen:
            self.network = _without_maps(read_landmark_network())

    def forward(self, photo: Float[Tensor, "n 3 s s"], focal: Float[Tensor, "n"]) -> PersonFeatures:
        """Features of person crops, in the axes of turned views.

        Args:
            photo: (N, 3, S, S) sRGB from −1 to 1, 0 outside of the photo. Resized to the network's resolution.
            focal: (N,) focal length over the side of the crop.

        Returns:
            The turned views, and features of them and of their mirror images: the mean of the encoder's last map; the
            last map of all; x, y, z of the landmarks (units of half the view's side) with visibility and presence; 3D
            landmarks (half metres); presence of a person. A network in training gives the view's own features twice.

        Differentiability: piecewise smooth in the weights, if they are trained; none in the photo.
        """
        with torch.no_grad(), torch.autocast(photo.device.type, enabled=False):
            look = self.look or _observers_look(str(photo.device))
            crops = (photo.float() + 1) / 2
            found = view_finder(str(photo.device)).alignment(self.first_features(photo))
            view = TurnedView.around(found, focal.float())
            images = view.warp(crops, focal.float(), INPUT_SIDE_PX)
            if self.frozen:
                return PersonFeatures(view, look(images), look(images.flip(3)))
        own = view_features(self.network, images)
        return PersonFeatures(view, own, own if self.training else view_features(self.network, images.flip(3)))

    @torch.no_grad()
    def first_features(self, photo: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n f"]:
        """Features of the upright crops, from which `ViewFinder` finds the turned views."""
        look = self.look or _observers_look(str(photo.device))
        return look(_upright_views((photo.float() + 1) / 2))


def world_landmarks(people: PersonFeatures) -> Float[Tensor, "n 33 3"]:
    """BlazePose's 3D landmarks, `core.skeletons.MEDIAPIPE_33`, metres in axes of the crop camera from the hips."""
    first = ENCODER_MAP + BODY_MAP + 5 * POINTS
    turned = people.own[:, first : first + 3 * POINTS].unflatten(1, (POINTS, 3))[:, :KEYPOINTS] / 2
    return turned @ people.view.rotation


def view_features(network: LandmarkNetwork, image: Float[Tensor, "n 3 256 256"]) -> Float[Tensor, "n f"]:
    """Features of views, RGB in [0, 1], at the network's resolution."""
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
    network = _without_maps(read_networks()[1])
    return network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _without_maps(network: LandmarkNetwork) -> LandmarkNetwork:
    """The network without the layers that only mask and heat maps need."""
    for name, _ in list(network.named_children()):
        if name not in ("encoder", "body", "landmarks", "world", "presence"):
            delattr(network, name)
    return network


def _observers_look(device: str) -> Look:
    """The observer's network in torch. One by one a CPU is fastest: what the layers hand on stays in its cache."""
    network = frozen_network(device)

    def look(images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        if device != "cpu" or torch.jit.is_tracing() or not len(images):
            return view_features(network, images)
        return torch.cat([view_features(network, image) for image in images.split(1)])

    return look


def _upright_views(crops: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 3 256 256"]:
    """Crops, RGB in [0, 1], with repeated border pixels around them, at the network's resolution."""
    border = (INPUT_SIDE_PX - PERSON_SIDE_PX) // 2
    images = F.interpolate(crops, (PERSON_SIDE_PX, PERSON_SIDE_PX), mode="bilinear", align_corners=False)
    return F.pad(images, [border] * 4, mode="replicate")
