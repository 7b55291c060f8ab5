"""Predictions of a regressor for the same few people at every validation, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import view_camera
from render_fit.core.metrics import pa_mpjpe
from render_fit.export.overlays import Pixels, fitted, overlay, panel
from render_fit.export.views import side_view
from render_fit.observations.camera_source import resolve_camera
from render_fit.observations.images import read_photo
from render_fit.pipelines.training_page.inputs import input_pictures
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.renderers.cpu import CpuRenderer
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.unlabelled_photos import UnlabelledPhotos
from render_fit.training.validation import HeldOut

PEOPLE = 6
"""Held-out people, or photos, whose predictions are drawn."""

SIZE_PX = 208
"""Side of each picture."""

COLUMNS = 5
"""Pictures of each person: input, prediction, what it is compared with, and both turned."""


@dataclass(frozen=True)
class Bodies:
    """Bodies of N people, with what is compared and drawn of them.

    Attributes:
        parameters: N bodies in the axes of the crop cameras.
        joints: (N, J, 3) joints, metres.
        vertices: (N, V, 3) vertices with clothing, metres.
    """

    parameters: BodyParameters
    joints: Float[Tensor, "n j 3"]
    vertices: Float[Tensor, "n v 3"]


class PredictionSheet:
    """Draws predictions for the same people again and again: a row for each of them, and what does not change once.

    Args:
        inputs: Inputs of N people.
        backgrounds: What bodies are drawn over: N pictures in the views of the crop cameras, `SIZE_PX` wide.
        body: Body model, on the CPU.
        basis: Clothing basis; None: bodies without clothing.
        reference: Bodies that predictions are compared with: the true ones, or the predictions before.
        has_truth: Whether the reference is the truth, so that errors are written beside the predictions.
    """

    def __init__(
        self,
        inputs: RegressorInputs,
        backgrounds: Sequence[Pixels],
        body: Body,
        basis: ClothingBasis | None,
        reference: Bodies,
        *,
        has_truth: bool,
    ) -> None:
        self._inputs, self._backgrounds, self._body, self._basis = inputs, backgrounds, body, basis
        self._reference, self._has_truth, self._renderer = reference, has_truth, CpuRenderer()
        self._known = [self._views(self._reference, person) for person in range(len(inputs))]

    @staticmethod
    def of_people(held_out: HeldOut, sampler: PeopleSampler, config: RegressorConfig) -> PredictionSheet:
        """Draws the first held-out synthetic people beside the truth.

        Args:
            held_out: Held-out people, with images.
            sampler: Sampler with the body and the clothing basis.
            config: Configuration of the network; says which inputs are drawn.
        """
        inputs, truth = held_out.inputs[:PEOPLE], held_out.truth[:PEOPLE]
        body, basis = sampler.body, sampler.basis
        transl = truth.pelvis - body.rest_joints(truth.betas)[:, 0]
        true = _bodies(BodyParameters(truth.rotations, truth.betas, transl), truth.clothing, body, basis)
        backgrounds = input_pictures(inputs, config, SIZE_PX)
        return PredictionSheet(inputs, backgrounds, body, basis, true, has_truth=True)

    @staticmethod
    def of_photos(
        photos: UnlabelledPhotos, paths: Sequence[Path], sampler: PeopleSampler, before: Regressor
    ) -> PredictionSheet:
        """Draws people in photos beside the predictions of the regressor before fine-tuning.

        Args:
            photos: One person in each photo.
            paths: The photos' files.
            sampler: Sampler with the body and the clothing basis.
            before: The pretrained regressor.
        """
        chosen = photos[torch.arange(min(PEOPLE, len(photos)))]
        pictures = [_in_view(path, chosen, row) for row, path in enumerate(paths[:PEOPLE])]
        first = _predicted(before, chosen.inputs, sampler.body, sampler.basis)
        return PredictionSheet(chosen.inputs, pictures, sampler.body, sampler.basis, first, has_truth=False)

    def __call__(self, regressor: Regressor) -> Pixels:
        """Draws the most probable predictions of a regressor.

        Returns:
            (h, w, 3) RGB 0–255: for each person the input, the prediction over it, the reference over it, and both
            turned by 90° (`side_view`).
        """
        predicted = _predicted(regressor, self._inputs, self._body, self._basis)
        errors = 1000 * pa_mpjpe(predicted.joints, self._reference.joints)
        rows = []
        for person, (known, known_turned) in enumerate(self._known):
            shown = self._backgrounds[person]
            over, turned = self._views(predicted, person)
            if self._has_truth:
                now, cells = f"prediction, {errors[person]:.0f} mm", {"input": shown}
                cells |= {now: over, "truth": known, "prediction, turned": turned, "truth, turned": known_turned}
            else:
                cells = {"photo": shown, "now": over, "before": known}
                cells |= {"now, turned": turned, "before, turned": known_turned}
            rows.append(panel(list(cells.values()), height_px=SIZE_PX, captions=list(cells)))
        return np.concatenate(rows)

    def _views(self, bodies: Bodies, person: int) -> tuple[Pixels, Pixels]:
        """A body over the input, and turned by 90° about the vertical, which shows its depth."""
        image = torch.from_numpy(np.array(self._backgrounds[person])).movedim(-1, 0) / 255
        camera = view_camera(self._inputs.focal[person : person + 1], SIZE_PX)
        vertices, faces, parts = bodies.vertices[person], self._body.faces, self._body.face_parts
        over = overlay(image, vertices, faces, camera, self._renderer, face_parts=parts)
        turned = side_view(vertices, faces, self._renderer, size_px=SIZE_PX, yaw_rad=math.pi / 2, face_parts=parts)
        return over, turned


@torch.no_grad()
def _predicted(regressor: Regressor, inputs: RegressorInputs, body: Body, basis: ClothingBasis | None) -> Bodies:
    """The most probable hypothesis for each person."""
    device = next(regressor.parameters()).device
    best = regressor(inputs.to(device)).ranked().to("cpu")
    hypotheses = best.log_likelihood.shape[1]
    parameters = best.parameters(body, inputs.focal)[torch.arange(len(inputs)) * hypotheses]
    return _bodies(parameters, best.clothing[:, 0], body, basis)


@torch.no_grad()
def _bodies(
    parameters: BodyParameters, clothing: Float[Tensor, "n m"], body: Body, basis: ClothingBasis | None
) -> Bodies:
    """Poses bodies, with their clothing if there is a basis for it."""
    offsets = basis(clothing) if basis is not None and clothing.shape[1] else None
    posed = body(BodyParameters(parameters.rotations, parameters.betas, parameters.transl, offsets))
    return Bodies(parameters, posed.joints, posed.vertices)


def _in_view(path: Path, photos: UnlabelledPhotos, row: int) -> Pixels:
    """A photo in the view of the crop camera of a person, `SIZE_PX` wide."""
    photo = read_photo(path)
    view = photos.view[torch.tensor([row])]
    size = tuple(photo.image.shape[1:])
    camera = resolve_camera((size[0], size[1]), exif_focal_px=photo.focal_px)[0]
    enlarged = float(view.camera.K[0, 0, 0] / camera.K[0, 0, 0]) * SIZE_PX / view.camera.width
    pixels = fitted(photo.image, max(8, round(min(1.0, enlarged) * max(size))))
    image = torch.from_numpy(pixels).movedim(-1, 0)[None]
    camera = camera.resize(*image.shape[2:])
    fine = type(view)(view.camera.resize(SIZE_PX, SIZE_PX), view.rotation)
    seen = fine.warp_image(image, camera)[0].movedim(0, -1).numpy()
    return (seen * 255 + 0.5).astype(np.uint8)
