"""How far two arrays may lie apart: elements, relative L2, direction and bias together."""

from torch import Tensor


def distance(actual: Tensor, expected: Tensor) -> dict[str, float]:
    """Greatest difference of elements, relative L2 error, 1 − cosine, and relative difference of the sums."""
    actual, expected = actual.detach().double().flatten(), expected.detach().double().flatten()
    scale = float(expected.norm())
    if scale == 0:
        return {"element": float(actual.abs().max()), "l2": float(actual.norm()), "angle": 0.0, "bias": 0.0}
    size = float(expected.abs().sum())
    return {
        "element": float((actual - expected).abs().max() / expected.abs().max()),
        "l2": float((actual - expected).norm()) / scale,
        "angle": 1 - float(actual @ expected) / max(scale * float(actual.norm()), 1e-300),
        "bias": abs(float((actual - expected).sum())) / size,
    }


def assert_close(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """All four measures are within the tolerance; shapes are equal and every element finite."""
    assert actual.shape == expected.shape
    assert actual.isfinite().all()
    found = distance(actual, expected)
    assert all(value <= tolerance for value in found.values()), f"{found}, tolerance {tolerance}"
