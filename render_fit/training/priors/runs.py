"""Priors as the command line trains and judges them."""

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
    watch: Callable[[int, int, float], None] | None = None,
) -> Path:
    """Trains a prior on the motion capture's training subjects and writes it.

    Args:
        kind: Which.
        mocap: Folder of motion capture.
        out: ``.safetensors``.
        steps: In place of the usual number.
        seed: Of everything random.
        watch: Called with (step, all steps, loss).

    Raises:
        InputError: if the folder holds no motion capture, or ``out`` cannot be written.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: expected a file that ends in .safetensors")
    bank = load_pose_bank(mocap)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out.parent}: cannot be made a folder ({error.strerror})") from error
    train, usual = {
        "vae": (train_pose_vae, vae.STEPS),
        "adversarial": (train_adversarial_prior, discriminators.STEPS),
    }[kind]
    total = usual if steps is None else steps

    def tell(step: int, loss: float) -> None:
        if watch is not None:
            watch(step, total, loss)

    train(bank, steps=total, seed=seed, watch=tell).save(out, CREDIT)
    return out
