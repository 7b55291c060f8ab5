"""Priors as the command line trains and judges them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch

from render_fit.errors import InputError
from render_fit.evaluation.pose_priors import Separation, pose_energies, separation
from render_fit.runs.poses import pose_bank
from render_fit.training import prior_adversarial, prior_vae
from render_fit.training.prior_adversarial import train_adversarial_prior
from render_fit.training.prior_vae import train_pose_vae

Kind = Literal["vae", "adversarial"]

CREDIT = "Fitted to motion capture from mocap.cs.cmu.edu, created with funding from NSF EIA-0196217."


def train_prior(
    kind: Kind,
    motion: Path,
    out: Path,
    *,
    steps: int | None = None,
    seed: int = 0,
    watch: Callable[[int, int, float], None] | None = None,
) -> Path:
    """Trains a prior on the motion capture's training subjects and writes it.

    Args:
        kind: Which.
        motion: Folder of motion capture.
        out: ``.safetensors``.
        steps: In place of the usual number.
        seed: Of everything random.
        watch: Called with (step, all steps, loss).

    Raises:
        InputError: if the folder holds no motion capture, or ``out`` cannot be written.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: expected a file that ends in .safetensors")
    bank = pose_bank(motion)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out.parent}: cannot be made a folder ({error.strerror})") from error
    train, usual = {
        "vae": (train_pose_vae, prior_vae.STEPS),
        "adversarial": (train_adversarial_prior, prior_adversarial.STEPS),
    }[kind]
    total = usual if steps is None else steps

    def tell(step: int, loss: float) -> None:
        if watch is not None:
            watch(step, total, loss)

    train(bank, steps=total, seed=seed, watch=tell).save(out, CREDIT)
    return out


def judge_priors(
    motion: Path, vae: str = "default", adversarial: str = "default", seed: int = 0
) -> dict[str, Separation]:
    """What each prior on pose makes of the held-out subjects' poses, and of impostors made of them.

    Args:
        motion: Folder of motion capture.
        vae: ``default`` or the path of an autoencoder.
        adversarial: ``default`` or the path of discriminators.
        seed: Of the impostors.

    Raises:
        InputError: if the folder holds no motion capture, or a file is no prior.
    """
    energies = pose_energies(vae, adversarial)
    pose = pose_bank(motion, "held_out").pose.to(torch.float32)
    return {name: separation(energy, pose, seed) for name, energy in energies.items()}
