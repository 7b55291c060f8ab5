"""Hypotheses of a fit from the result of another system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.exchange.checked_arrays import UNITS
from render_fit.exchange.conversion import fitted_to
from render_fit.exchange.result import BodyResult, PinholeView, Placement
from render_fit.exchange.results import read_results
from render_fit.exchange.sources import source_surface
from render_fit.fitting.initialisation import TORSO, placed, seen_joints
from render_fit.fitting.regressor_initialisation import RegressorHypotheses
from render_fit.fitting.variables import Variables
from render_fit.losses.targets import FitTargets, targets_from
from render_fit.observations.observation import Observation

JOINT_ERROR_M = 0.06
"""Expected error of a joint of another system's result relative to the pelvis, metres. Regressors of 2023 to 2025 have
an MPJPE of 60 to 80 mm on 3DPW, most of it in depth."""

YAWS_DEG = (0.0, 90.0, 180.0, 270.0)
"""Turns about the vertical of a result that does not say where the camera stands."""

SIZE_RATIO = 3.0
"""Ratio of the result's size in the image to the observed person's, or its inverse, beyond which it is placed anew."""

AWAY = 1.0
"""Distance of the result's pelvis from the middle of the observed person, in sizes of the person, beyond which it is
placed anew."""

CROP_PX = 256
"""Side of the crop in which a result without a camera is placed, pixels; any size gives the same place."""


@dataclass(frozen=True)
class StartingResults:
    """People of another system's result, one of whom a fit starts from.

    Attributes:
        results: At least one person.
        source: Name of their file, for notes.
    """

    results: Sequence[BodyResult]
    source: str

    @torch.no_grad()
    def __call__(
        self, body: Body, observation: Observation, camera: Camera, n_betas: int, clothing_dim: int = 0
    ) -> tuple[RegressorHypotheses, list[str]]:
        """Hypotheses for one observed person, in place of a regressor's.

        Args:
            body: Body model that is fitted.
            observation: z(I), in pixels of the photo.
            camera: Camera of the photo.
            n_betas: Number of shape coefficients.
            clothing_dim: Number of clothing coefficients, starting at zero; 0: none.

        Returns:
            The hypothesis, or one for each of `YAWS_DEG`, and what was recognised or changed, sentences.

        Raises:
            InputError: if nobody in the result can be taken as this body.
        """
        result, placement = _person_of(self.results, observation)
        shaped, notes = body_parameters(result, body, n_betas)
        if result.pose is None and isinstance(result.view, PinholeView):  # now it is known where its pelvis is
            pelvis = body.kinematics(shaped).joints[0, 0].double().numpy()
            placement = _placement(replace(result, view=replace(result.view, pelvis=pelvis)), observation)
        targets = targets_from(observation, camera, CROP_PX, 0.1)
        turned, told = _upright(body, shaped, targets)
        if told:
            placement = None
        parameters = turned if result.direction_known else _all_yaws(turned)
        position, where = _position(body, parameters, result, placement, observation, camera, targets)
        pelvis = body.rest_joints(parameters.betas)[:, 0]
        in_front = replace(parameters, transl=torch.tensor([0.0, 0.0, 3.0]) - pelvis)
        variables = Variables.from_parameters(body, in_front).with_values({"position": position})
        if clothing_dim:
            variables = variables.with_values({"clothing": torch.zeros(len(position), clothing_dim)})
        about = f"starts from {self.source} ({result.system})"
        count = len(position)
        hypotheses = RegressorHypotheses(
            variables, torch.full((count, len(SMPL_24)), JOINT_ERROR_M), torch.full((count,), 1 / count).log()
        )
        return hypotheses, [f"{about}: {note}" for note in (*result.notes, *notes, *told, *where)] or [about]


def starting_results(path: Path, photo: str, frame: int | None = None) -> StartingResults:
    """Reads a result for a photo; see `read_results`.

    Raises:
        InputError: if it cannot be read, or is of another photo.
    """
    return StartingResults(read_results(path, photo=photo, frame=frame), path.name)


def _image_scale(observation: Observation) -> float:
    """Pixels of the observation's image per pixel of the photo's file."""
    return 1.0 if observation.file_size is None else observation.image_size[0] / observation.file_size[0]


def _placement(result: BodyResult, observation: Observation) -> Placement | None:
    """Where a result is in the observation's image; None if it has no camera, or is behind it."""
    if result.view is None or (isinstance(result.view, PinholeView) and result.view.pelvis[2] <= 0):
        return None
    there = result.view.placed(observation.file_size or observation.image_size)
    scale = _image_scale(observation)
    return Placement(scale * there.pelvis_px, scale * there.px_per_m)


