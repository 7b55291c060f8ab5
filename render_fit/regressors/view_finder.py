"""Finds the view in which a person is head up: hips, direction of the head, and size, from BlazePose's features.

BlazePose's own alignment points do the same for people who are nearly upright. Of people who lie or are upside down it
often takes the feet for the head, and is as sure as ever (presence above 0.99). So a small network, taught by synthetic
people in all orientations, reads the points from the features (`training/view_finding.py`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from render_fit.core.weights import read_network, save_weights
from render_fit.regressors.standardisation import Standardisation

ASSET = Path(__file__).parent / "assets" / "views" / "view_finder.safetensors"

KEY = "render_fit_view_finder"
"""Key of the configuration in the header of the file."""


class ViewFinderConfig(BaseModel):
    """Sizes of the network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: int = Field(gt=0, le=65536)
    width: int = Field(default=128, gt=0, le=65536)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class ViewFinder(nn.Module):
    """Network from the features of an upright view to alignment points.

    Args:
        config: Sizes of the network.
    """

    def __init__(self, config: ViewFinderConfig) -> None:
        super().__init__()
        self.config = config
        self.standard = Standardisation(config.features)
        half = max(1, config.width // 2)
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.features, config.width), nn.GELU(),
            nn.Dropout(config.dropout), nn.Linear(config.width, half), nn.GELU(), nn.Linear(half, 5),
        )  # fmt: skip

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n 5"]:
        """Middle of the hips (units of half the crop's side from its centre); direction from the hips to the shoulders
        in the image, longer the surer it is, up to 1; logarithm of the radius of the circle about the hips that
        contains the person, in the same units.
        """
        return self.layers(self.standard(features))

    def alignment(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n 2 2"]:
        """Middle of the hips, and the point of the circle in the direction of the head (`TurnedView.around`)."""
        hips, up, log_radius = self(features).split([2, 2, 1], 1)
        up = up / up.norm(dim=1, keepdim=True).clamp(min=1e-6)
        return torch.stack([hips, hips + log_radius.exp() * up], 1)


@cache
def view_finder(device: str = "cpu") -> ViewFinder:
    """The view finder that ships, on a device."""
    return read_view_finder(ASSET).to(device)


def read_view_finder(path: Path) -> ViewFinder:
    """Reads a view finder, for evaluation.

    Raises:
        InputError: if the file does not exist or is no view finder.
    """
    found = read_network(ViewFinder, path, KEY, ViewFinderConfig, "no view finder of render-fit")
    return found.requires_grad_(False)


def save_view_finder(network: ViewFinder, path: Path, note: str = "") -> None:
    """Writes a view finder in float16; ``note`` says how it was trained."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(network, network.config, path, KEY, half=True, note=note)
