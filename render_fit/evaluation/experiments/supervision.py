"""Which supervision, and how much of it in 3D: the ablations of Neural Body Fitting, on synthetic people.

A network sees NBF's 12 parts with a segmenter's errors. *Which*: the reprojection of joints (L_2D), joints in 3D
(L_3D), rotations and shape (L_lat), or all. *How much*: everybody has 2D labels, a share has 3D labels (L_3D and L_lat)
too. The position of the pelvis, which is the camera's translation, is always supervised.

Source: Omran et al., 3DV 2018, sections 3.3 and 4.
"""

from __future__ import annotations

from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.experiments.small_trainings import Variant, compare_trainings
from render_fit.evaluation.tables import ExperimentResult
from render_fit.training.losses import LossWeights
from render_fit.training.recipe import Optimiser, TrainingRecipe, load_training_recipe
from render_fit.training.samples import LabelAvailability

STEPS = 1000
"""Steps of every training, at scale 1."""

NO_2D: dict[str, float] = {"projection": 0.0}
NO_3D: dict[str, float] = {"joints": 0.0, "joint_error": 0.0}
NO_LATENT: dict[str, float] = {"rotations": 0.0, "betas": 0.0}

SUPERVISIONS: dict[str, dict[str, float]] = {
    "L_2D": {**NO_3D, **NO_LATENT},
    "L_3D": {**NO_2D, **NO_LATENT},
    "L_lat": {**NO_2D, **NO_3D},
    "all": {},
}
"""Loss weights that differ from the defaults."""

PUBLISHED: dict[str, tuple[float, float, float]] = {
    "L_2D": (198.0, 94.0, 1.971),
    "L_3D": (83.7, 93.5, 1.962),
    "L_lat": (83.7, 93.1, 0.278),
    "all": (82.0, 93.5, 0.279),
}
"""3D error, millimetres; PCKh, percent; quaternion distance: Omran et al. 2018, on UP-3D with a network of its own."""

SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.01, 0.0)
"""Shares of people with 3D labels."""

COLUMNS = ("what", "mpjpe_mm", "mpjpe_mm_sd", "pa_mpjpe_mm", "pa_mpjpe_mm_sd", "pckh", "rotation_deg", "quaternion")


def small_nbf(name: str, config: ExperimentConfig) -> TrainingRecipe:
    """The recipe `nbf` with fewer steps."""
    steps = config.steps(STEPS)
    changes = {"name": name, "steps": steps, "optimiser": Optimiser(warm_up=max(1, steps // 10), average=0.99)}
    return load_training_recipe("nbf").model_copy(update={**changes, "precision": "no"})


def supervision(config: ExperimentConfig) -> ExperimentResult:
    """Trainings by L_2D, L_3D, L_lat and all of them: errors in 3D, in the image and of rotations (NBF's ablation)."""
    variants = [
        Variant(
            name,
            {"losses": LossWeights(**weights)},
            more=dict(zip(("published_3d_mm", "published_pckh", "published_rotation"), PUBLISHED[name], strict=True)),
        )
        for name, weights in SUPERVISIONS.items()
    ]
    rows = compare_trainings(small_nbf("supervision", config), variants, config)
    published = ("published_3d_mm", "published_pckh", "published_rotation")
    return ExperimentResult("supervision", rows, _sizes(config), (*COLUMNS, *published))


def label_share(config: ExperimentConfig) -> ExperimentResult:
    """Trainings with 2D labels for all people and 3D labels for 100 to 0 % of them."""
    variants = [
        Variant(
            f"{100 * share:g} % with 3D labels", {"label_availability": LabelAvailability(latent=share, joints=share)}
        )
        for share in SHARES
    ]
    rows = compare_trainings(small_nbf("label-share", config), variants, config)
    return ExperimentResult("label-share", rows, _sizes(config), COLUMNS)


def _sizes(config: ExperimentConfig) -> dict[str, int]:
    return {"held-out people": config.people, "steps": config.steps(STEPS), "seeds": config.repeats}
