"""How well pose priors separate real poses from implausible ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.rotations import roma
from render_fit.losses.priors.adversarial import load_adversarial_prior
from render_fit.losses.priors.gmm import default_pose_prior
from render_fit.losses.priors.joint_limits import default_joint_limits
from render_fit.losses.priors.vae import load_pose_vae
from render_fit.synthesis.poses.bank import load_pose_bank
from render_fit.synthesis.poses.implausible import BODY, HELD_OUT, SEEN_IN_TRAINING

Energy = Callable[[Float[Tensor, "n 24 3"]], Float[Tensor, "n"]]


@dataclass(frozen=True)
class Separation:
    """Separation of real from implausible poses by a prior.

    Attributes:
        real: Median energy of the real poses.
        auc: For each kind of implausible pose, probability that its energy exceeds that of a real pose; 0.5 is chance.
    """

    real: float
    auc: dict[str, float]


def area_under_curve(low: Float[Tensor, "n"], high: Float[Tensor, "m"]) -> float:
    """Area under the ROC curve: probability that one of ``high`` exceeds one of ``low``, ties counted half."""
    ordered, _ = low.sort()
    below = torch.searchsorted(ordered, high)
    upto = torch.searchsorted(ordered, high, right=True)
    return float((below + upto).double().mean() / (2 * len(low)))


@torch.no_grad()
def separation(energy: Energy, pose: Float[Tensor, "n 24 3"], seed: int = 0) -> Separation:
    """Evaluate a prior on real poses and on implausible poses made from them.

    Args:
        energy: The prior: one value per pose, higher for less plausible ones.
        pose: (N, 24, 3) real poses, axis-angle, of subjects who are not in the prior's training data.
        seed: Seed of the implausible poses.
    """
    generator = torch.Generator().manual_seed(seed)
    real = energy(pose)
    auc = {
        name: area_under_curve(real, energy(make(pose, generator)))
        for name, make in {**SEEN_IN_TRAINING, **HELD_OUT}.items()
    }
    return Separation(float(real.median()), auc)


def pose_energies(vae: str = "default", adversarial: str = "default") -> dict[str, Energy]:
    """Energies of the pose priors, by the names of their loss terms.

    Args:
        vae: ``default`` or the path of an autoencoder.
        adversarial: ``default`` or the path of discriminators.

    Raises:
        InputError: if a file does not contain such a prior.
    """
    mixture, limits = default_pose_prior(), default_joint_limits()
    autoencoder, discriminators = load_pose_vae(vae), load_adversarial_prior(adversarial)
    return {
        "pose_mixture": lambda pose: mixture(pose[:, BODY].flatten(1)),
        "pose_vae": lambda pose: autoencoder(pose[:, BODY].flatten(1)),
        "pose_latent": lambda pose: 0.5 * autoencoder.encode(roma.rotvec_to_rotmat(pose[:, BODY])).mean.square().sum(1),
        "pose_adversarial": lambda pose: discriminators(roma.rotvec_to_rotmat(pose[:, 1:])),
        "pose_limits": lambda pose: limits(pose[:, BODY]),
    }


def evaluate_priors(
    mocap: Path, vae: str = "default", adversarial: str = "default", seed: int = 0
) -> dict[str, Separation]:
    """Evaluate all pose priors on poses of held-out subjects and on implausible poses made from them.

    Args:
        mocap: Folder of the motion capture.
        vae: ``default`` or the path of an autoencoder.
        adversarial: ``default`` or the path of discriminators.
        seed: Seed of the implausible poses.

    Raises:
        InputError: if the folder contains no motion capture, or a file no prior.
    """
    energies = pose_energies(vae, adversarial)
    pose = load_pose_bank(mocap, "held_out").pose.to(torch.float32)
    return {name: separation(energy, pose, seed) for name, energy in energies.items()}
