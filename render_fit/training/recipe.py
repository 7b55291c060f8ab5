"""Training recipes: validated configuration of network, data, supervision and optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from render_fit.core.config import StrictModel, parse_yaml, shipped_recipe, shipped_recipes
from render_fit.core.text_files import read_text
from render_fit.regressors.config import RegressorConfig
from render_fit.synthesis.images.training_images import ImageAugmentation
from render_fit.synthesis.observation_noise import ObservationNoise
from render_fit.synthesis.people import PeopleDistribution
from render_fit.synthesis.poses.bank import PoseAugmentation
from render_fit.training.adversarial import AdversarialConfig
from render_fit.training.auxiliary_segmentation import SegmentationConfig
from render_fit.training.fitting_in_the_loop import FittingInTheLoopConfig
from render_fit.training.losses import LossWeights
from render_fit.training.pseudo_labels import PseudoLabelsConfig
from render_fit.training.render_supervision import RenderSupervisionConfig
from render_fit.training.samples import LabelAvailability


class Optimiser(StrictModel):
    """AdamW with a linear warm-up and a cosine decay to zero."""

    learning_rate: float = Field(default=1e-3, gt=0, description="largest learning rate")
    weight_decay: float = Field(default=0.02, ge=0, description="weight decay of AdamW")
    warm_up: int = Field(default=500, ge=0, description="steps of the linear warm-up")
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    average: float = Field(default=0.999, ge=0, lt=1, description="decay of the averaged weights, which are saved")


class TrainingRecipe(StrictModel):
    """A training recipe."""

    renamed: ClassVar[Mapping[str, str]] = {
        "start": "pretrained",
        "unlabelled": "render_supervision",
        "in_the_loop": "fitting_in_the_loop",
        "errors": "observation_noise",
        "photos": "images",
        "labels": "label_availability",
    }

    name: str
    description: str = ""
    source: str = ""
    body: str = "open"
    clothing: bool = Field(default=True, description="synthetic people wear clothing (vertex offsets)")
    regressor: RegressorConfig = RegressorConfig()
    poses: PoseAugmentation = PoseAugmentation()
    people: PeopleDistribution = PeopleDistribution()
    observation_noise: ObservationNoise = ObservationNoise()
    images: ImageAugmentation = Field(
        default=ImageAugmentation(), description="RGB images, rendered only for networks that use them"
    )
    label_availability: LabelAvailability = Field(
        default=LabelAvailability(), description="shares of synthetic people with each kind of label"
    )
    losses: LossWeights = LossWeights()
    pretrained: str = Field(
        default="", description="regressor to start from: name, path or OWNER/NAME on the hub; empty: random weights"
    )
    render_supervision: RenderSupervisionConfig = Field(
        default=RenderSupervisionConfig(), description="render-and-compare losses on unlabelled photos, if given"
    )
    fitting_in_the_loop: FittingInTheLoopConfig | None = Field(
        default=None, description="losses towards fits of these photos (SPIN); off if left out"
    )
    pseudo_labels: PseudoLabelsConfig | None = Field(
        default=None, description="losses towards finished fits of these photos; off if left out"
    )
    adversarial: AdversarialConfig = AdversarialConfig()
    segmentation: SegmentationConfig = SegmentationConfig()
    optimiser: Optimiser = Optimiser()
    steps: int = Field(gt=0, description="optimiser steps")
    batch: int = Field(default=64, gt=0, description="synthetic people in a step, over all processes")
    shard: int = Field(default=32, gt=0, description="synthetic people sampled at a time; a divisor of batch")
    cached_people: int = Field(
        default=0,
        ge=0,
        description="synthetic people in all, whose features by a frozen backbone are computed once; 0: new people in "
        "every step",
    )
    seed: int = 0
    precision: Literal["auto", "no", "bf16", "fp16"] = Field(
        default="no", description="mixed precision of accelerate; auto: bf16 if the hardware computes in it"
    )
    validate_every: int = Field(default=1000, gt=0, description="steps between validations")
    save_every: int = Field(default=500, gt=0, description="steps between saved states")

    @model_validator(mode="after")
    def _whole_shards(self) -> TrainingRecipe:
        if self.batch % self.shard:
            raise ValueError(f"batch: expected a multiple of shard ({self.shard}), got {self.batch}")
        return self

    @model_validator(mode="after")
    def _images_to_segment(self) -> TrainingRecipe:
        if self.segmentation.weight and not self.regressor.pictures:
            raise ValueError("segmentation: this network uses no images; remove the section")
        if self.segmentation.weight and self.regressor.is_turned:
            raise ValueError("segmentation: blazepose has no maps of the crop; remove the section")
        return self


def training_recipe_names() -> list[str]:
    """Names of the shipped training recipes."""
    return shipped_recipes("render_fit.training")


def training_recipe_text(name: str) -> str:
    """The text of a shipped training recipe.

    Raises:
        InputError: if there is no such recipe; names the nearest one.
    """
    return shipped_recipe("render_fit.training", name, "training recipe")


def load_training_recipe(name_or_path: str | Path) -> TrainingRecipe:
    """Loads a training recipe, by the name of a shipped recipe or the path of a YAML file.

    Raises:
        InputError: if it does not exist, is not YAML, or has unknown keys or values out of range.
    """
    path = Path(name_or_path)
    text = read_text(path, "a recipe (YAML)") if path.is_file() else training_recipe_text(str(name_or_path))
    return parse_yaml(text, f"training recipe {name_or_path}", TrainingRecipe)
