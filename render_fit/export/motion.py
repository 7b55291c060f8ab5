"""A body in motion, in axes that the caller chooses: what GLB, BVH and AMASS files are written from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.bodies import Body, BodyParameters
from render_fit.core.errors import InputError
from render_fit.core.plausibility import check_fps
from render_fit.core.rotations import roma
from render_fit.export.gaps import bridged
from render_fit.export.parameters import SavedFit

DEFAULT_FPS = 30.0
"""Frames a second where neither the fit nor the user says it."""

CAMERA_TO_Y_UP = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
"""From the camera's axes (x right, y down, z forward) to those of glTF and BVH: x right, y up, z to the viewer."""

Y_UP_TO_Z_UP = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From y up to AMASS's axes: x right, y away from the viewer, z up."""

_CHUNK = 32
"""Bodies that are posed at once, so that memory does not grow with the frames."""


@dataclass(frozen=True)
class Motion:
    """One body over N frames; its shape and clothes are those of the first frame.

    Attributes:
        body: The body.
        parameters: Its N poses, in the axes of the motion.
        fps: Frames a second.
    """

    body: Body
    parameters: BodyParameters
    fps: float

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def rest_joints(self) -> Float[Tensor, "j 3"]:
        """Joints in the zero pose and the body's axes, metres."""
        return self.body.rest_joints(self.parameters.betas[:1])[0]

    @property
    def bones(self) -> Float[Tensor, "j 3"]:
        """Joints relative to their parents in the zero pose, metres; zero for the root."""
        joints = self.rest_joints
        parents = torch.tensor(self.body.parents)
        return torch.where(parents[:, None] < 0, torch.zeros_like(joints), joints - joints[parents.clamp(min=0)])

    @property
    def root_positions(self) -> Float[Tensor, "n 3"]:
        """Positions of the root joint, metres."""
        return self.rest_joints[0] + self.parameters.transl

    @property
    def quaternions(self) -> Float[Tensor, "n j 4"]:
        """Local rotations as unit quaternions x, y, z, w; of q and −q always the one closer to the frame before."""
        quaternions = roma.rotmat_to_unitquat(self.parameters.rotations)
        flips = (quaternions[1:] * quaternions[:-1]).sum(-1) < 0
        signs = torch.where(flips, -1.0, 1.0).cumprod(0)
        return torch.cat([quaternions[:1], signs[..., None] * quaternions[1:]])

    def turned(self, axes: Float[Tensor, "3 3"]) -> Motion:
        """The same motion in other axes.

        Args:
            axes: Rotation that takes points to the new axes. The body's own axes, those of its zero pose, stay.

        Returns:
            Motion whose vertices and joints are the turned ones.
        """
        rotations = self.parameters.rotations.clone()
        rotations[:, 0] = axes @ rotations[:, 0]
        # the root joint stays where it is in the zero pose, and `transl` is added to it there
        transl = self.root_positions @ axes.T - self.rest_joints[0]
        return replace(self, parameters=replace(self.parameters, rotations=rotations, transl=transl))

    def on_the_ground(self) -> Motion:
        """The same motion, moved as a whole: its lowest point at y = 0, its first root joint above the origin.

        The axes must have y up.
        """
        lowest = min(float(vertices[..., 1].min()) for vertices in self.vertices())
        first = self.root_positions[0]
        shift = torch.stack([first[0], first.new_tensor(lowest), first[2]])
        return replace(self, parameters=replace(self.parameters, transl=self.parameters.transl - shift))

    @torch.no_grad()
    def vertices(self) -> Iterator[Float[Tensor, "_ v 3"]]:
        """Posed vertices, some frames at a time, metres."""
        for start in range(0, len(self), _CHUNK):
            yield self.body(self.parameters[start : start + _CHUNK]).vertices


def motion_of(saved: SavedFit, body: Body, fps: float | None = None) -> Motion:
    """The motion of a saved fit, with y up: the camera at the origin, which looks along −z.

    Frames in which nobody was found are bridged from the frames beside them. Where neither the fit nor the caller knows
    a rate, the images are photos without an order in time; such ones are left out.

    Args:
        saved: Content of ``params.npz``.
        body: The body that it was fitted with.
        fps: Frames a second; None: those of the fit, or `DEFAULT_FPS` where it has none.

    Returns:
        The motion.

    Raises:
        InputError: if nobody was found in any frame, or no recording has so many or few frames a second.
    """
    known = fps if fps is not None else getattr(saved, "fps", None)
    rate = DEFAULT_FPS if known is None else float(known)
    check_fps(rate, "fps")
    found = frames_found(saved)
    if not found.any():
        raise InputError("the fit has nobody: no person was found in its images")
    parameters = saved.parameters()
    parameters = parameters[torch.from_numpy(found.nonzero()[0])] if known is None else bridged(parameters, found)
    return Motion(body, parameters, rate).turned(CAMERA_TO_Y_UP)


def frames_found(saved: SavedFit) -> Bool[np.ndarray, "n"]:
    """(N,) whether a frame shows the person; what a fit holds of the others is made up."""
    found = getattr(saved, "found", None)
    return np.ones(len(saved.poses), dtype=bool) if found is None else np.asarray(found, dtype=bool)


def as_array(tensor: Tensor) -> Float[np.ndarray, "..."]:
    """A tensor as a float32 array."""
    return tensor.detach().cpu().numpy().astype(np.float32)
