"""Regressors on the Hugging Face hub: repositories whose model.safetensors is a checkpoint of this package."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from render_fit.core.files import write_bytes
from render_fit.core.hub_files import hub_errors
from render_fit.core.weights import read_network, save_weights
from render_fit.regressors.config import RegressorConfig

with warnings.catch_warnings():  # in notebooks without ipywidgets, tqdm would warn of its missing progress bar
    warnings.filterwarnings("ignore", message="IProgress not found")
    from huggingface_hub import ModelHubMixin, constants, hf_hub_download

KEY = "render_fit_regressor"
"""Key of the configuration in the header of a checkpoint."""

M = TypeVar("M", bound=nn.Module)

WEIGHTS = constants.SAFETENSORS_SINGLE_FILE
"""File name of the checkpoint in a repository, or in a folder written by ``save_pretrained``."""

CARD = """---
{{ card_data }}
---

A regressor of render-fit. It predicts hypotheses of the 3D body from silhouette, part map and keypoints of a person.

    from render_fit.regressors.network import Regressor
    regressor = Regressor.from_pretrained("OWNER/NAME")

or in a recipe: `initialisation: {regressor: OWNER/NAME}`.
"""


def download(hub_id: str) -> Path:
    """Downloads the weights of a repository on the hub, or takes them from the hub's cache if they have not changed.

    Args:
        hub_id: Repository, ``owner/name``.

    Returns:
        Path of the weights.

    Raises:
        InputError: if there is no such repository, it contains no weights, or the hub cannot be reached.
    """
    with hub_errors(f"regressor {hub_id!r}", "file", WEIGHTS):
        return Path(hf_hub_download(hub_id, WEIGHTS))


def read_checkpoint(network: Callable[[RegressorConfig], M], path: Path) -> M:
    """Reads a regressor from a file.

    Args:
        network: Constructor of the network, from its configuration.
        path: ``.safetensors`` file.

    Returns:
        Regressor in evaluation mode.

    Raises:
        InputError: if the file is truncated, is not a checkpoint, or belongs to another network.
    """
    return read_network(network, path, KEY, RegressorConfig, "no regressor of render-fit")


class OnHub(
    ModelHubMixin,
    library_name="render-fit",
    tags=["human-pose-estimation", "smpl"],
    model_card_template=CARD,
):
    """Adds ``from_pretrained``, ``save_pretrained`` and ``push_to_hub`` to a regressor.

    The base is the hub's general mixin. Its mixin for PyTorch writes weights without the header of this package, and
    reads weights that do not fit without an error. ``config.json`` is a copy of the header for readers; it is not read.
    """

    def _save_pretrained(self: Any, save_directory: Path) -> None:
        save_weights(self, self.config, save_directory / WEIGHTS, KEY)
        write_bytes(save_directory / constants.CONFIG_NAME, f"{self.config.model_dump_json(indent=2)}\n".encode())

    @classmethod
    def _from_pretrained(cls, *, model_id: str, config: Any = None, **options: Any) -> Any:
        network: Any = cls  # a torch module beside this mixin
        if Path(model_id).is_dir():
            return read_checkpoint(network, Path(model_id) / WEIGHTS)
        return read_checkpoint(network, Path(hf_hub_download(model_id, WEIGHTS, **options)))
