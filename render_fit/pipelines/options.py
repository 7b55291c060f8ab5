"""How photos are fitted: everything that a user may say, checked before any work is done."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from render_fit.core.errors import InputError
from render_fit.export.meshes import MESH_FORMATS

SAVED = (*MESH_FORMATS, "gif")


@dataclass(frozen=True)
class FitOptions:
    """What applies to every photo of a run.

    Attributes:
        recipe: Name of a shipped recipe, or path of a YAML file.
        regressor: Name or path of the regressor that fits begin with; the recipe's if None.
        renderer: Name of a renderer; the recipe's if None.
        body: ``open`` or the path of a body model file; the recipe's if None.
        clothing: ``none``, ``smooth`` or ``free``; the recipe's if None.
        person: ``largest``, ``all``, or a number from 0.
        box: Where the person is: left, top, width, height, pixels of the photo.
        camera: JSON file with the photo's K.
        focal_mm: Focal length as on 35 mm film (36 × 24 mm), millimetres.
        height_m: The person's height, metres.
        parts_from_keypoints: Whether a part map is made from mask and keypoints where none is given.
        save: What to write besides parameters, overlay and report: ``obj``, ``ply``, ``glb``, ``gif``.
        seed: Of everything random.
    """

    recipe: str = "hybrid"
    regressor: str | None = None
    renderer: str | None = None
    body: str | None = None
    clothing: Literal["none", "smooth", "free"] | None = None
    person: str = "largest"
    box: tuple[float, float, float, float] | None = None
    camera: Path | None = None
    focal_mm: float | None = None
    height_m: float | None = None
    parts_from_keypoints: bool = False
    save: tuple[str, ...] = ("obj", "glb")
    seed: int = 0

    def __post_init__(self) -> None:
        if self.camera is not None and self.focal_mm is not None:
            raise InputError("--camera and --focal-mm: give one of them")
        if self.focal_mm is not None and not 1 <= self.focal_mm <= 5000:
            raise InputError(f"--focal-mm {self.focal_mm:g}: expected millimetres on 35 mm film, between 1 and 5000")
        if self.height_m is not None and not 0.4 <= self.height_m <= 2.8:
            raise InputError(
                f"--height-m {self.height_m:g}: expected the person's height in metres, between 0.4 and 2.8"
            )
        unknown = [kind for kind in self.save if kind not in SAVED]
        if unknown:
            raise InputError(f"--save {','.join(self.save)}: unknown {unknown[0]!r}; known are {', '.join(SAVED)}")
        if self.person not in ("largest", "all") and not self.person.isdigit():
            raise InputError(f"--person {self.person}: expected largest, all, or a number from 0")
        if self.box is not None and not (all(map(math.isfinite, self.box)) and min(self.box[2:]) > 0):
            raise InputError("--box: expected x,y,w,h in pixels, width and height above zero")

    @property
    def person_choice(self) -> Literal["largest", "all"] | int:
        """``person`` as the readers take it."""
        if self.person == "all":
            return "all"
        return "largest" if self.person == "largest" else int(self.person)

    def plain(self) -> dict[str, Any]:
        """The options as JSON knows them, for ``report.json``."""
        values = asdict(self)
        values["camera"] = None if self.camera is None else str(self.camera)
        values["box"] = None if self.box is None else list(self.box)
        values["save"] = list(self.save)
        return values


def parse_box(text: str) -> tuple[float, float, float, float]:
    """``x,y,w,h`` as four numbers.

    Raises:
        InputError: if it is anything else.
    """
    try:
        x, y, width, height = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(f"--box {text}: expected x,y,w,h in pixels, such as 120,80,200,560") from None
    return x, y, width, height
