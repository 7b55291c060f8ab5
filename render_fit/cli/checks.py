"""Mistakes in names and paths, found before torch is imported, which takes seconds.

The library finds them too, with the same words. Here the names of the package's own objects are repeated, because the
tables that hold them import torch; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output
from render_fit.core.observer_choice import parse_observer
from render_fit.core.part_names import part_space_name
from render_fit.core.registry import Registry
from render_fit.export.fit_search import find_results

BODIES: Registry[None] = Registry("body", "render_fit.bodies", {"open": lambda: None})
RENDERERS: Registry[None] = Registry(
    "renderer", "render_fit.renderers", dict.fromkeys(("cpu", "pytorch3d", "reference"), lambda: None)
)
OBSERVERS: Registry[None] = Registry(
    "observer",
    "render_fit.observers",
    dict.fromkeys(("blazepose", "blazepose-parts", "mediapipe", "transformers"), lambda: None),
)
REGRESSORS: Registry[None] = Registry("regressor", "render_fit.regressors", {})


def check_files(*paths: Path | None) -> None:
    """Checks that files exist.

    Raises:
        InputError: for the first one that does not.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise InputError(f"{path}: no such file")


def check_part_labels(name: str | None) -> None:
    """Checks the name of a label space.

    Raises:
        InputError: if there is none of that name.
    """
    if name is not None:
        part_space_name(name)


def check_recipe(name: str, training: bool = False) -> None:
    """Checks that there is a recipe of a name, or a file.

    Args:
        name: Name or path.
        training: Whether it is a recipe of a training rather than of a fit.

    Raises:
        InputError: if there is none.
    """
    from render_fit.core.config import shipped_recipe

    if not Path(name).is_file():
        package, kind = ("training", "training recipe") if training else ("fitting", "recipe")
        shipped_recipe(f"render_fit.{package}", name, kind)


def check_regressor(name: str | None) -> None:
    """Checks that a regressor ships, is a file, is registered, or may be on the hub.

    Raises:
        InputError: if it is none of these.
    """
    from render_fit.regressors.names import is_hub_id, shipped_names

    known = [*shipped_names(), *REGRESSORS]
    if name not in (None, "none", *known) and not Path(name).exists() and not is_hub_id(name):
        raise InputError(
            f"regressor {name!r}: no such file, and none of that name ships (known: {', '.join(known) or 'none'})"
        )


def check_renderer(name: str | None) -> None:
    """Checks the name of a renderer.

    Raises:
        InputError: if there is none of that name.
    """
    if name not in (None, "auto", *RENDERERS):
        _ = RENDERERS[name]


def check_observer(choice: str | None) -> None:
    """Checks the name of an observer, and that the file of its settings exists.

    Raises:
        InputError: if there is none of that name, or no such file.
    """
    if choice is not None:
        chosen = parse_observer(choice)
        if chosen.name not in OBSERVERS:
            _ = OBSERVERS[chosen.name]
        check_files(chosen.settings)


def check_body(name: str | None) -> None:
    """Checks that a body ships, is registered, or is a file or folder.

    Raises:
        InputError: if it is none of these.
    """
    if name not in (None, *BODIES) and not Path(name).exists():
        known = " or ".join(repr(known) for known in BODIES)
        raise InputError(f"no body {name!r}: give {known}, or the path of a SMPL, SMPL-H or SMPL-X file")


def check_output(out: Path) -> None:
    """Checks that an output folder can be written to, if it exists.

    Raises:
        InputError: if it cannot.
    """
    if out.exists():
        prepare_output(out)


def check_result(path: Path) -> None:
    """Checks that a path is that of a fit, or of a folder with fits.

    Raises:
        InputError: if it is neither.
    """
    _ = find_results(path)
