"""Adversarial prior (HMR): discriminators trained jointly with the regressor on unpaired motion-capture poses.

It needs no labels, so it also applies to people in unlabelled photos.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from render_fit.core.config import StrictModel
from render_fit.core.rotations import roma
from render_fit.losses.priors.adversarial import (
    DiscriminatorConfig,
    PoseShapeDiscriminators,
    fake_target_loss,
    real_target_loss,
)
from render_fit.regressors.prediction import Prediction
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.losses import Losses
from render_fit.training.priors.discriminators import real_shapes
from render_fit.training.priors.steps import build_seeded
from render_fit.training.processes import Processes
from render_fit.training.supervision import StepBatch, StepPrediction, Supervision

BODY_JOINTS = slice(1, 24)
"""All of SMPL's joints but the pelvis."""


class AdversarialConfig(StrictModel):
    """The adversarial prior of a training."""

    weight: float = Field(default=0.0, ge=0, description="weight of the regressor's adversarial loss; 0: off")
    learning_rate: float = Field(default=1e-4, gt=0, description="learning rate of the discriminators (Adam)")
    weight_decay: float = Field(default=1e-4, ge=0, description="weight decay of the discriminators")
    features: int = Field(default=32, gt=0, description="features of each joint's rotation")
    width: int = Field(default=256, gt=0, description="width of the discriminator of all joints together")


class AdversarialPrior(Supervision):
    """Discriminators of poses and shapes, trained in turns with the regressor.

    Args:
        config: Weight, optimiser and sizes of the discriminators.
        bank: Real poses.
        n_betas: Number of shape coefficients of the regressor.
        seed: Seed of the initial weights and of the real poses. The poses of a step depend on its number alone.
        processes: Processes that train together.

    Source: Kanazawa et al. 2018, section 3.4.
    """

    def __init__(
        self, config: AdversarialConfig, bank: PoseBank, n_betas: int, seed: int, processes: Processes
    ) -> None:
        self.config, self.bank, self.seed, self.processes = config, bank, seed, processes
        sizes = DiscriminatorConfig(n_betas=n_betas, features=config.features, width=config.width)
        discriminators = build_seeded(lambda: PoseShapeDiscriminators(sizes), seed)
        self.discriminators = discriminators.to(processes.device).requires_grad_(False)
        self.optimiser = torch.optim.Adam(
            self.discriminators.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )

    def loss(self, prediction: StepPrediction, batch: StepBatch) -> Losses:
        """Loss of the regressor: squared distance of the discriminators' outputs for all hypotheses from "real"."""
        hypotheses = prediction.all
        unreal = (
            real_target_loss(self.discriminators.score(*_bodies(hypotheses)))
            .view(hypotheses.log_likelihood.shape)
            .mean(1)
        )
        total = self.config.weight * unreal.sum() / self._global_people(unreal)
        return Losses(total, {"adversarial": unreal.detach().mean()})

    def update(self, prediction: StepPrediction, batch: StepBatch) -> dict[str, Tensor]:
        """One step of the discriminators, on real poses and on the regressor's predictions.

        The numbers of the step's shards decide which real poses are used, as many as there are synthetic people.

        Returns:
            Loss of the discriminators: 0 if they make no mistake, about half their number if they cannot separate
            real from predicted bodies.
        """
        device, people = self.processes.device, len(batch.truth) // len(batch.shards)
        discriminators = self.discriminators.requires_grad_(True)
        pose, betas = zip(*(self._real(shard, people) for shard in batch.shards), strict=True)
        real = real_target_loss(discriminators.score(torch.cat(pose).to(device), torch.cat(betas).to(device)))
        fake = fake_target_loss(discriminators.score(*(value.detach() for value in _bodies(prediction.all))))
        fake = fake.view(prediction.all.log_likelihood.shape).mean(1)
        loss = real.sum() / self._global_people(real) + fake.sum() / self._global_people(fake)
        parameters = list(discriminators.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        flat = self.processes.all_reduce_mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)
        self.optimiser.step()
        discriminators.requires_grad_(False)
        return {"discriminators": real.detach().mean() + fake.detach().mean()}

    def state_dict(self) -> dict[str, Any]:
        """Weights and optimiser state of the discriminators."""
        return {"discriminators": self.discriminators.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Restores the result of `state_dict`."""
        self.discriminators.load_state_dict(content["discriminators"])
        self.optimiser.load_state_dict(content["optimiser"])

    def _global_people(self, losses: Tensor) -> Tensor:
        return self.processes.global_count(torch.tensor(float(len(losses)), device=losses.device))

    def _real(self, shard: int, people: int) -> tuple[Tensor, Tensor]:
        """Real poses and shapes, as many as a shard has people."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + shard)
        pose = self.bank.sample_real(people, generator)[:, BODY_JOINTS]
        return roma.rotvec_to_rotmat(pose), real_shapes(people, self.discriminators.config.n_betas, generator)


def _bodies(prediction: Prediction) -> tuple[Tensor, Tensor]:
    """Rotations and betas of all hypotheses, one after the other."""
    return prediction.rotations.flatten(0, 1)[:, BODY_JOINTS], prediction.betas.flatten(0, 1)
