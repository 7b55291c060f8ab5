"""VPoser's form of pose prior: a variational autoencoder of body pose."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from render_fit.core.fingerprints import Identity, file_identity
from render_fit.core.rotations import roma
from render_fit.core.weights import read_network, save_weights

KEY = "render_fit_pose_vae"
N_JOINTS = 21
"""SMPL's joints 1 to 21: all but the pelvis and the two hands."""

FLOOR_RAD = 0.03
"""Lower limit of a joint's reconstruction error: the error of motion capture itself (docs/pose_prior.md)."""


class PoseVAEConfig(BaseModel):
    """Everything that the weights must agree with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent: int = Field(default=32, gt=0, description="size of the latent vector")
    width: int = Field(default=448, gt=0, description="of the hidden layers")


class Encoded(NamedTuple):
    """The normal distribution of latent vectors that a pose may come from: mean and logarithm of the deviation."""

    mean: Float[Tensor, "b l"]
    log_std: Float[Tensor, "b l"]


class PoseVAE(nn.Module):
    """Rotations of 21 joints to a latent vector and back.

    Latent vectors of real poses are about standard normal, so the squared length measures how usual a pose is, and an
    optimiser that moves in them stays near real poses.

    Args:
        config: See `PoseVAEConfig`.

    Source: VPoser, Pavlakos et al. 2019, "Expressive Body Capture", section 3.2. Here the deviation of the
        reconstruction is learned, joint by joint, in place of hand-set weights (Rybkin et al. 2021, sigma-VAE).
    """

    def __init__(self, config: PoseVAEConfig | None = None) -> None:
        super().__init__()
        self.config = config = PoseVAEConfig() if config is None else config
        width = config.width
        self.encoder = _layers(9 * N_JOINTS, width, 2 * config.latent)
        self.decoder = _layers(config.latent, width, 6 * N_JOINTS)
        self.log_noise = nn.Parameter(torch.full((N_JOINTS,), -1.5))

    @classmethod
    def from_file(cls, path: str | Path) -> PoseVAE:
        """Reads an autoencoder that `save` wrote.

        Raises:
            InputError: if the file is missing, cut off, or holds something else.
        """
        vae = read_network(cls, Path(path), KEY, PoseVAEConfig, "not an autoencoder of poses")
        return vae.requires_grad_(False)

    def save(self, path: Path, credit: str) -> None:
        """Writes weights and configuration; ``credit`` names their training data."""
        save_weights(self, self.config, path, KEY, half=True, credit=credit)

    def encode(self, rotations: Float[Tensor, "b 21 3 3"]) -> Encoded:
        """Distribution of latent vectors of a pose.

        Args:
            rotations: (B, 21, 3, 3) local rotations of joints 1 to 21.

        Differentiability: smooth.
        """
        from_zero = rotations - torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        mean, log_std = self.encoder(from_zero.flatten(1)).chunk(2, dim=1)
        return Encoded(mean, log_std.clamp(-6.0, 2.0))

    def decode(self, latent: Float[Tensor, "b l"]) -> Float[Tensor, "b 21 3 3"]:
        """Decodes latent vectors to poses.

        Args:
            latent: (B, L), standard normal for usual poses.

        Returns:
            (B, 21, 3, 3) local rotations of joints 1 to 21.

        Differentiability: smooth, but where the two columns of a rotation become parallel.
        """
        six = self.decoder(latent).unflatten(1, (N_JOINTS, 3, 2))
        return roma.special_gramschmidt(six + torch.eye(3, dtype=six.dtype, device=six.device)[:, :2])

    def unlikeness(
        self, rotations: Float[Tensor, "b 21 3 3"], decoded: Float[Tensor, "b 21 3 3"]
    ) -> Float[Tensor, "b 21"]:
        """Squared distance of two poses in units of the joints' learned standard deviations.

        Returns:
            (B, 21) ½ (angle / deviation)² for small angles; the angle is measured by the chord, |R − R'|² / 2.

        Differentiability: smooth.
        """
        chord = 0.5 * (rotations - decoded).square().sum(dim=(2, 3))
        return 0.5 * chord / self.variance

    @property
    def variance(self) -> Float[Tensor, "21"]:
        """Variance of the joints' reconstruction, per axis, radians squared."""
        return (2 * self.log_noise).exp() + FLOOR_RAD**2

    def forward(self, body_pose: Float[Tensor, "b 63"]) -> Float[Tensor, "b"]:
        """Energy of a pose.

        Args:
            body_pose: (B, 63) axis-angle of joints 1 to 21, radians.

        Returns:
            (B,) nats: half the squared length of the latent vector's mean, plus what of the pose is lost on the way
            there and back (`unlikeness`). The first alone hardly minds poses that the encoder never saw.

        Differentiability: smooth; rotations beyond pi are those within.
        """
        rotations = roma.rotvec_to_rotmat(body_pose.unflatten(1, (N_JOINTS, 3)))
        mean = self.encode(rotations).mean
        return 0.5 * mean.square().sum(dim=1) + self.unlikeness(rotations, self.decode(mean)).sum(dim=1)

    def sample(self, n: int, generator: torch.Generator | None = None, spread: float = 1.0) -> Float[Tensor, "n 63"]:
        """Draws poses.

        Args:
            n: Number of poses.
            generator: Source of randomness, for repeatable poses.
            spread: Standard deviation of the latent vectors; under 1 for more usual poses.

        Returns:
            (n, 63) axis-angle of joints 1 to 21, radians.
        """
        noise = torch.randn(n, self.config.latent, generator=generator, device=self.log_noise.device)
        with torch.no_grad():
            return roma.rotmat_to_rotvec(self.decode(spread * noise)).flatten(1)


def _layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden layers with smooth activations, so that second derivatives exist."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
    )


def load_pose_vae(path: str = "default") -> PoseVAE:
    """Loads an autoencoder once, again if the file changed, shared between callers.

    Args:
        path: ``default`` for the shipped one, which ``render-fit prior train vae`` fitted to CMU motion capture, or a
            file.

    Raises:
        InputError: if there is no such file, or it is not one.
    """
    if path == "default":
        path = str(resources.files("render_fit.losses.priors") / "assets" / "pose_vae.safetensors")
    return _read(path, file_identity(path))


@lru_cache(maxsize=4)
def _read(path: str, _: Identity) -> PoseVAE:
    return PoseVAE.from_file(path)
