"""Regressors on disk: weights in safetensors, the configuration that they belong to in the file's own header."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from render_fit.errors import InputError
from render_fit.regressors.hub import WEIGHTS, fetched, is_hub_id
from render_fit.regressors.network import Regressor, RegressorConfig

KEY = "render_fit_regressor"


def shipped_names() -> list[str]:
    """Names of the regressors that come with the package."""
    folder = resources.files("render_fit.regressors") / "assets"
    if not folder.is_dir():
        return []
    return sorted(entry.name.removesuffix(".safetensors") for entry in folder.iterdir() if "safetensors" in entry.name)


def save_regressor(regressor: Regressor, path: Path, half: bool = False, note: str = "") -> None:
    """Writes a regressor, under a temporary name first.

    Args:
        regressor: What to save.
        path: ``.safetensors``.
        half: Weights in float16; half the size, and no worse (they are read back into float32).
        note: How it was trained.
    """
    weights = {
        name: value.detach().cpu().contiguous().to(torch.float16 if half and value.is_floating_point() else value.dtype)
        for name, value in regressor.state_dict().items()
    }
    partial = path.with_name(f".{path.name}.partial")
    save_file(weights, partial, metadata={KEY: regressor.config.model_dump_json(), "note": note})
    partial.replace(path)


def load_regressor(name_or_path: str | Path) -> Regressor:
    """A regressor by the name of a shipped one, the path of a file, or its place on the Hugging Face hub.

    Args:
        name_or_path: A name; a ``.safetensors`` file; a folder that ``Regressor.save_pretrained`` wrote; or, if it is
            none of these, ``owner/name`` on the hub.

    Returns:
        The regressor, ready to predict.

    Raises:
        InputError: if there is none, it cannot be fetched, or the file is cut off, no checkpoint, or of another
            network.
    """
    name, path = str(name_or_path), Path(name_or_path)
    if name in shipped_names():
        path = Path(str(resources.files("render_fit.regressors") / "assets" / f"{name}.safetensors"))
    elif path.is_dir():
        path = path / WEIGHTS
        if not path.is_file():
            raise InputError(f"regressor {name!r}: a folder without {WEIGHTS}; give the .safetensors file itself")
    elif not path.exists() and isinstance(name_or_path, str) and is_hub_id(name):
        path = fetched(name)
    if not path.is_file():
        known = ", ".join(shipped_names()) or "none"
        raise InputError(f"regressor {name!r}: no such file, and none of that name ships (known: {known})")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(KEY)
            weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable .safetensors file, or cut off ({error})") from error
    if header is None:
        raise InputError(f"{path}: no regressor of render-fit (no {KEY!r} in its header)")
    try:
        config = RegressorConfig.model_validate(json.loads(header))
    except (ValidationError, ValueError) as error:
        raise InputError(f"{path}: made for another version of render-fit ({str(error).splitlines()[0]})") from error
    regressor = Regressor(config)
    try:
        regressor.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{path}: its weights do not fit its own configuration ({first})") from error
    return regressor.eval()
