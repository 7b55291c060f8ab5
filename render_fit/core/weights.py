"""Saves and loads networks: weights as safetensors, with their configuration in the file's header."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from render_fit.core.errors import InputError
from render_fit.core.file_kinds import and_what_it_is
from render_fit.core.files import write_bytes

TWICE = 2
"""Weights that a constructor may register per weight of the network: some layers are replaced by others."""

C = TypeVar("C", bound=BaseModel)
M = TypeVar("M", bound=nn.Module)


def save_weights(
    network: nn.Module, config: BaseModel, path: Path, key: str, *, half: bool = False, **metadata: str
) -> None:
    """Writes a network's weights and configuration atomically.

    Args:
        network: Network whose weights to write.
        config: Configuration of the network, for the header.
        path: Path of the ``.safetensors`` file.
        key: Key of the configuration in the header.
        half: Whether to store float16: half the size; weights are read back into float32.
        metadata: Further entries of the header: training data or method.
    """
    weights = {
        name: value.detach().cpu().contiguous().to(torch.float16 if half and value.is_floating_point() else value.dtype)
        for name, value in network.state_dict().items()
    }
    write_bytes(path, save(weights, metadata={key: config.model_dump_json(), **metadata}))


def read_weights(path: Path, key: str, kind: type[C], otherwise: str) -> tuple[C, dict[str, Tensor]]:
    """Reads a file of `save_weights`.

    Args:
        path: Path of the ``.safetensors`` file.
        key: Key of the configuration in the header.
        kind: Class of the configuration.
        otherwise: Error message if the header has no such key.

    Returns:
        The configuration, and the weights in float32.

    Raises:
        InputError: if the file does not exist, is truncated, or contains another kind of network.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected network weights (.safetensors)")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(key)
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors and torch refuse a table that does not belong together in many ways
        found = and_what_it_is(path) or f" ({error})"
        raise InputError(f"{path}: not a readable .safetensors file, or cut off{found}") from error
    if header is None:
        raise InputError(f"{path}: {otherwise} (no {key!r} in its header)")
    try:
        values: Any = json.loads(header)
        return kind.model_validate(values), weights
    except (ValidationError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: made for another version of render-fit ({str(error).splitlines()[0]})") from error


def read_network(make: Callable[[C], M], path: Path, key: str, kind: type[C], otherwise: str) -> M:
    """Reads a network from a file of `save_weights`.

    Args:
        make: Constructor of the network, from its configuration.
        path: Path of the ``.safetensors`` file.
        key: Key of the configuration in the header.
        kind: Class of the configuration.
        otherwise: Error message if the header has no such key.

    Returns:
        The network in evaluation mode.

    Raises:
        InputError: if the file does not exist, is truncated, or contains another kind of network; or if its weights
            belong to another configuration, or are not finite.
    """
    config, weights = read_weights(path, key, kind, otherwise)
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise InputError(f"{path}: weights are not finite")
    try:
        with _at_most(TWICE * sum(value.numel() for value in weights.values())):
            network = make(config)
    except Exception as error:  # layers refuse sizes that they cannot have in many ways
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"{path}: weights do not fit the configuration, or it describes no network ({reason[:300]})"
        ) from error
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{path}: weights do not fit the configuration ({first})") from error
    return network.eval()


@contextmanager
def _at_most(numbers: int) -> Iterator[None]:
    """Networks made in the block have no more weights than this: numbers of a configuration can be of any size.

    Weights are counted when a layer registers them, before it writes to their memory.
    """

    def count(_: nn.Module, name: str, weight: nn.Parameter) -> None:
        nonlocal numbers
        numbers -= weight.numel()
        if numbers < 0:
            raise ValueError(f"it has more weights than the file, in {name}")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
