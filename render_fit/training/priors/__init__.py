"""Training of pose priors, from names and paths: an autoencoder (VPoser) and HMR's discriminators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from render_fit.core.errors import InputError
from render_fit.synthesis.poses.bank import load_pose_bank
from render_fit.training.priors import discriminators, vae
from render_fit.training.priors.discriminators import train_adversarial_prior
from render_fit.training.priors.vae import train_pose_vae

Kind = Literal["vae", "adversarial"]

CREDIT = "Fitted to motion capture from mocap.cs.cmu.edu, created with funding from NSF EIA-0196217."


def train_prior(
    kind: Kind,
    mocap: Path,
    out: Path,
    *,
    steps: int | None = None,
    seed: int = 0,
    on_step: Callable[[int, int, float], None] | None = None,
) -> Path:
    """Trains a prior on the training subjects of the motion capture, and writes its weights.

    Args:
        kind: Kind of prior.
        mocap: Folder of motion capture.
        out: File of the weights, ``.safetensors``.
        steps: Number of steps; None: the kind's default.
        seed: Random seed.
        on_step: Called with (step, steps in all, loss).

    Raises:
        InputError: if the folder contains no motion capture, or ``out`` cannot be written.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: expected a file name that ends in .safetensors")
    bank = load_pose_bank(mocap)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out.parent}: cannot create the folder ({error.strerror})") from error
    train, usual = {
        "vae": (train_pose_vae, vae.STEPS),
        "adversarial": (train_adversarial_prior, discriminators.STEPS),
    }[kind]
    total = usual if steps is None else steps

    def report(step: int, loss: float) -> None:
        if on_step is not None:
            on_step(step, total, loss)

    train(bank, steps=total, seed=seed, on_step=report).save(out, CREDIT)
    return out
