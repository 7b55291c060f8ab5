"""Priors' networks on disk: weights in safetensors, what they belong to in the file's own header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from render_fit.errors import InputError

C = TypeVar("C", bound=BaseModel)


def save_weights(network: nn.Module, config: BaseModel, path: Path, key: str, credit: str) -> None:
    """Writes a prior's weights in float16, under a temporary name first.

    Args:
        network: Whose weights; they are read back into float32.
        config: Its configuration, kept in the header.
        path: ``.safetensors``.
        key: The header's name for this kind of prior.
        credit: What it was fitted to.
    """
    weights = {name: value.detach().cpu().contiguous().half() for name, value in network.state_dict().items()}
    partial = path.with_name(f".{path.name}.partial")
    save_file(weights, partial, metadata={key: config.model_dump_json(), "credit": credit})
    partial.replace(path)


def read_weights(path: str | Path, key: str, kind: type[C], what: str) -> tuple[C, dict[str, Tensor]]:
    """Reads what `save_weights` wrote.

    Args:
        path: ``.safetensors``.
        key: The header's name for this kind of prior.
        kind: Its configuration.
        what: The kind of prior, in words, for messages.

    Returns:
        The configuration, and the weights in float32.

    Raises:
        InputError: if there is no such file, or it is cut off, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected {what} (.safetensors)")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(key)
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable .safetensors file, or cut off ({error})") from error
    if header is None:
        raise InputError(f"{path}: not {what} (no {key!r} in its header)")
    try:
        values: Any = json.loads(header)
        return kind.model_validate(values), weights
    except (ValidationError, ValueError) as error:
        raise InputError(f"{path}: made for another version of render-fit ({str(error).splitlines()[0]})") from error


def load_into(network: nn.Module, weights: dict[str, Tensor], path: str | Path) -> None:
    """Gives a network its weights and freezes it.

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
    network.requires_grad_(False).eval()
