"""Adversarial training beside the regressor's: discriminators learn what people's poses and shapes are from unpaired
motion capture, and the regressor learns to look real to them. It needs no label of whom it judges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import roma
import torch
from pydantic import Field
from torch import Tensor

from render_fit.core.config import StrictModel
from render_fit.losses.priors.adversarial import (
    DiscriminatorConfig,
    PoseShapeDiscriminators,
    fake_target_loss,
    real_target_loss,
)
from render_fit.regressors.network import Prediction
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.losses import Count, Losses
from render_fit.training.priors.discriminators import real_shapes

BODY_JOINTS = slice(1, 24)
"""All of SMPL's joints but the pelvis."""


class AdversarialConfig(StrictModel):
    """The adversarial prior of a training."""

    weight: float = Field(default=0.0, ge=0, description="of the regressor's share; 0: no adversary")
    learning_rate: float = Field(default=1e-4, gt=0, description="of the discriminators, Adam")
    weight_decay: float = Field(default=1e-4, ge=0)
    features: int = Field(default=32, gt=0, description="numbers that a joint's rotation becomes")
    width: int = Field(default=256, gt=0, description="of the discriminator that sees all joints")


class AdversarialPriorTraining:
    """Discriminators that learn beside a regressor.

    Args:
        setting: How.
        bank: Real poses.
        n_betas: Shape coefficients of the regressor.
        seed: Of the first weights and the real poses: which ones a step sees depends on nothing but its number.
        device: Where the regressor learns.
        everybody: Makes a number of people one of all processes'; see `objective.losses`.
        together: Averages a tensor over processes.

    Source: Kanazawa et al. 2018, section 3.4.
    """

    def __init__(
        self,
        setting: AdversarialConfig,
        bank: PoseBank,
        n_betas: int,
        seed: int,
        device: torch.device,
        everybody: Count,
        together: Callable[[Tensor], Tensor],
    ) -> None:
        self.setting, self.bank, self.seed = setting, bank, seed
        self.device, self.everybody, self.together = device, everybody, together
        config = DiscriminatorConfig(n_betas=n_betas, features=setting.features, width=setting.width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.discriminators = PoseShapeDiscriminators(config).to(device)
        self.discriminators.requires_grad_(False)
        self.optimiser = torch.optim.Adam(
            self.discriminators.parameters(), setting.learning_rate, weight_decay=setting.weight_decay
        )

    def loss(self, prediction: Prediction) -> Losses:
        """What the regressor lowers: how far all its hypotheses are from looking real.

        Args:
            prediction: H hypotheses for each of N people, labelled or not.
        """
        far = (
            real_target_loss(self.discriminators.judge(*_bodies(prediction)))
            .view(prediction.log_likelihood.shape)
            .mean(1)
        )
        total = self.setting.weight * far.sum() / self.everybody(_people(far))
        return Losses(total, {"adversarial": far.detach().mean()})

    def learn(self, prediction: Prediction, shards: range, people: int) -> Losses:
        """One step of the discriminators: real poses on one side, what the regressor says on the other.

        Args:
            prediction: The step's, H hypotheses for each of N people.
            shards: Numbers of the shards that this process has drawn: they decide which real poses are seen.
            people: In a shard.

        Returns:
            Nothing for the regressor; their own loss, for logs: 0 where nothing is mistaken, about half of their number
            where real and predicted look alike.
        """
        discriminators = self.discriminators.requires_grad_(True)
        pose, betas = zip(*(self._real(shard, people) for shard in shards), strict=True)
        real = real_target_loss(discriminators.judge(torch.cat(pose).to(self.device), torch.cat(betas).to(self.device)))
        fake = fake_target_loss(discriminators.judge(*(value.detach() for value in _bodies(prediction))))
        fake = fake.view(prediction.log_likelihood.shape).mean(1)
        loss = real.sum() / self.everybody(_people(real)) + fake.sum() / self.everybody(_people(fake))
        parameters = list(discriminators.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        flat = self.together(torch.cat([gradient.flatten() for gradient in gradients]))
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)
        self.optimiser.step()
        discriminators.requires_grad_(False)
        own = real.detach().mean() + fake.detach().mean()
        return Losses(torch.zeros_like(own), {"discriminators": own})

    def state_dict(self) -> dict[str, Any]:
        """All that it takes to go on."""
        return {"discriminators": self.discriminators.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        self.discriminators.load_state_dict(content["discriminators"])
        self.optimiser.load_state_dict(content["optimiser"])

    def _real(self, shard: int, people: int) -> tuple[Tensor, Tensor]:
        """Real poses and shapes, as many as a shard has people."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + shard)
        pose = self.bank.real(people, generator)[:, BODY_JOINTS]
        return roma.rotvec_to_rotmat(pose), real_shapes(people, self.discriminators.config.n_betas, generator)


def _bodies(prediction: Prediction) -> tuple[Tensor, Tensor]:
    """Rotations and betas of all hypotheses, one after the other."""
    return prediction.rotations.flatten(0, 1)[:, BODY_JOINTS], prediction.betas.flatten(0, 1)


def _people(each: Tensor) -> Tensor:
    return torch.tensor(float(len(each)), device=each.device)
