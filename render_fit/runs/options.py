"""How photos are fitted: everything that a user may say, checked before any work is done."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.cameras import Camera, camera_from_focal, focal_px_from_35mm
from render_fit.errors import InputError
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
        make_parts: Whether a part map is made from mask and keypoints where none is given.
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
    make_parts: bool = False
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


def read_camera(path: Path, height: int, width: int) -> Camera:
    """The camera of a JSON file ``{"K": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]}``.

    Args:
        path: The file.
        height: Height of the photo that K is about, pixels.
        width: Its width, pixels.

    Raises:
        InputError: if it is missing or holds no such matrix.
    """
    expected = '{"K": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]} in pixels'
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        K = torch.tensor(content["K"], dtype=torch.float32)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path}: expected {expected} ({type(error).__name__}: {error})") from None
    if K.shape != (3, 3) or not bool(torch.isfinite(K).all()) or K[0, 0] <= 0 or K[1, 1] <= 0 or not _affine(K):
        raise InputError(f"{path}: expected {expected}, focal lengths above zero, last row 0, 0, 1")
    return Camera(K[None], height, width)


def camera_for(
    options: FitOptions, file_size: tuple[int, int], image_size: tuple[int, int]
) -> tuple[Camera | None, str | None]:
    """The camera of a photo as it was read, from what the user says, and where it came from; else nothing.

    Args:
        options: The user's.
        file_size: (H, W) of the photo's file, pixels, which ``--camera`` is about.
        image_size: (H, W) of the photo as it was read, pixels.
    """
    if options.camera is not None:
        return read_camera(options.camera, *file_size).resize(*image_size), options.camera.name
    if options.focal_mm is not None:
        focal_px = focal_px_from_35mm(options.focal_mm, *image_size)
        return camera_from_focal(focal_px, *image_size), f"focal length {options.focal_mm:g} mm"
    return None, None


def _affine(K: Float[Tensor, "3 3"]) -> bool:
    return K[2].tolist() == [0.0, 0.0, 1.0] and float(K[1, 0]) == 0.0
