"""Names of regressors; imports nothing, so that the command line can check them at once."""

from __future__ import annotations

import re
from importlib import resources


def shipped_names() -> list[str]:
    """Names of the regressors that come with the package."""
    folder = resources.files("render_fit.regressors") / "assets"
    if not folder.is_dir():
        return []
    return sorted(entry.name.removesuffix(".safetensors") for entry in folder.iterdir() if "safetensors" in entry.name)


def is_hub_id(name: str) -> bool:
    """Whether a name has the form ``owner/name`` and is not the path of a checkpoint."""
    one = r"[A-Za-z0-9][\w.-]*"
    return re.fullmatch(f"{one}/{one}", name) is not None and not name.endswith(".safetensors")
