"""File of the weights of BlazePose's two networks: float16, and without the zeros of sparse matrices.

Written by ``scripts/make_blazepose_weights.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from render_fit.core.files import write_bytes
from render_fit.observations.blazepose.detector import PersonDetector
from render_fit.observations.blazepose.landmarks import LandmarkNetwork

ASSET = Path(__file__).parent / "assets" / "blazepose.safetensors"

SPARSE_SHARE = 0.25
"""Share of zeros in a tensor above which they are left out of the file."""

KEPT = ":kept"
"""Suffix of the bits, one for each element of a tensor, that say which elements the file contains."""


def write_networks(detector: nn.Module, landmarks: nn.Module, path: Path) -> None:
    """Writes the weights of both networks atomically."""
    stored: dict[str, Tensor] = {}
    for part, network in (("detector", detector), ("landmarks", landmarks)):
        for name, value in network.state_dict().items():
            half, key = value.half().contiguous(), f"{part}.{name}"
            kept = half != 0
            if float(kept.float().mean()) < 1 - SPARSE_SHARE:
                stored[key + KEPT] = torch.from_numpy(np.packbits(kept.numpy().ravel()))
                half = half[kept]
            stored[key] = half
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save(stored, metadata={"source": "mediapipe 0.10.21, Google, Apache License 2.0"}))


def read_networks(path: Path = ASSET) -> tuple[PersonDetector, LandmarkNetwork]:
    """Reads both networks, for evaluation, in float32 on the CPU."""
    stored = load_file(path)
    with torch.device("meta"):  # no random weights, which take longer than reading
        detector, landmarks = PersonDetector(), LandmarkNetwork()
    for part, network in (("detector", detector), ("landmarks", landmarks)):
        network.load_state_dict(_weights(stored, part, network), assign=True)
        network.requires_grad_(False).eval()
    return detector, landmarks


def read_landmark_network(path: Path = ASSET) -> LandmarkNetwork:
    """Reads the landmark network, for training, in float32 on the CPU."""
    network = LandmarkNetwork()
    network.load_state_dict(_weights(load_file(path), "landmarks", network))
    return network


def _weights(stored: dict[str, Tensor], part: str, network: nn.Module) -> dict[str, Tensor]:
    """Weights of a network in a file, in float32 and with all zeros."""
    weights = {}
    for name, like in network.state_dict().items():
        value = stored[f"{part}.{name}"].float()
        bits = stored.get(f"{part}.{name}{KEPT}")
        if bits is not None:
            kept = np.unpackbits(bits.numpy(), count=like.numel()).astype(bool)
            value = torch.zeros(like.numel()).masked_scatter_(torch.from_numpy(kept), value).reshape(like.shape)
        weights[name] = value
    return weights
