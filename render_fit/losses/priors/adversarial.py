"""HMR's prior: discriminators of real from other poses and shapes, per joint and for the whole body."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from render_fit.core.fingerprints import Identity, file_identity
from render_fit.core.weights import read_network, save_weights

KEY = "render_fit_adversarial_prior"


class DiscriminatorConfig(BaseModel):
    """Everything that the weights must agree with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_joints: int = Field(default=23, gt=0, description="all of SMPL's but the pelvis")
    n_betas: int = Field(default=10, gt=0)
    features: int = Field(default=32, gt=0, description="numbers that a joint's rotation becomes")
    width: int = Field(default=256, gt=0, description="of the layers that see all joints")


class PoseShapeDiscriminators(nn.Module):
    """One discriminator for each joint's rotation, one for all joints together, one for the shape.

    All joints' rotations become features by the same layers; each discriminator then has weights of its own. Trained
    by least squares: 1 for real, 0 for not.

    Args:
        config: See `DiscriminatorConfig`.

    Source: Kanazawa et al. 2018, "End-to-end Recovery of Human Shape and Pose", section 3.4, K + 2 discriminators;
        least squares: Mao et al. 2017.
    """

    def __init__(self, config: DiscriminatorConfig | None = None) -> None:
        super().__init__()
        self.config = config = DiscriminatorConfig() if config is None else config
        features, width = config.features, config.width
        self.features = nn.Sequential(nn.Linear(9, features), nn.SiLU(), nn.Linear(features, features), nn.SiLU())
        self.joint_weight = nn.Parameter(torch.randn(config.n_joints, features) / features**0.5)
        self.joint_bias = nn.Parameter(torch.zeros(config.n_joints))
        self.whole = nn.Sequential(
            nn.Linear(config.n_joints * features, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 1),
        )
        self.shape = nn.Sequential(
            nn.Linear(config.n_betas, 32), nn.SiLU(), nn.Linear(32, 16), nn.SiLU(), nn.Linear(16, 1)
        )

    @classmethod
    def from_file(cls, path: str | Path) -> PoseShapeDiscriminators:
        """Reads discriminators that `save` wrote.

        Raises:
            InputError: if the file is missing, cut off, or holds something else.
        """
        prior = read_network(cls, Path(path), KEY, DiscriminatorConfig, "not an adversarial prior")
        return prior.requires_grad_(False)

    def save(self, path: Path, credit: str) -> None:
        """Writes weights and configuration; ``credit`` names their training data."""
        save_weights(self, self.config, path, KEY, half=True, credit=credit)

    def pose_score(self, rotations: Float[Tensor, "b j 3 3"]) -> Float[Tensor, "b k"]:
        """Scores of a pose, about 1 for real and 0 for not.

        Args:
            rotations: (B, J, 3, 3) local rotations of all joints but the pelvis.

        Returns:
            (B, J + 1) about 1 for real and 0 for not: of each joint alone, then of all together.

        Differentiability: smooth.
        """
        features = self.features(rotations.flatten(2))
        alone = (features * self.joint_weight).sum(dim=2) + self.joint_bias
        return torch.cat([alone, self.whole(features.flatten(1))], dim=1)

    def shape_score(self, betas: Float[Tensor, "b s"]) -> Float[Tensor, "b 1"]:
        """Score of shape coefficients, about 1 for real and 0 for not, (B, 1).

        Differentiability: smooth.
        """
        return self.shape(betas)

    def score(self, rotations: Float[Tensor, "b j 3 3"], betas: Float[Tensor, "b s"]) -> Float[Tensor, "b k"]:
        """All scores, (B, J + 2): each joint, all joints together, shape."""
        return torch.cat([self.pose_score(rotations), self.shape_score(betas)], dim=1)

    def forward(self, rotations: Float[Tensor, "b j 3 3"]) -> Float[Tensor, "b"]:
        """Least-squares adversarial loss of a pose.

        Args:
            rotations: (B, J, 3, 3) local rotations of all joints but the pelvis.

        Returns:
            (B,) (D − 1)², the mean of the joints' own plus that of all together. Summed as in training, the many
            scores on single joints, most of them sound in any wrong pose, drown the one that sees how joints go
            together.

        Differentiability: smooth.
        """
        off = (self.pose_score(rotations) - 1).square()
        return off[:, :-1].mean(dim=1) + off[:, -1]


def real_target_loss(scores: Float[Tensor, "b k"]) -> Float[Tensor, "b"]:
    """Least-squares GAN loss with the target "real": Σ (D − 1)², (B,).

    Source: Kanazawa et al. 2018, equation 3 (generator).
    """
    return (scores - 1).square().sum(dim=1)


def fake_target_loss(scores: Float[Tensor, "b k"]) -> Float[Tensor, "b"]:
    """Least-squares GAN loss with the target "fake": Σ D², (B,).

    Source: Kanazawa et al. 2018, equation 4.
    """
    return scores.square().sum(dim=1)


def load_adversarial_prior(path: str = "default") -> PoseShapeDiscriminators:
    """Loads discriminators once, again if the file changed, shared between callers.

    Args:
        path: ``default`` for the shipped ones, which ``render-fit prior train adversarial`` fitted to CMU motion
            capture, or a file.

    Raises:
        InputError: if there is no such file, or it is not one.
    """
    if path == "default":
        path = str(resources.files("render_fit.losses.priors") / "assets" / "pose_adversarial.safetensors")
    return _read(path, file_identity(path))


@lru_cache(maxsize=4)
def _read(path: str, _: Identity) -> PoseShapeDiscriminators:
    return PoseShapeDiscriminators.from_file(path)
