"""Backbones that look at people twice: the first look finds the person, the second sees them head up and of one size.

The first look is the observer's: features of the upright crop by BlazePose's landmark network tell where the person's
hips and head are (`ViewFinder`). The second look is at the person turned and zoomed, by any network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import SimpleNamespace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.regressors.blazepose_features import Look, observers_look, upright_views
from render_fit.regressors.turned_view import PersonFeatures, TurnedView
from render_fit.regressors.view_finder import view_finder


class TurnedBackbone(nn.Module, ABC):
    """Features of photos in turned views.

    Frozen, the weights of the second look are not parameters of this module, and no part of checkpoints. Otherwise they
    are trained and saved. The first look keeps to the observer's weights.

    Args:
        count: Number of features of a view.
        side_px: Side of the views, pixels.
        frozen: Whether the weights of the second look are fixed.

    Attributes:
        look: Computes features of views with the observer's weights; None: torch does. See `onnx_look`.
    """

    def __init__(self, count: int, side_px: int, frozen: bool) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_channels=3)
        self.channels = [count]
        self.side_px, self.frozen = side_px, frozen
        self.look: Look | None = None

    @abstractmethod
    def features(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f"]:
        """Features of views, RGB in [0, 1]."""

    def forward(self, photo: Float[Tensor, "n 3 s s"], focal: Float[Tensor, "n"]) -> PersonFeatures:
        """Features of person crops, in the axes of turned views.

        Args:
            photo: (N, 3, S, S) sRGB from −1 to 1, 0 outside of the photo. Resized to the network's resolution.
            focal: (N,) focal length over the side of the crop.

        Returns:
            The turned views, and features of them and of their mirror images. A network in training gives the view's
            own features twice.

        Differentiability: piecewise smooth in the weights, if they are trained; none in the photo.
        """
        with torch.no_grad(), torch.autocast(photo.device.type, enabled=False):
            found = view_finder(str(photo.device)).alignment(self.first_features(photo))
            view = TurnedView.around(found, focal.float())
            images = view.warp((photo.float() + 1) / 2, focal.float(), self.side_px)
            if self.frozen:
                return PersonFeatures(view, self.features(images), self.features(images.flip(3)))
        own = self.features(images)
        return PersonFeatures(view, own, own if self.training else self.features(images.flip(3)))

    @torch.no_grad()
    def first_features(self, photo: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n f"]:
        """Features of the upright crops, from which `ViewFinder` finds the turned views."""
        return self.observers_features(upright_views((photo.float() + 1) / 2))

    def observers_features(self, images: Float[Tensor, "n 3 256 256"]) -> Float[Tensor, "n f"]:
        """Features of views with the observer's weights."""
        return (self.look or observers_look(str(images.device)))(images)
