"""Networks on disk: weights in safetensors, the configuration that they belong to in the file's own header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from render_fit.core.errors import InputError

C = TypeVar("C", bound=BaseModel)


def save_weights(
    network: nn.Module, config: BaseModel, path: Path, key: str, *, half: bool = False, **told: str
) -> None:
    """Writes a network, under a temporary name first.

    Args:
        network: Whose weights.
        config: Its configuration, kept in the header.
        path: ``.safetensors``.
        key: The header's name for this kind of network.
        half: Weights in float16: half the size; they are read back into float32.
        told: What else the header says: what the network was fitted to, or how.
    """
    weights = {
        name: value.detach().cpu().contiguous().to(torch.float16 if half and value.is_floating_point() else value.dtype)
        for name, value in network.state_dict().items()
    }
    partial = path.with_name(f".{path.name}.partial")
    save_file(weights, partial, metadata={key: config.model_dump_json(), **told})
    partial.replace(path)


def read_weights(path: Path, key: str, kind: type[C], otherwise: str) -> tuple[C, dict[str, Tensor]]:
    """Reads what `save_weights` wrote.

    Args:
        path: ``.safetensors``.
        key: The header's name for this kind of network.
        kind: Its configuration.
        otherwise: What is said of a file that holds none.

    Returns:
        The configuration, and the weights in float32.

    Raises:
        InputError: if there is no such file, or it is cut off, or holds something else.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a network's weights (.safetensors)")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(key)
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable .safetensors file, or cut off ({error})") from error
    if header is None:
        raise InputError(f"{path}: {otherwise} (no {key!r} in its header)")
    try:
        values: Any = json.loads(header)
        return kind.model_validate(values), weights
    except (ValidationError, ValueError) as error:
        raise InputError(f"{path}: made for another version of render-fit ({str(error).splitlines()[0]})") from error


def load_into(network: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Gives a network its weights.

    Raises:
        InputError: if they are not its own, or not finite.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{path}: its weights do not fit its own configuration ({first})") from error
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise InputError(f"{path}: weights that are not finite")
