"""Regressors on the Hugging Face hub: repositories whose model.safetensors is a checkpoint like any other."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import ModelHubMixin, constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from torch import nn

from render_fit.core.errors import InputError
from render_fit.core.weights import load_into, read_weights, save_weights
from render_fit.regressors.config import RegressorConfig

KEY = "render_fit_regressor"
"""Key of the configuration in the header of a checkpoint."""

M = TypeVar("M", bound=nn.Module)

WEIGHTS = constants.SAFETENSORS_SINGLE_FILE
"""The file of a repository, or of a folder that was saved for one, that holds the regressor."""

CARD = """---
{{ card_data }}
---

A regressor of render-fit: silhouette, part map and keypoints of a person to hypotheses of the 3D body.

    from render_fit.regressors.network import Regressor
    regressor = Regressor.from_pretrained("OWNER/NAME")

or in a recipe: `initialisation: {regressor: OWNER/NAME}`.
"""


def is_hub_id(name: str) -> bool:
    """Whether a name looks like ``owner/name`` and not like a checkpoint's path."""
    one = r"[A-Za-z0-9][\w.-]*"
    return re.fullmatch(f"{one}/{one}", name) is not None and not name.endswith(".safetensors")


def download(hub_id: str) -> Path:
    """The weights of a repository on the hub, from the hub's cache where they have not changed.

    Args:
        hub_id: ``owner/name``.

    Raises:
        InputError: if there is no such repository, it holds no weights, or the hub cannot be reached.
    """
    try:
        return Path(hf_hub_download(hub_id, WEIGHTS))
    except RepositoryNotFoundError as error:
        reason = "no such repository on the Hugging Face hub either (a private one needs: hf auth login)"
        raise InputError(f"regressor {hub_id!r}: no such file, and {reason}") from error
    except LocalEntryNotFoundError as error:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "which cannot be reached"
        raise InputError(
            f"regressor {hub_id!r}: no such file, and not yet fetched from the Hugging Face hub ({why})"
        ) from error
    except EntryNotFoundError as error:
        raise InputError(f"regressor {hub_id!r}: its repository on the Hugging Face hub has no {WEIGHTS}") from error
    except (OSError, HFValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"regressor {hub_id!r}: not fetched from the Hugging Face hub: {reason}") from error


def read_checkpoint(network: Callable[[RegressorConfig], M], path: Path) -> M:
    """Reads a regressor from a file.

    Args:
        network: Makes the network of a configuration.
        path: ``.safetensors``.

    Returns:
        The regressor, in evaluation mode.

    Raises:
        InputError: if the file is cut off, no checkpoint, or of another network.
    """
    config, weights = read_weights(path, KEY, RegressorConfig, "no regressor of render-fit")
    regressor = network(config)
    load_into(regressor, weights, path)
    return regressor.eval()


class OnHub(
    ModelHubMixin,
    library_name="render-fit",
    tags=["human-pose-estimation", "smpl"],
    model_card_template=CARD,
):
    """Gives a regressor ``from_pretrained``, ``save_pretrained`` and ``push_to_hub``.

    The hub's general mixin and not its one for PyTorch, which would write weights without our header, and read weights
    that do not fit without a word. ``config.json`` is a copy of the header, for people; it is never read.
    """

    def _save_pretrained(self: Any, save_directory: Path) -> None:
        save_weights(self, self.config, save_directory / WEIGHTS, KEY)
        (save_directory / constants.CONFIG_NAME).write_text(self.config.model_dump_json(indent=2) + "\n")

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        config: dict[str, Any] | None = None,
    ) -> Any:
        network: Any = cls  # a torch module beside this mixin
        if Path(model_id).is_dir():
            return read_checkpoint(network, Path(model_id) / WEIGHTS)
        path = hf_hub_download(
            model_id,
            WEIGHTS,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
        )
        return read_checkpoint(network, Path(path))
