"""What the viewer shows: a saved fit, a person in several images, or a result in memory, read and posed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from render_fit.bodies import BodyParameters
from render_fit.bodies.body import Body
from render_fit.core.errors import InputError
from render_fit.core.text_files import read_json
from render_fit.export.fit_search import PARAMS, REPORT
from render_fit.export.overlays import Pixels, fitted, to_pixels
from render_fit.export.parameters import SavedFit, read_params, saved_fit
from render_fit.export.person_folder import photo_of
from render_fit.export.saved_body import body_of
from render_fit.export.stages import STAGES, read_stages
from render_fit.fitting.result import FitResult, StageResult
from render_fit.observations.images import read_photo

PHOTO_PX = 1024
"""Longest side of a photo in the viewer."""


@dataclass(frozen=True)
class Posed:
    """One body as it is drawn: camera coordinates (x right, y down, z away from the camera), metres.

    Attributes:
        body: (V, 3) vertices without clothes.
        clothed: (V, 3) vertices with clothes; None without them.
        joints: (J, 3).
    """

    body: Float[np.ndarray, "v 3"]
    clothed: Float[np.ndarray, "v 3"] | None
    joints: Float[np.ndarray, "j 3"]

    @property
    def outer(self) -> Float[np.ndarray, "v 3"]:
        """The mesh that is seen in the photo."""
        return self.body if self.clothed is None else self.clothed


@dataclass(frozen=True)
class Viewed:
    """One fit to look at.

    Attributes:
        name: What it is called.
        saved: Parameters and cameras of its N frames; 1 for a photo.
        body: Body model.
        frames: Indices of the frames in which the person is.
        photo: The photo of a frame, (h, w, 3), reduced; None where there is none.
        report: Content of ``report.json``.
        stages: What each stage handed on; empty where it was not saved.
    """

    name: str
    saved: SavedFit
    body: Body
    frames: tuple[int, ...]
    photo: Callable[[int], Pixels | None]
    report: Mapping[str, Any]
    stages: tuple[StageResult, ...] = ()

    def frame_name(self, frame: int) -> str:
        """Name of a frame's image."""
        return self.name if self.saved.image_names is None else str(self.saved.image_names[frame])

    def posed(self, frame: int) -> Posed:
        """The body of a frame."""
        return posed(self.body, self.saved.frame(frame).parameters())[0]

    def posed_stage(self, stage: int) -> list[Posed]:
        """The hypotheses that a stage handed on, best first."""
        return posed(self.body, self.stages[stage].parameters)

    def ground(self, frame: int) -> Float[np.ndarray, "3"]:
        """Where the world has its origin: under the person, at its lowest point; camera coordinates, metres.

        The frames of a video have one ground, under the lowest foot of all, since their cameras are taken as one.
        Unrelated images have one each.
        """
        if self.saved.fps is None:
            seen = self.posed(frame)
            return np.array([seen.joints[0, 0], seen.outer[:, 1].max(), seen.joints[0, 2]], dtype=np.float64)
        return self._ground_of_video

    @cached_property
    def _ground_of_video(self) -> Float[np.ndarray, "3"]:
        first = self.posed(self.frames[0])
        sole = first.outer[:, 1].max() - first.joints[:, 1].max()
        lowest = self.saved.joints[list(self.frames), :, 1].max() + sole
        return np.array([first.joints[0, 0], lowest, first.joints[0, 2]], dtype=np.float64)


@torch.no_grad()
def posed(body: Body, parameters: BodyParameters) -> list[Posed]:
    """Bodies with and without their clothes."""
    bare = body(replace(parameters, offsets=None))
    clothed = None if parameters.offsets is None else body(parameters).vertices.numpy()
    return [
        Posed(bare.vertices[row].numpy(), None if clothed is None else clothed[row], bare.joints[row].numpy())
        for row in range(len(parameters))
    ]


def read_viewed(folder: Path, body: str | None = None) -> Viewed:
    """Reads the folder of a fit.

    Args:
        folder: Folder of a photo's fit, or of a person in several images.
        body: Body of the fit, if not the one named in it.

    Raises:
        InputError: if a file in it cannot be used.
    """
    saved = read_params(folder / PARAMS)
    report = read_json(folder / REPORT, "the report of a fit") if (folder / REPORT).is_file() else {}
    everyone = range(len(saved.poses))
    frames = tuple(frame for frame in everyone if saved.found is None or saved.found[frame])
    if not frames:
        raise InputError(f"{folder}: the person was found in none of the images")
    names = [None if saved.image_names is None else str(saved.image_names[frame]) for frame in everyone]

    def photo(frame: int) -> Pixels | None:
        name = names[frame]
        file = (
            folder / "input.jpg" if name is None else photo_of(folder, name) or folder / "frames" / name / "input.jpg"
        )
        return to_pixels(fitted(read_photo(file).image, PHOTO_PX)) if file.is_file() else None

    return Viewed(
        name=folder.resolve().name,
        saved=saved,
        body=body_of(saved, folder / PARAMS, body),
        frames=frames,
        photo=photo,
        report=report if isinstance(report, dict) else {},
        stages=read_stages(folder / STAGES) if (folder / STAGES).is_file() else (),
    )


def viewed_result(result: FitResult, body: Body, name: str = "fit") -> Viewed:
    """A result in memory, with its stages.

    Args:
        result: Fit of one photo.
        body: The body that it was fitted with.
        name: What it is called.
    """
    saved = saved_fit(
        result.parameters, result.output.joints, result.camera, result.body_name,
        result.betas_covariance, result.joints_covariance,
    )  # fmt: skip
    image = result.observation.image
    pixels = None if image is None else to_pixels(fitted(image, PHOTO_PX))
    report = result.report.model_dump(mode="json")
    return Viewed(name, saved, body, (0,), lambda _: pixels, report, result.stages)
