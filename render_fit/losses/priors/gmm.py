"""SMPLify's pose prior: a mixture of Gaussians over the axis-angle of SMPL's 21 body joints."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.core.safe_pickle import PickleFileError, as_array, read_pickle

BODY_DIMENSIONS = 63
"""Axis-angle of SMPL's joints 1 to 21: all but the pelvis and the two hands."""


class GaussianMixturePrior(nn.Module):
    """Negative log-density of a body pose under a mixture of full-covariance Gaussians.

    Args:
        means: (m, d) component means, radians; d is 63, or more: then the mixture is marginalised to the first 63.
        covariances: (m, d, d) positive definite.
        weights: (m,) positive; normalised here.
        volume: Power of the components' normalisers in the energy, 0 to 1. At 1, the energy is the negative
            log-density, as in SMPLify. A narrow component is then far below a wide one, even where both fit a pose, and
            the best pose of an image lies too often in the narrow one. A pose that the image leaves uncertain should be
            judged by the probability of the component around it instead, from which the normaliser cancels: 0.

    Source: Bogo et al. 2016, "Keep it SMPL", equations 3 and 4; for ``volume``, Laplace's approximation of the
        component's evidence (Bishop 2006, "Pattern Recognition and Machine Learning", section 4.4.1).
    """

    means: Tensor
    factors: Tensor
    projection: Tensor
    shift: Tensor
    offsets: Tensor
    weights: Tensor

    def __init__(
        self,
        means: Float[np.ndarray, "m d"],
        covariances: Float[np.ndarray, "m d d"],
        weights: Float[np.ndarray, "m"],
        volume: float = 1.0,
    ) -> None:
        super().__init__()
        if np.ndim(means) != 2 or np.ndim(covariances) != 3 or np.shape(weights) != np.shape(means)[:1]:
            shapes = ", ".join(str(np.shape(array)) for array in (means, covariances, weights))
            raise ValueError(f"pose mixture: expected means (m, d), covariances (m, d, d), weights (m), got {shapes}")
        means = np.asarray(means, dtype=np.float64)[:, :BODY_DIMENSIONS]
        covariances = np.asarray(covariances, dtype=np.float64)[:, :BODY_DIMENSIONS, :BODY_DIMENSIONS]
        weights = np.asarray(weights, dtype=np.float64)
        if not all(bool(np.isfinite(array).all()) for array in (means, covariances, weights)) or (weights <= 0).any():
            raise ValueError("pose mixture: expected finite numbers, and weights above zero")
        if means.shape[1] != BODY_DIMENSIONS or covariances.shape != (len(means), *2 * (BODY_DIMENSIONS,)):
            raise ValueError(
                f"pose mixture: expected means (m, {BODY_DIMENSIONS} or more) and covariances (m, d, d), "
                f"got {means.shape} and {covariances.shape}"
            )
        lower = np.linalg.cholesky(covariances)
        log_det = 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        whitening = np.linalg.inv(lower)  # (m, d, d); the Mahalanobis distance is |whitening (x - mean)|
        projection = whitening.reshape(-1, BODY_DIMENSIONS).T
        log_height = np.log(weights / weights.sum()) - 0.5 * volume * log_det
        self.register_buffer("means", torch.tensor(means, dtype=torch.float32))
        self.register_buffer("factors", torch.tensor(lower, dtype=torch.float32))
        self.register_buffer("projection", torch.tensor(projection, dtype=torch.float32))
        shift = np.einsum("mde,me->md", whitening, means).reshape(-1)
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.register_buffer("offsets", torch.tensor(log_height.max() - log_height, dtype=torch.float32))
        self.register_buffer("weights", torch.tensor(weights / weights.sum(), dtype=torch.float32))

    @classmethod
    def from_file(cls, path: str | Path) -> GaussianMixturePrior:
        """Reads a mixture.

        Args:
            path: An ``.npz`` with `means`, `covariances`, `weights` and, if it is not 1, `volume`, or SMPLify's
                ``gmm_08.pkl`` (`means`, `covars`, `weights`; 69 dimensions, of which the hands' last six are
                marginalised out).

        Returns:
            The prior.

        Raises:
            InputError: If the file is missing, is neither kind, or holds no mixture.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected a pose mixture (.npz, or SMPLify's gmm_08.pkl)")
        if path.suffix not in (".npz", ".pkl"):
            raise InputError(f"{path}: expected a pose mixture ending in .npz or .pkl")
        try:
            if path.suffix == ".npz":
                content: dict[str, Any] = read_arrays(path)
            else:
                with path.open("rb") as file:
                    content = read_pickle(file, path)
            names = ("means", "covars" if "covars" in content else "covariances", "weights")
            missing = [name for name in names if name not in content]
            if missing:
                raise InputError(f"{path}: not a pose mixture: it lacks {', '.join(missing)}")
            means, covariances, weights = (as_array(content[name], f"{path}: {name}") for name in names)
            volume = as_array(content.get("volume", 1.0), f"{path}: volume")
        except PickleFileError as error:
            raise InputError(str(error)) from error
        try:
            return cls(means, covariances, weights, float(volume))
        except (TypeError, ValueError, np.linalg.LinAlgError) as error:
            raise InputError(f"{path}: not a pose mixture: {error}") from error

    def forward(
        self, body_pose: Float[Tensor, "b 63"], mode: Literal["min", "logsumexp"] = "min"
    ) -> Float[Tensor, "b"]:
        """Negative log-density of a pose.

        Args:
            body_pose: (B, 63) axis-angle of joints 1 to 21, radians.
            mode: "min" takes the best component's -log(weight x density), as SMPLify does; "logsumexp" the mixture's.

        Returns:
            (B,) nats. "min" is 0 at the highest component's mean and positive elsewhere; "logsumexp" is measured from
            the same height and is smaller by at most log m.

        Differentiability: smooth in `logsumexp`; `min` is continuous with kinks where the best component changes.
        Axis-angles are taken as they come: a rotation beyond pi is not wrapped.
        """
        whitened = torch.addmm(-self.shift, body_pose, self.projection)
        squares = whitened.view(len(body_pose), len(self.offsets), BODY_DIMENSIONS).square().sum(dim=-1)
        energy = 0.5 * squares + self.offsets
        if mode == "min":
            return energy.min(dim=-1).values
        if mode == "logsumexp":
            return -torch.logsumexp(-energy, dim=-1)
        raise ValueError(f"mode: expected 'min' or 'logsumexp', got {mode!r}")

    def sample(self, n: int, generator: torch.Generator | None = None, spread: float = 1.0) -> Float[Tensor, "n 63"]:
        """Draws poses from the mixture.

        Args:
            n: Number of poses.
            generator: Source of randomness, for repeatable poses.
            spread: Standard deviations are scaled by this; under 1 for poses nearer to the means.

        Returns:
            (n, 63) axis-angle, radians.
        """
        component = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(
            n, BODY_DIMENSIONS, 1, generator=generator, dtype=self.means.dtype, device=self.means.device
        )
        return self.means[component] + spread * (self.factors[component] @ noise).squeeze(-1)


@lru_cache(maxsize=1)
def default_pose_prior() -> GaussianMixturePrior:
    """The shipped mixture, fitted to CMU motion capture by `scripts/fit_pose_prior.py`.

    Returns:
        The prior, shared between callers.
    """
    return GaussianMixturePrior.from_file(
        Path(str(resources.files("render_fit.losses.priors") / "assets" / "pose_mixture.npz"))
    )
