"""Image backbones with normalisation layers that do not couple the people of a batch."""

from __future__ import annotations

import math
from typing import Any

from torch import nn


def backbone_for(config: dict[str, Any], channels: int) -> tuple[nn.Module, int]:
    """Builds a transformers backbone. Group norm replaces batch norm, so that batches may be split over processes.

    Args:
        config: Transformers configuration with its ``model_type``.
        channels: Number of input channels.

    Returns:
        Backbone, and the number of its output features.
    """
    from transformers import AutoBackbone, AutoConfig  # slow to import, needed only here

    values = {key: value for key, value in config.items() if key != "model_type"}
    made = AutoConfig.for_model(config["model_type"], **values, num_channels=channels)
    made.out_features = [made.stage_names[-1]]
    network = AutoBackbone.from_config(made)
    _group_norms(network)
    return network, int(network.channels[-1])


def _group_norms(module: nn.Module) -> None:
    """Replaces batch norm by group norm, in groups of eight channels where the number of channels allows it."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            groups = math.gcd(child.num_features, max(1, child.num_features // 8))
            setattr(module, name, nn.GroupNorm(groups, child.num_features))
        else:
            _group_norms(child)
