"""The distribution of poses in photos of people: how often people stand, walk, sit, crouch and bend, and how.

Motion capture says how joints move together; it does not say how often a pose occurs in front of a camera. The priors,
the training of regressors and the evaluation sets sample from this one distribution.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import MocapPoses
from render_fit.datasets.mocap_activities import Activity
from render_fit.datasets.mocap_calibration import bend_knee
from render_fit.synthesis.poses.joint_groups import ARMS, mirrored, sample_seated_legs

PhotoActivity = Activity | Literal["weight on one leg", "sitting", "sitting on the ground"]

FREQUENCIES: dict[PhotoActivity, float] = {
    "standing": 0.22,
    "weight on one leg": 0.18,
    "walking": 0.25,
    "sitting": 0.07,
    "sitting on the ground": 0.05,
    "crouching": 0.05,
    "bending": 0.05,
    "other": 0.13,
}
"""Share of each activity. They are set by hand: photos of people in streets, at home and at sports."""

STRAIGHT_RAD = math.radians(4.0)
"""Standard deviation of the knees of people who stand, around SMPL's zero pose, the mean stance of scanned people."""

UNEVEN_RAD = math.radians(2.0)
"""Standard deviation of the difference between two straight knees."""

RELAXED_RAD = math.radians(15.0)
"""Scale of the half-normal flexion of the other knee of people with their weight on one leg."""

OTHER_ARMS = 0.5
"""Share of standing and walking people with the arms of another one."""

_MOTION_CAPTURE_OF: dict[PhotoActivity, tuple[Activity, ...]] = {
    "weight on one leg": ("standing",),
    "sitting": ("standing", "walking"),
    "sitting on the ground": ("standing", "walking"),
}
"""Motion capture from which activities are made that it does not contain itself."""


class EverydayPoses:
    """Poses with the frequencies of photos.

    Args:
        poses: Motion capture of one split. Subjects with many poses of an activity count less: n poses as √n.
    """

    def __init__(self, poses: MocapPoses) -> None:
        self.pose = torch.from_numpy(poses.pose)
        labels = list(zip(poses.activity, poses.subject, strict=True))
        share = {label: labels.count(label) ** -0.5 for label in set(labels)}
        weights = torch.tensor([share[label] for label in labels])
        activity = np.array(poses.activity)

        def of(*names: PhotoActivity) -> Tensor:
            return weights * torch.from_numpy(np.isin(activity, names))

        self._weights = {name: of(*_MOTION_CAPTURE_OF.get(name, (name,))) for name in FREQUENCIES}
        self._upright = of("standing", "walking")

    def sample(self, count: int, generator: torch.Generator) -> tuple[Float[Tensor, "n 24 3"], list[PhotoActivity]]:
        """Samples poses in the order of `FREQUENCIES`, half of them mirrored.

        Args:
            count: Number of poses.
            generator: Source of randomness.

        Returns:
            (N, 24, 3) axis-angle, the pelvis in the body's own upright axes; N activities.
        """
        ends = [round(count * end) for end in np.cumsum([0.0, *FREQUENCIES.values()]).tolist()]
        poses, names = [self.pose[:0]], []
        for name, start, end in zip(FREQUENCIES, ends[:-1], ends[1:], strict=True):
            if end > start:
                poses.append(self.sample_activity(name, end - start, generator))
                names += [name] * (end - start)
        pose = torch.cat(poses)
        flipped = torch.rand(count, generator=generator) < 0.5
        return torch.where(flipped[:, None, None], mirrored(pose), pose), names

    def sample_activity(
        self, activity: PhotoActivity, count: int, generator: torch.Generator
    ) -> Float[Tensor, "n 24 3"]:
        """Samples poses of one activity.

        Standing and walking people get the arms of another one in `OTHER_ARMS` of the cases. Standing people get new
        knee angles, because motion capture hardly contains people who pose for a photo. Sitting people, whom this
        motion capture lacks, are upright trunks and arms on seated legs.

        Raises:
            ValueError: if the motion capture contains no pose of the activity.
        """
        pose = self._draw(self._weights[activity], count, generator)
        if activity in ("standing", "weight on one leg", "walking"):
            other = self._draw(self._upright, count, generator)[:, ARMS]
            moved = torch.rand(count, generator=generator) < OTHER_ARMS
            pose[:, ARMS] = torch.where(moved[:, None, None], other, pose[:, ARMS])
        if activity in ("sitting", "sitting on the ground"):
            legs, values = sample_seated_legs(count, generator, on_ground=activity == "sitting on the ground")
            pose[:, legs] = values
        if activity in ("standing", "weight on one leg"):
            return _stand(pose, activity == "weight on one leg", generator)
        return pose

    def _draw(self, weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
        if not weights.any():
            raise ValueError("poses: the motion capture contains no pose of this activity")
        return self.pose[torch.multinomial(weights, count, replacement=True, generator=generator)].clone()


def _stand(pose: Float[Tensor, "n 24 3"], on_one_leg: bool, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Draws the knee angles of people who stand: one knee straight, the other one straight or relaxed."""
    straight, difference = (torch.randn(len(pose), generator=generator) for _ in range(2))
    flexion = STRAIGHT_RAD * straight
    other = flexion + (RELAXED_RAD * difference.abs() if on_one_leg else UNEVEN_RAD * difference)
    knees = [SMPL_24.index("left_knee"), SMPL_24.index("right_knee")]
    order = pose[:, knees, 0].argsort(1).argsort(1)
    added = (torch.stack([flexion, other], 1).gather(1, order) - pose[:, knees, 0]).double().numpy()
    result = pose.double().numpy()
    for side, knee in enumerate(knees):
        result = bend_knee(result, knee, added[:, side])
    return torch.from_numpy(result).to(pose)
