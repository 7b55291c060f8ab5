"""Regressors by name, by file or from the hub, and to a file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from render_fit.core.errors import InputError
from render_fit.core.registry import Registry
from render_fit.core.weights import save_weights
from render_fit.regressors.hub import KEY, WEIGHTS, download, read_checkpoint
from render_fit.regressors.names import is_hub_id, shipped_names
from render_fit.regressors.network import Regressor

REGRESSORS: Registry[Regressor] = Registry("regressor", "render_fit.regressors", {})
"""Regressors that other packages register; those of this package are files (`shipped_names`)."""


def save_regressor(regressor: Regressor, path: Path, half: bool = False, note: str = "") -> None:
    """Writes a regressor, under a temporary name first.

    Args:
        regressor: What to save.
        path: ``.safetensors``.
        half: Weights in float16; half the size, and no worse (they are read back into float32).
        note: How it was trained.
    """
    save_weights(regressor, regressor.config, path, KEY, half=half, note=note)


def load_regressor(name_or_path: str | Path) -> Regressor:
    """Loads a regressor by name, from a file, or from the Hugging Face hub.

    Args:
        name_or_path: Name of a shipped one; a ``.safetensors`` file; a folder that ``Regressor.save_pretrained`` wrote;
            a name that another package registers; or, if it is none of these, ``owner/name`` on the hub.

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
    elif not path.exists() and name in REGRESSORS:
        return REGRESSORS[name]()
    elif not path.exists() and isinstance(name_or_path, str) and is_hub_id(name):
        path = download(name)
    if not path.is_file():
        known = ", ".join([*shipped_names(), *REGRESSORS]) or "none"
        raise InputError(f"regressor {name!r}: no such file, and none of that name ships (known: {known})")
    return read_checkpoint(Regressor, path)
