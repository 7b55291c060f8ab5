"""Backbones that pictures go through, with norms that do not couple the people of a batch."""

from __future__ import annotations

import math
from typing import Any

from torch import nn


def backbone_for(config: dict[str, Any], channels: int) -> tuple[nn.Module, int]:
    """A transformers backbone for pictures of some channels, and how many features it gives.

    Group norm stands in place of batch norm, so that a batch may be split over processes.

    Args:
        config: A transformers configuration with its ``model_type``.
        channels: Of the pictures.
    """
    from transformers import AutoBackbone, AutoConfig  # heavy: only who makes a network pays for it

    values = {key: value for key, value in config.items() if key != "model_type"}
    made = AutoConfig.for_model(config["model_type"], **values, num_channels=channels)
    made.out_features = [made.stage_names[-1]]
    network = AutoBackbone.from_config(made)
    _group_norms(network)
    return network, int(network.channels[-1])


def _group_norms(module: nn.Module) -> None:
    """Puts group norm in place of batch norm, in groups of eight channels where that comes out even."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            groups = math.gcd(child.num_features, max(1, child.num_features // 8))
            setattr(module, name, nn.GroupNorm(groups, child.num_features))
        else:
            _group_norms(child)
