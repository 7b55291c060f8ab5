"""What people whom nobody labelled teach beside drawn ones: by render losses, by fits in the loop, or by both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.regressors.network import Prediction
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.fitting_in_the_loop import BestFits, fit_batch, fit_loss
from render_fit.training.losses import Count, Losses
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.render_supervision import UnlabelledPhotos, render_loss

Gather = Callable[[Tensor], Tensor]


class PhotoSupervision:
    """Observations, the best fits of them so far, and what a step learns from them. All of it stays on the CPU, where
    people are drawn.

    Args:
        recipe: How they teach.
        photos: Whom they show.
        synthesis: Whose body and clothes.
        everybody: Makes a number of people one of all processes'; see `objective.losses`.
        gather: All processes' rows of a tensor, one after the other.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        photos: UnlabelledPhotos,
        synthesis: PeopleSampler,
        everybody: Count,
        gather: Gather,
    ) -> None:
        self.recipe, self.photos, self.synthesis = recipe, photos, synthesis
        self.everybody, self.gather = everybody, gather
        config = recipe.regressor
        self.fits = (
            None if recipe.fitting_in_the_loop is None else BestFits.none(len(photos), config.n_joints, config.n_betas)
        )

    def rows(self, step: int, rank: int, processes: int) -> Tensor:
        """Whom a step's process looks at: all get their turn, in a new order every time around."""
        batch, count = self.recipe.render_supervision.batch, len(self.photos)
        rows = []
        for number in range(step * batch + rank, (step + 1) * batch, processes):
            generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + number // count)
            rows.append(torch.randperm(count, generator=generator)[number % count])
        return torch.stack(rows)

    def loss(self, prediction: Prediction, rows: Tensor) -> Losses:
        """What a step learns.

        Args:
            prediction: Of the people that ``rows`` names.
            rows: Who they are.
        """
        prediction, seen, body = prediction.to("cpu"), self.photos[rows], self.synthesis.body
        loss = Losses(torch.zeros(()), {})
        if self.recipe.render_supervision.weight > 0:
            loss = loss.plus(
                render_loss(prediction, seen, self.synthesis, self.recipe.render_supervision, self.everybody)
            )
        setting = self.recipe.fitting_in_the_loop
        if setting is None or self.fits is None:
            return loss
        found = fit_batch(prediction, seen, body, setting)
        everywhere = {name: self.gather(value) for name, value in found.__dict__.items()}
        self.fits.improve(self.gather(rows), BestFits(**everywhere))
        return loss.plus(fit_loss(prediction, seen, self.fits[rows], body, self.recipe.losses, setting, self.everybody))

    def state_dict(self) -> dict[str, Any]:
        """What has to be known to go on."""
        return {"photos": len(self.photos), "fits": None if self.fits is None else self.fits.__dict__}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Goes on from a `state_dict`.

        Raises:
            InputError: if it is of another number of photos.
        """
        if content["photos"] != len(self.photos):
            raise InputError(
                f"photos: the training began with {content['photos']} people in them, now there are "
                f"{len(self.photos)}; give the same photos, or choose another --out"
            )
        if self.fits is not None:
            self.fits = BestFits(**{name: value.cpu() for name, value in content["fits"].items()})