def _away(placement: Placement, observation: Observation) -> float:
    """Distance of a pelvis from the middle of the observed person, in sizes of the person."""
    x, y, width, height = observation.box
    middle = np.array([x + width / 2, y + height / 2])
    return float(np.linalg.norm(placement.pelvis_px - middle)) / max(width, height)


def _person_of(results: Sequence[BodyResult], observation: Observation) -> tuple[BodyResult, Placement | None]:
    """The person of a result who is nearest to the observed one, and the place."""
    places = [_placement(result, observation) for result in results]
    index = min(
        range(len(results)), key=lambda i: np.inf if (place := places[i]) is None else _away(place, observation)
    )
    return results[index], places[index]


def body_parameters(result: BodyResult, body: Body, n_betas: int) -> tuple[BodyParameters, list[str]]:
    """A result as parameters of a body, with the pelvis anywhere.

    Args:
        result: One person.
        body: Body model.
        n_betas: Number of shape coefficients.

    Returns:
        Parameters of one body in the axes of the camera, and what could not be taken over, sentences.

    Raises:
        InputError: if the result has neither a pose nor a mesh.
    """
    own_shape = result.betas is not None and result.family in (body.name, body.origin)
    if result.vertices is not None and not own_shape:
        state = fitted_to(source_surface(result), body)
        apart = ["its mesh was fitted by the body's pose and shape"]
        betas = _columns(state.shape.float()[None], n_betas)
        return BodyParameters(state.rotations.float()[None], betas, state.transl.float()[None]), apart
    if result.pose is None:
        raise InputError(f"{result.system}: has neither a pose nor a mesh")
    turns = torch.eye(3).repeat(1, len(body.joint_names), 1, 1)
    names = result.joint_names or body.joint_names
    if len(names) != len(result.pose):
        raise InputError(f"{result.system}: its pose is for {len(result.pose)} joints, and the body has {len(names)}")
    given = roma.rotvec_to_rotmat(torch.from_numpy(result.pose).float())
    for joint, name in enumerate(names):
        if name in body.joint_names:
            turns[0, body.joint_names.index(name)] = given[joint]
    betas, notes = torch.zeros(1, n_betas), []
    if result.betas is not None and own_shape:
        betas = _columns(torch.from_numpy(result.betas).float()[None], n_betas)
    elif result.betas is not None:
        notes.append(f"its shape is for another body ({result.family}) and was left at the mean")
    return BodyParameters(turns, betas, torch.zeros(1, 3)), notes


def _columns(values: Float[Tensor, "n s"], count: int) -> Float[Tensor, "n m"]:
    """The first columns, or zeros after the last one."""
    return pad(values, (0, count - values.shape[1]))


