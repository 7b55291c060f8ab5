"""What a network should see: pixels, a silhouette, 3 to 24 parts, keypoints, or several of them.

The networks are the same but for their inputs, with the errors of segmenters and detectors in each. Every person has
every input; labels are complete. Pixels are rendered, so their row says how hard it is to learn from them, not how
photos would do.

Source: the comparison of intermediate representations of Omran et al., 3DV 2018, section 4.
"""

from __future__ import annotations

from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.experiments.small_trainings import SMALL_RESNET, Variant, compare_trainings
from render_fit.evaluation.tables import ExperimentResult
from render_fit.regressors.config import ImageInput, RegressorConfig
from render_fit.synthesis.observation_noise import ObservationNoise
from render_fit.training.recipe import Optimiser, TrainingRecipe

STEPS = 1000
"""Steps of every training, at scale 1."""

ALWAYS_SEEN = {"no_mask": 0.0, "no_parts": 0.0, "no_keypoints": 0.0}


def _variant(name: str, pictures: tuple[ImageInput, ...], keypoints: bool = False, **noise: float | str) -> Variant:
    network = RegressorConfig(pictures=pictures, keypoints=keypoints, hypotheses=1, width=256, backbone=SMALL_RESNET)
    seen = ObservationNoise.model_validate({**ALWAYS_SEEN, **noise})
    return Variant(name, {"regressor": network, "observation_noise": seen})


VARIANTS = (
    _variant("photo, rendered", ("photo",)),
    _variant("silhouette", ("silhouette",)),
    _variant("3 parts", ("parts",), coarse_parts=1.0, coarse_space="nbf3"),
    _variant("6 parts", ("parts",), coarse_parts=1.0, coarse_space="nbf6"),
    _variant("12 parts", ("parts",), coarse_parts=1.0, coarse_space="nbf12"),
    _variant("24 parts", ("parts",), coarse_parts=0.0),
    _variant("keypoints", (), keypoints=True),
    _variant("silhouette and keypoints", ("silhouette",), keypoints=True),
    _variant("24 parts and keypoints", ("parts",), keypoints=True, coarse_parts=0.0),
    _variant("all", ("photo", "silhouette", "parts"), keypoints=True, coarse_parts=0.0),
)


def input_representation(config: ExperimentConfig) -> ExperimentResult:
    """Networks that see pixels, a silhouette, 3, 6, 12 or 24 parts, keypoints, or parts and keypoints."""
    steps = config.steps(STEPS)
    recipe = TrainingRecipe(
        name="input-representation",
        description="the same network with other inputs",
        clothing=False,
        steps=steps,
        optimiser=Optimiser(warm_up=max(1, steps // 10), average=0.99),
    )
    rows = compare_trainings(recipe, VARIANTS, config)
    summary = {"held-out people": config.people, "steps": steps, "seeds": config.repeats}
    columns = ("what", "mpjpe_mm", "mpjpe_mm_sd", "pa_mpjpe_mm", "pa_mpjpe_mm_sd", "pckh", "rotation_deg")
    return ExperimentResult("input-representation", rows, summary, columns)
