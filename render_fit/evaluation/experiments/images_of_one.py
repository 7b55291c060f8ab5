"""Synthetic people who are seen in several images: what the experiments on shared shape and clothes fit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.synthesis.clothed_people import ClothedPerson, clothed_person
from render_fit.synthesis.garments.wardrobe import Clothes, sample_clothes
from render_fit.synthesis.poses.everyday import EverydayPoses
from render_fit.synthesis.poses.named import everyday_pose
from render_fit.synthesis.scene import sample_betas

MOST = 8
"""Images of each person."""

SWAY_RAD = math.radians(3.0)
"""Standard deviation of the joints of somebody who holds a pose and turns, per axis; set by hand."""

COUNTS = (1, 2, 4, MOST)
"""Numbers of images from which a person is fitted."""


def counts_of(config: ExperimentConfig) -> list[int]:
    """Those of `COUNTS` that the configuration allows."""
    return [count for count in COUNTS if count <= config.images]


@dataclass(frozen=True)
class PosedPerson:
    """A person before anybody is dressed or seen.

    Attributes:
        number: Number of the person.
        seed: Seed of everything that is random about the person.
        poses: (8, 24, 3) everyday poses of held-out subjects, axis-angle, radians.
    """

    number: int
    seed: int
    poses: Float[Tensor, "8 24 3"]


def posed_people(config: ExperimentConfig, count: int) -> list[PosedPerson]:
    """People in everyday poses of held-out subjects, with the frequencies of photos, in random order."""
    generator = torch.Generator().manual_seed(config.seed)
    poses, _ = EverydayPoses(config.poses("held_out")).sample(MOST * count, generator)
    mixed = poses[torch.randperm(len(poses), generator=generator)].reshape(count, MOST, 24, 3)
    seeds = np.random.SeedSequence(config.seed).generate_state(count)
    return [PosedPerson(number, int(seeds[number]), mixed[number]) for number in range(count)]


def body_and_clothes(body: Body, person: PosedPerson) -> tuple[Float[Tensor, "s"], Clothes]:
    """Shape of a person, and the clothes of the day."""
    rng = np.random.default_rng(person.seed)
    return sample_betas(body, rng), sample_clothes(rng)


def unrelated_images(
    body: Body, person: PosedPerson, *, changing: bool, focal: float | None = None
) -> Iterator[ClothedPerson]:
    """The person in unrelated images: other poses, cameras and directions.

    Args:
        body: Body model.
        person: The person.
        changing: Whether the clothes are others in every image.
        focal: Focal length of all images over the diagonal; None: sampled for each.
    """
    betas, clothes = body_and_clothes(body, person)
    for image, pose in enumerate(person.poses):
        seed = person.seed % 2**30 * MOST + image
        worn = sample_clothes(np.random.default_rng(seed)) if changing else clothes
        yield clothed_person(body, pose, seed, betas=betas, clothes=worn, focal=focal)


def turning_images(
    body: Body, person: PosedPerson, *, tight: bool, focal: float | None = None
) -> Iterator[ClothedPerson]:
    """The person holds a pose, with some sway, and turns round; the first image is the front.

    Args:
        body: Body model.
        person: The person.
        tight: Shirt and trousers close to the body instead of what the person wears; in any case without bags, and in
            flat shoes.
        focal: Focal length of all images over the diagonal; None: sampled for each.
    """
    betas, clothes = body_and_clothes(body, person)
    worn = Clothes(tight=True, seed=clothes.seed) if tight else replace(clothes, bag="none", heel_m=0.0)
    rng = np.random.default_rng(person.seed + 1)
    # the first two are opposite sides, the first four a cross
    for image, eighth in enumerate((0, 4, 2, 6, 1, 5, 3, 7)):
        sway = torch.from_numpy(SWAY_RAD * rng.standard_normal((24, 3))).float()
        sway[[0, SMPL_24.index("left_hand"), SMPL_24.index("right_hand")]] = 0.0
        pose = roma.rotvec_composition([everyday_pose("a_pose"), sway])
        yaw = eighth * math.pi / 4 + rng.normal(0, math.radians(5))
        seed = person.seed % 2**30 * MOST + image
        yield clothed_person(body, pose, seed, betas=betas, clothes=worn, yaw_rad=yaw, focal=focal)
