"""Resamples generated people to the measured distributions of stature and body mass index by sex."""

from dataclasses import dataclass

import numpy as np

DENSITY_KG_M3 = 985.0  # whole body with air in the lungs (Durnin and Womersley 1974: 1,020 to 1,070 without)


@dataclass(frozen=True)
class Sex:
    """Stature (normal) and body mass index (log-normal) of one sex."""

    stature_mean_m: float
    stature_std_m: float
    bmi_median: float
    bmi_log_std: float


# Stature: US adults, means of the National Health Statistics Report 122 (Fryar et al. 2018: 69.1 and 63.7 inches);
# standard deviations of Jelenkovic et al., eLife 2016 (20 countries, born 1980 to 1994).
# Body mass index: the world in 2014, NCD-RisC, Lancet 2016 (387:1377): under 18.5 kg/m2 are 8.8 % of men and 9.7 % of
# women, 30 and over 10.8 % and 14.9 %; the log-normals through these points have means 24.2 and 24.7 (reported: 24.2
# and 24.4).
MEN = Sex(1.755, 0.076, 23.8, 0.187)
WOMEN = Sex(1.618, 0.071, 24.2, 0.207)
MOST_COPIES = 6.0  # largest weight relative to the mean: rare bodies must not dominate the components


def stature_and_bmi(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return stature (n,), metres, and body mass index (n,), kg/m2, of upright meshes (n, v, 3) with y up."""
    stature = np.ptp(vertices[..., 1], axis=1)
    a, b, c = (vertices[:, faces[:, i]] for i in range(3))
    volume = np.einsum("nfc,nfc->n", np.cross(a, b), c) / 6
    return stature, volume * DENSITY_KG_M3 / stature**2


def resample(stature: np.ndarray, bmi: np.ndarray, female: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw n of the sampled people so that each sex has its published stature and body mass index.

    Args:
        stature: statures (p,), metres.
        bmi: body mass indices (p,), kg/m2.
        female: sex (p,), from 0 (male) to 1 (female).
        n: number of people to draw, with replacement.
        seed: random seed.

    Returns:
        indices (n,), both sexes equally often.
    """
    weights = np.zeros(len(stature))
    for sex, members in ((MEN, female <= 0.5), (WOMEN, female > 0.5)):
        x = (stature[members] - sex.stature_mean_m) / sex.stature_std_m
        y = (np.log(bmi[members]) - np.log(sex.bmi_median)) / sex.bmi_log_std
        wanted = np.exp(-0.5 * (x**2 + y**2))
        # Sampled density: a Gaussian kernel estimate, 0.3 standard deviations wide.
        apart = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
        there = np.exp(-0.5 * apart / 0.3**2).mean(1)
        w = wanted / there
        for _ in range(20):
            w = np.minimum(w / w.mean(), MOST_COPIES)
        weights[members] = w / w.sum()
    rng = np.random.default_rng(seed)
    edges = np.cumsum(weights) / weights.sum()
    return np.searchsorted(edges, (np.arange(n) + rng.random()) / n).clip(max=len(weights) - 1)
