"""Options of a fit, declared once: types, defaults and descriptions for Python and for the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from render_fit.core.errors import InputError

Box = tuple[float, float, float, float]

MOST_DIGITS = 9
"""Digits of the largest number of a person."""


@dataclass(frozen=True)
class FitOptions:
    """Options that apply to every photo of a run.

    Each field's annotation contains its description, which is also the help text of the command line's option. A field
    that is None takes the recipe's value, or is estimated.

    Raises:
        InputError: if a value is out of range, or two values exclude each other.
    """

    recipe: Annotated[str, "Fit recipe: a name (see render-fit recipe list) or a YAML file."] = "hybrid"
    regressor: Annotated[
        str | None,
        "Regressor that initialises the fit: a name, a .safetensors file, or none (default poses). "
        "Default: the recipe's.",
    ] = None
    renderer: Annotated[
        str | None,
        "Renderer: cpu, reference, pytorch3d, auto, or a name that another package registers. Default: the recipe's.",
    ] = None
    body: Annotated[str | None, "Body model: open, or an SMPL, SMPL-H or SMPL-X file. Default: the recipe's."] = None
    observer: Annotated[
        str | None,
        "Observer of what no file gives: blazepose, blazepose-parts (which labels clothes), mediapipe, transformers "
        "(models of the Hugging Face hub), or a name that another package registers; NAME:FILE.yaml gives it settings. "
        "Default: the recipe's.",
    ] = None
    clothing: Annotated[
        Literal["none", "smooth", "free"] | None,
        "Offsets of the clothing from the body: none, smooth, or one per vertex (free). Default: the recipe's.",
    ] = None
    person: Annotated[str, "Person to fit if there are several: largest, all, or a number from 0."] = "largest"
    box: Annotated[Box | None, "Box around the person: left, top, width, height in pixels of the photo."] = None
    camera: Annotated[Path | None, 'JSON file with the 3×3 intrinsics K in pixels: {"K": …}.'] = None
    focal_35mm: Annotated[float | None, "35 mm equivalent focal length, mm. Default: from EXIF."] = None
    height_m: Annotated[float | None, "Height of the person, m. It sets the scale."] = None
    weight_kg: Annotated[
        float | None, "Weight of the person, kg. It tells how stout the body under the clothes is."
    ] = None
    parts_from_keypoints: Annotated[bool, "If there is no part map, make one from mask and keypoints."] = False
    start: Annotated[
        Path | None,
        "Result of another system to start from instead of the regressor: a file, or a folder with <stem>.npz, .pkl or "
        ".obj for each photo. SAM 3D Body, SMPLify-X, 4D-Humans, ROMP, AMASS, smplx, render-fit.",
    ] = None
    start_frame: Annotated[int | None, "Frame of the result, counted from 0. Default: the photo's, or the first."] = (
        None
    )
    save: Annotated[
        tuple[str, ...],
        "Files to write besides parameters and images: obj, ply, glb (meshes), gif (all stages of the fit), stages "
        "(their hypotheses, for render-fit view).",
    ] = ("obj", "glb")
    seed: Annotated[int, "Seed of the random number generators."] = 0

    def __post_init__(self) -> None:
        # here, so that --help imports neither trimesh nor torch
        from render_fit.core.plausibility import check_focal_35mm, check_height, check_weight
        from render_fit.export.meshes import mesh_kinds

        object.__setattr__(self, "save", mesh_kinds(self.save, also=("gif", "stages")))
        if self.camera is not None and self.focal_35mm is not None:
            raise InputError("--camera and --focal-35mm: give one of them")
        if self.focal_35mm is not None:
            check_focal_35mm(self.focal_35mm, f"--focal-35mm {self.focal_35mm:g}")
        if self.start_frame is not None and (self.start is None or self.start_frame < 0):
            raise InputError("--start-frame: expected a number from 0, with --start FILE")
        if self.height_m is not None:
            check_height(self.height_m, f"--height-m {self.height_m:g}")
        if self.weight_kg is not None:
            check_weight(self.weight_kg, f"--weight-kg {self.weight_kg:g}", self.height_m)
        if self.person not in ("largest", "all") and not _is_number(self.person):
            raise InputError(f"--person {self.person}: expected largest, all, or a number from 0")
        if self.box is not None and not (all(map(math.isfinite, self.box)) and min(self.box[2:]) > 0):
            raise InputError("--box: expected x,y,w,h in pixels, width and height above zero")

    @property
    def person_choice(self) -> Literal["largest", "all"] | int:
        """``person`` as `observations.observe` takes it."""
        if self.person == "all":
            return "all"
        return "largest" if self.person == "largest" else int(self.person)

    def plain(self) -> dict[str, Any]:
        """The options as JSON values, for ``report.json``."""
        camera = None if self.camera is None else str(self.camera)
        start = None if self.start is None else str(self.start)
        box = None if self.box is None else list(self.box)
        return {**asdict(self), "camera": camera, "start": start, "box": box, "save": list(self.save)}

    def equals_plain(self, values: Mapping[str, Any]) -> bool:
        """Whether the options of a ``report.json`` are these."""
        return not self.differing(values)

    def differing(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the options that differ from those of a ``report.json``; reports before 0.3 are understood."""
        renamed = {"make_parts": "parts_from_keypoints", "focal_mm": "focal_35mm"}
        added = {"weight_kg": None, "observer": None, "start": None, "start_frame": None}
        plain, given = self.plain(), added | {renamed.get(key, key): value for key, value in values.items()}
        missing = object()
        return tuple(key for key in {**plain, **given} if plain.get(key, missing) != given.get(key, missing))


def _is_number(text: str) -> bool:
    """Whether a word is a number from 0, of digits that `int` takes; ``²`` is a digit and not one of them."""
    return text.isdecimal() and len(text) <= MOST_DIGITS


def check_box(box: Box | None, n_photos: int) -> None:
    """Checks that a box is given for one photo only.

    Raises:
        InputError: if there are several photos.
    """
    if box is not None and n_photos > 1:
        raise InputError("--box belongs to one photo; fit the photos one by one, or give keypoints with --observations")


def parse_box(text: str) -> Box:
    """Four numbers from ``x,y,w,h``.

    Raises:
        InputError: if the text is anything else.
    """
    try:
        x, y, width, height = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(f"--box {text}: expected x,y,w,h in pixels, such as 120,80,200,560") from None
    return x, y, width, height
