"""The focal length of the camera that took all images of a person, estimated with pose and shape.

One image hardly tells it: with a longer lens from further away a person looks nearly the same. What remains is
perspective, how much larger is what is near; it adds up over images in which different parts of the person are near.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.cameras import FULL_FRAME_DIAGONAL_MM, Camera, default_focal_px
from render_fit.fitting.beginning import GUESS
from render_fit.fitting.context import FitContext
from render_fit.fitting.recipe import Stage
from render_fit.fitting.shared_shape import shared_covariance, told_apart
from render_fit.fitting.variables import SCALES, Variables

SPREAD = 0.4
"""Standard deviation of the logarithm of focal lengths about the assumed one. Phones and portrait lenses, 26 to 85 mm
equivalent, are −0.5 to 0.7 from the assumed 43 mm."""


@dataclass(frozen=True)
class FocalLength:
    """A focal length that all images of a person have in common.

    Attributes:
        log_ratio: Logarithm of it over the assumed one; 0 if nothing was estimated.
        sigma: Standard deviation of the logarithm, given all images; 0 if nothing was estimated.
    """

    log_ratio: float = 0.0
    sigma: float = 0.0

    def seen(self, variables: Variables) -> Variables:
        """A state found with the assumed camera, as much further away as the focal length is longer."""
        log_ratio = torch.full((len(variables), 1), self.log_ratio)
        return replace(variables, focal=log_ratio).with_focal_in_position()

    def told(self, notes: Sequence[str], camera: Camera) -> list[str]:
        """Notes of an image in which the focal length is an estimate instead of a guess.

        Args:
            notes: Notes of the image.
            camera: The image's camera, with the estimated focal length.
        """
        if self.sigma == 0.0:
            return list(notes)
        focal = float(camera.K[0, 0, 0])
        on_film = focal / default_focal_px(camera.height, camera.width) * FULL_FRAME_DIAGONAL_MM
        estimate = (
            f"focal length is estimated from all images: {focal:.0f} px, ± {100 * self.sigma:.0f} % "
            f"(a {on_film:.0f} mm lens on 35 mm film)"
        )
        return [estimate if note.startswith(GUESS) else note for note in notes]


def is_unknown(contexts: Sequence[FitContext]) -> bool:
    """Whether the camera of every image is an assumed one."""
    return all(context.camera_is_assumed for context in contexts)


def freed(variables: Variables) -> Variables:
    """The variables with a focal length that can move, at the assumed one."""
    return replace(variables, focal=torch.zeros(len(variables), 1))


def usual_focal(variables: Variables) -> Float[Tensor, ""]:
    """What the focal length costs: ½ (log(focal / assumed) / `SPREAD`)², nats, once for all images.

    Differentiability: smooth.
    """
    assert variables.focal is not None
    return 0.5 * (variables.focal[0, 0] / SPREAD).square()


def as_camera(contexts: Sequence[FitContext], stage: Stage, variables: Variables) -> tuple[Variables, FocalLength]:
    """Makes the estimated focal length that of the images' cameras.

    Args:
        contexts: Images, whose cameras and targets are changed.
        stage: The stage that moved pose, shape and focal length.
        variables: State of each image, with a focal length.

    Returns:
        The same state for these cameras, and the focal length.
    """
    assert variables.focal is not None
    log_ratio = variables.focal[0, 0].detach()
    sigma = _sigma(contexts, stage, variables)
    for context in contexts:
        context.zoom(log_ratio.exp())
    return variables.with_focal_in_position(), FocalLength(float(log_ratio), sigma)


def _sigma(contexts: Sequence[FitContext], stage: Stage, variables: Variables) -> float:
    """Standard deviation of the logarithm of the focal length, whatever pose and shape are."""
    images, known = told_apart(contexts, stage, variables)
    size = variables.betas.shape[1] + 1
    usual = torch.zeros(size, size)
    usual[-1, -1] = (SCALES["focal"] / SPREAD) ** 2
    return SCALES["focal"] * float(shared_covariance(images, known, usual)[-1, -1].sqrt())
