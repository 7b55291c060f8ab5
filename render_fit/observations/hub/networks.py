"""Networks of transformers: found by name or folder, checked, and loaded without what only training needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.core.hub_files import model_folder
from render_fit.core.text_files import read_json
from render_fit.observations.hub.preprocessing import Preprocessing

CONFIG, WEIGHTS, WEIGHTS_IN_PARTS = "config.json", "model.safetensors", "model.safetensors.index.json"

FILES = (CONFIG, WEIGHTS, WEIGHTS_IN_PARTS, "model-*.safetensors", "preprocessor_config.json", "processor_config.json")
"""Files of a model that are fetched: no pickles, and no code."""

CLASSES = {
    "person detector": "AutoModelForObjectDetection",
    "pose network": "VitPoseForPoseEstimation",
    "human parser": "AutoModelForSemanticSegmentation",
    "backbone": "AutoBackbone",
}
"""What a model is for → the class of transformers that loads it."""


@dataclass(frozen=True)
class Network:
    """A network and what its files say about it.

    Attributes:
        name: Name on the hub, or folder.
        model: The network, in evaluation mode.
        labels: Name of each output class, in order.
        preprocessing: How images become its input.
        device: Where it runs.
    """

    name: str
    model: nn.Module
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    device: torch.device


def load_network(purpose: str, name: str, device: torch.device) -> Network:
    """Loads a network, from the hub or a folder, with its preprocessing.

    Args:
        purpose: What it is for, a key of `CLASSES`.
        name: Repository on the hub, ``owner/name``, or a folder written by ``save_pretrained``.
        device: Where it runs.

    Raises:
        InputError: if it is not found, or its files are not those of such a network.
        MissingDependencyError: if it needs a package that is not installed.
    """
    model, folder = load_model(purpose, name)
    preprocessing = Preprocessing.read(folder)
    labels = getattr(model.config, "id2label", None) or {}
    return Network(name, model.to(device), tuple(labels[key] for key in sorted(labels)), preprocessing, device)


def load_model(purpose: str, name: str) -> tuple[Any, Path]:
    """Loads a model of transformers, in evaluation mode, and tells the folder of its files.

    Args:
        purpose: What it is for, a key of `CLASSES`.
        name: Repository on the hub, ``owner/name``, or a folder written by ``save_pretrained``.

    Raises:
        InputError: if it is not found, or its files are not those of such a model.
        MissingDependencyError: if it needs a package that is not installed.
    """
    folder = model_folder(name, purpose, FILES)
    what = f"{purpose} {name!r}"
    if not (folder / CONFIG).is_file():
        raise InputError(f"{what}: no {CONFIG} in it; expected a folder written by transformers' save_pretrained")
    if not (folder / WEIGHTS).is_file() and not (folder / WEIGHTS_IN_PARTS).is_file():
        raise InputError(f"{what}: no {WEIGHTS} in it; weights as pickles are not read: save them as safetensors")
    config = read_json(folder / CONFIG, "the configuration of a network")
    if not isinstance(config, dict):
        raise InputError(f"{folder / CONFIG}: expected the configuration of a network")
    if _needs_timm(config) and importlib.util.find_spec("timm") is None:
        raise MissingDependencyError(f"{what}: its backbone is one of timm's: pip install timm, or take another model")
    return _load(CLASSES[purpose], folder, what), folder


def _load(class_name: str, folder: Path, what: str) -> Any:
    try:
        with _quiet():
            model, found = _class(class_name, folder).from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except ImportError as error:
        raise MissingDependencyError(f"{what}: {' '.join(str(error).split())}") from error
    except Exception as error:  # transformers, safetensors and torch refuse files in many ways
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{what}: cannot be loaded as {class_name}: {reason}") from error
    missing = sorted(found["missing_keys"])
    if missing:  # transformers would leave these at random values
        raise InputError(f"{what}: its weights are not those of {class_name}: {missing[0]} and more are missing")
    return model.eval()


def _class(name: str, folder: Path) -> Any:
    import transformers  # slow to import, needed only here

    if name != "AutoBackbone":
        return getattr(transformers, name)
    from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    if type(config) not in MODEL_FOR_BACKBONE_MAPPING:
        raise ValueError(f"transformers has no backbone for {config.model_type}")
    return MODEL_FOR_BACKBONE_MAPPING[type(config)]  # AutoBackbone would ask the hub, even for a folder


def _needs_timm(config: Mapping[str, Any]) -> bool:
    backbone = config.get("backbone_config")
    of_timm = isinstance(backbone, dict) and backbone.get("model_type") == "timm_backbone"
    return bool(config.get("use_timm_backbone")) or of_timm


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and advice in the block."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
