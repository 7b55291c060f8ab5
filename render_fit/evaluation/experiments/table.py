"""The table of experiments, which is read without importing them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from render_fit.core.errors import InputError
from render_fit.evaluation.experiments.settings import flag


@dataclass(frozen=True)
class Experiment:
    """An entry of the table of experiments, which is read without importing the experiments.

    Attributes:
        description: What it measures: the first line of its function's docstring.
        module: Module of this folder that contains the function.
        uses: Fields of `ExperimentConfig` that it uses, besides those of `COMMON`.
        quick: Values of ``--quick``, for a trial of about a minute: each figure is made, none is worth anything.
        sheet_columns: People side by side on the contact sheet.
    """

    description: str
    module: str
    uses: tuple[str, ...]
    quick: dict[str, Any]
    sheet_columns: int = 4


COMMON = ("data", "seed")
FIT = ("limit", "recipes", "regressors")
REFINE = (*FIT, "jobs", "keypoints_only")
TRAINING = ("people", "scale", "workers")
COMPARISON = ("people", "scale", "repeats")
SMALL_COMPARISON: dict[str, Any] = {"people": 64, "scale": 0.01, "repeats": 1}

EXPERIMENTS: dict[str, Experiment] = {
    "coco-masks": Experiment(
        "19 COCO people, given mask and keypoints: IoU by kind of clothing, keypoint error, PCK of withheld keypoints.",
        "photos_with_masks",
        (*REFINE, "clothing", "observer_3d"),
        {"limit": 1},
    ),
    "image-only": Experiment(
        "COCO, street and sports photos, given the image alone: IoU of the observer and of the fit with human masks.",
        "photos_with_masks",
        (*REFINE, "clothing"),
        {"limit": 1},
    ),
    "real-3d": Experiment(
        "Human3.6M and MPI-INF-3DHP frames: given 2D joints, K and the observer's mask; three seeds each.",
        "ground_truth_3d",
        (*REFINE, "clothing", "observer_3d"),
        {"limit": 1},
    ),
    "synthetic-views": Experiment(
        "500 synthetic views of held-out poses, given 2D joints, K and mask: 3D errors before and after refinement.",
        "ground_truth_3d",
        (*REFINE, "clothing"),
        {"limit": 4},
    ),
    "shape-recovery": Experiment(
        "100 unclothed synthetic people, given mask, keypoints and part map: surface and shape errors.",
        "ground_truth_3d",
        REFINE,
        {"limit": 4},
    ),
    "status-thresholds": Experiment(
        "96 synthetic views of held-out poses, mostly perturbed observations: 3D errors by status of the fit.",
        "status_thresholds",
        (*REFINE, "clothing"),
        {"limit": 5},
    ),
    "pose-calibration": Experiment(
        "24 synthetic people each who stand, walk, sit and crouch: bias and spread of knee, hip and trunk flexion.",
        "pose_calibration",
        REFINE,
        {"limit": 1},
    ),
    "clothed-people": Experiment(
        "200 clothed synthetic people in held-out everyday poses: errors of the body under the clothes, and unclothed.",
        "clothed_people",
        (*REFINE, "clothing"),
        {"limit": 2},
        sheet_columns=2,
    ),
    "known-numbers": Experiment(
        "200 clothed synthetic people, given mask, keypoints and labels: with known height, weight and waist.",
        "known_numbers",
        REFINE,
        {"limit": 1},
    ),
    "shared-shape": Experiment(
        "20 synthetic people in 1, 2, 4 and 8 unrelated images, mask and keypoints: shape of all images together.",
        "shared_shape",
        (*FIT, "jobs", "images"),
        {"limit": 1, "images": 2},
    ),
    "turning-people": Experiment(
        "20 clothed synthetic people who turn in an A-pose, 1, 2, 4 and 8 images: their outer surface at rest.",
        "turning_people",
        (*FIT, "jobs", "clothing", "images"),
        {"limit": 1, "images": 2},
    ),
    "focal-length": Experiment(
        "20 synthetic people, 8 images by one lens of 26 to 87 mm: focal length assumed, estimated, known.",
        "focal_length",
        (*FIT, "jobs", "images"),
        {"limit": 1, "images": 2},
    ),
    "measurement-intervals": Experiment(
        "100 clothed synthetic people: errors of measurements, and how often 90 % intervals contain the truth.",
        "measurement_intervals",
        (*FIT, "jobs"),
        {"limit": 1},
    ),
    "joint-uncertainty": Experiment(
        "200 clothed synthetic people: how often 90 % regions of joints contain the true ones, by joint and direction.",
        "joint_uncertainty",
        (*REFINE, "clothing"),
        {"limit": 1},
    ),
    "moving-person": Experiment(
        "Six clips of clothed and unclothed people in captured motion: frames alone, of one shape, and as a motion.",
        "moving_person",
        (*FIT, "jobs", "frames"),
        {"limit": 1, "frames": 4},
        sheet_columns=1,
    ),
    "neighbour-starts": Experiment(
        "30 unclothed synthetic people, a third thin, a third heavy: fits from perturbed results of other systems.",
        "neighbour_starts",
        (*FIT, "jobs"),
        {"limit": 1},
    ),
    "body-round-trips": Experiment(
        "20 people, zero pose and everyday pose: open → Anny → open, open → SMPL stand-in → open, residuals in mm.",
        "body_round_trips",
        ("limit", "jobs"),
        {"limit": 1},
    ),
    "street-photos": Experiment(
        "30 street photos, image alone, with predicted and human labels: knees, clothes, body, agreement with labels.",
        "street_photos",
        (*REFINE, "clothing"),
        {"limit": 1},
        sheet_columns=3,
    ),
    "clothing-labels": Experiment(
        "30 street photos: IoU of predicted and human labels of skin, hair, clothes, shoes and bags.",
        "clothing_labels",
        ("limit", "jobs"),
        {"limit": 3},
        sheet_columns=3,
    ),
    "convergence-basin": Experiment(
        "How far from the truth a fit may begin, by loss, soft edge and resolution: share of fits that converge.",
        "convergence_basin",
        ("limit", "jobs", "iterations"),
        {"limit": 1, "iterations": 6},
    ),
    "error-over-time": Experiment(
        "Fits from poses, from a regressor and from known errors: 3D error after every stage, against time.",
        "error_over_time",
        (*FIT, "jobs"),
        {"limit": 1},
    ),
    "timing": Experiment(
        "COCO photos, in one process on all cores: seconds of a fit by phase, and of one iteration by part.",
        "timing",
        (*FIT, "clothing", "observer_3d"),
        {"limit": 1},
    ),
    "regressor-baselines": Experiment(
        "Regressors, fits, nearest neighbours and the mean pose on held-out synthetic people with observation noise.",
        "regressor_baselines",
        ("people", "scale", "regressors", "recipes", "fits", "jobs"),
        {"people": 64, "scale": 0.02, "fits": 4},
    ),
    "backbones": Experiment(
        "Regressors from pixels by backbone and number of images, on held-out synthetic people and real frames.",
        "backbones",
        ("people", "scale", "workers", "limit", "regressors", "backbones"),
        {"people": 32, "scale": 0.005, "limit": 1, "workers": 0},
    ),
    "domain-adaptation": Experiment(
        "Labels of a narrow distribution and unlabelled observations of a wide one, against all labels.",
        "domain_adaptation",
        TRAINING,
        {"people": 32, "scale": 0.01, "workers": 0},
    ),
    "two-d-supervision": Experiment(
        "Training with L_2D alone, with three priors on poses, and with 3D labels: errors and plausibility of poses.",
        "two_d_supervision",
        COMPARISON,
        {"people": 32, "scale": 0.01, "repeats": 1},
        sheet_columns=1,
    ),
    "supervision": Experiment(
        "Trainings by L_2D, L_3D, L_lat and all of them: errors in 3D, in the image and of rotations (NBF's ablation).",
        "supervision",
        COMPARISON,
        SMALL_COMPARISON,
    ),
    "label-share": Experiment(
        "Trainings with 2D labels for all people and 3D labels for 100 to 0 % of them.",
        "supervision",
        COMPARISON,
        SMALL_COMPARISON,
    ),
    "segmentation-quality": Experiment(
        "Pose errors of networks trained on exact and on flawed part maps against the quality of the map they see.",
        "segmentation_quality",
        COMPARISON,
        SMALL_COMPARISON,
    ),
    "input-representation": Experiment(
        "Networks that see pixels, a silhouette, 3, 6, 12 or 24 parts, keypoints, or parts and keypoints.",
        "input_representation",
        COMPARISON,
        SMALL_COMPARISON,
    ),
}
"""Experiments by name; the function of the module that runs one has its name, with underscores."""

GROUPS: dict[str, tuple[str, ...]] = {
    "lecture": (
        "supervision",
        "label-share",
        "segmentation-quality",
        "input-representation",
        "two-d-supervision",
        "error-over-time",
        "convergence-basin",
    ),
    "all": tuple(EXPERIMENTS),
}
"""Names that stand for several experiments; ``lecture``: the questions of the literature on analysis by synthesis."""

RENAMED = {
    "monsters": "two-d-supervision", "round-trip": "shape-recovery", "status": "status-thresholds",
    "image-alone": "image-only", "coco": "coco-masks", "baselines": "regressor-baselines",
    "adaptation": "domain-adaptation",
}  # fmt: skip
"""Former names of experiments."""


def checked_experiment(name: str, options: Collection[str]) -> Experiment:
    """An experiment, if it uses the options that are given.

    Args:
        name: Key of `EXPERIMENTS`.
        options: Names of fields of `ExperimentConfig`.

    Raises:
        InputError: if there is no such experiment, or it does not use an option.
    """
    if name in RENAMED:
        raise InputError(f"experiment {name!r} is now called {RENAMED[name]!r}")
    if name not in EXPERIMENTS:
        raise InputError(f"experiment {name!r}: not known; known are {', '.join((*EXPERIMENTS, *GROUPS))}")
    used = (*COMMON, *EXPERIMENTS[name].uses)
    for field in options:
        if field not in used:
            raise InputError(f"{flag(field)}: not used by {name}, which uses {', '.join(map(flag, used))}")
    return EXPERIMENTS[name]
