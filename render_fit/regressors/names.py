"""Names of regressors; imports little, so that the command line can check them at once."""

from __future__ import annotations

from importlib import resources

from render_fit.core import hub_files


def shipped_names() -> list[str]:
    """Names of the regressors that come with the package."""
    folder = resources.files("render_fit.regressors") / "assets"
    if not folder.is_dir():
        return []
    return sorted(
        entry.name.removesuffix(".safetensors") for entry in folder.iterdir() if entry.name.endswith(".safetensors")
    )


def is_hub_id(name: str) -> bool:
    """Whether a name is that of a repository on the hub, ``owner/name``, and not the path of a checkpoint."""
    return hub_files.is_hub_id(name) and not name.endswith(".safetensors")
