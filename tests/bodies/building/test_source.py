"""Reweighting people to published stature and body mass index."""

import numpy as np
import trimesh

from render_fit.bodies.building.source import resample, stature_and_bmi


def test_resampled_people_are_as_tall_and_heavy_as_published() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    female = rng.random(n)
    stature = rng.normal(1.70, 0.12, n)  # too spread, and the sexes alike
    bmi = rng.uniform(14, 45, n)  # flat
    chosen = resample(stature, bmi, female, 2000, seed=1)
    men = chosen[female[chosen] <= 0.5]
    women = chosen[female[chosen] > 0.5]
    assert 0.47 < len(men) / 2000 < 0.53
    # Medians of the National Health Statistics Report 122 and NCD-RisC 2016, as in population.py.
    np.testing.assert_allclose([np.median(stature[men]), np.median(stature[women])], [1.755, 1.618], atol=0.012)
    np.testing.assert_allclose([np.median(bmi[men]), np.median(bmi[women])], [23.8, 24.2], atol=0.6)
    np.testing.assert_allclose(np.percentile(bmi[men], [5, 95]), [17.5, 32.4], atol=1.2)


def test_stature_and_bmi_of_a_box() -> None:
    box = trimesh.creation.box((0.4, 1.75, 0.1))
    stature, bmi = stature_and_bmi(np.array(box.vertices)[None], np.array(box.faces))
    np.testing.assert_allclose(stature, 1.75)
    np.testing.assert_allclose(bmi, 0.4 * 1.75 * 0.1 * 985 / 1.75**2)  # 985 kg per cubic metre