def _upright(body: Body, parameters: BodyParameters, targets: FitTargets) -> tuple[BodyParameters, list[str]]:
    """The body turned by half a turn about x if its torso points against the observed one: a camera with y up."""
    seen = seen_joints(targets, TORSO)
    if len(seen) < 4:
        return parameters, []
    joints = body.keypoints(parameters, SMPL_24)[0]
    own = [joints[SMPL_24.index(name), :2] for name in TORSO]
    up_seen = sum(seen[name] for name in TORSO[:2]) - sum(seen[name] for name in TORSO[2:])
    up = own[0] + own[1] - own[2] - own[3]
    agreement = float(torch.cosine_similarity(up, torch.as_tensor(up_seen), dim=0))
    if agreement > -0.5:
        return parameters, []
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    turned = torch.cat([flip @ parameters.rotations[:, :1], parameters.rotations[:, 1:]], dim=1)
    return replace(parameters, rotations=turned), [
        "the body is upside down in the image, as if y were up (OpenGL); turned by half a turn about x"
    ]


def _all_yaws(parameters: BodyParameters) -> BodyParameters:
    """The body turned about the vertical by each of `YAWS_DEG`."""
    turns = torch.stack([roma.rotvec_to_rotmat(torch.tensor([0.0, np.radians(yaw), 0.0])).float() for yaw in YAWS_DEG])
    count = len(turns)
    rotations = parameters.rotations.repeat(count, 1, 1, 1)
    rotations[:, 0] = turns @ rotations[:, 0]
    return BodyParameters(rotations, parameters.betas.repeat(count, 1), parameters.transl.repeat(count, 1))


def _position(
    body: Body,
    parameters: BodyParameters,
    result: BodyResult,
    placement: Placement | None,
    observation: Observation,
    camera: Camera,
    targets: FitTargets,
) -> tuple[Float[Tensor, "b 3"], list[str]]:
    """(x/z, y/z, log z) of the pelvis in the photo's camera: where the result's camera shows it, as large as there.

    The image of the person is kept rather than the distance: its focal length is often a guess, as the photo's.
    A place that cannot be this person's is found from keypoints or mask instead.
    """
    focal = float(camera.K[0, 0, 0])
    notes: list[str] = []
    if placement is not None:
        vertices = body(parameters).vertices
        extent_m = float((vertices.amax(dim=1) - vertices.amin(dim=1))[:, :2].max())
        size_px = max(observation.box[2:])
        unit = _unit_of_place(placement.px_per_m * extent_m / size_px)
        if unit != "metres" and result.transl is not None and isinstance(result.view, PinholeView):
            zero_pose = result.view.pelvis - result.transl
            there = replace(result.view, pelvis=zero_pose + result.transl / UNITS[unit])
            placement = _placement(replace(result, view=there), observation) or placement
            notes.append(f"its translation is in {unit}; converted to metres")
        ratio = placement.px_per_m * extent_m / size_px
        if 1 / SIZE_RATIO < ratio < SIZE_RATIO and _away(placement, observation) < AWAY:
            if isinstance(result.view, PinholeView) and not result.view.per_side:
                notes += _about_focal(_image_scale(observation) * result.view.focal_px, focal)
            depth = focal / placement.px_per_m
            x, y = (placement.pelvis_px - camera.K[0, :2, 2].numpy()) / focal
            return torch.tensor([[x, y, np.log(depth)]], dtype=torch.float32).repeat(len(parameters), 1), notes
        notes.append("it is elsewhere in the image, or of another size, than the person: placed by keypoints or mask")
    pelvis = body.rest_joints(parameters.betas)[:, 0]
    centred = replace(parameters, transl=-pelvis)
    return placed(body, centred, targets), notes


def _unit_of_place(ratio: float) -> str:
    """Unit of a translation under which a body has about the size of the person whom it is of."""
    return min(UNITS, key=lambda unit: abs(np.log(max(ratio, 1e-9) * UNITS[unit])))


def _about_focal(theirs_px: float, ours_px: float) -> list[str]:
    if 0.8 < theirs_px / ours_px < 1.25:
        return []
    return [
        f"its focal length is {theirs_px:.0f} px and the photo's {ours_px:.0f} px: the distance was changed so that "
        "the person stays as large in the image"
    ]
