"""Repeated timing: interleaved cases, medians and quartiles, and ratios within each turn.

Load on the machine slows interleaved cases alike, and hardly changes the ratio of two consecutive times. So ratios are
compared between two days.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Step = Callable[[], object]
Seconds = tuple[float, ...]


@dataclass(frozen=True)
class Spread:
    """Repeated values of one quantity.

    Attributes:
        median: Median of the values.
        low: First quartile.
        high: Third quartile.
        n: Number of values.
        unit: Unit of the values.
    """

    median: float
    low: float
    high: float
    n: int
    unit: str

    @property
    def number(self) -> str:
        """Text without unit: the median, with the quartiles in brackets if there is more than one value."""
        quartiles = f" ({short(self.low)}–{short(self.high)})" if self.n > 1 else ""
        return short(self.median) + quartiles

    def __str__(self) -> str:
        return f"{self.number} {self.unit}".rstrip()


def short(value: float) -> str:
    """Text with three significant digits, without an exponent where readable."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Sequence[float] | np.ndarray, unit: str = "") -> Spread:
    """Median and quartiles of values; of one value: that value.

    Raises:
        ValueError: if there is no value.
    """
    numbers = [float(value) for value in values]
    if not numbers:
        raise ValueError("values: expected at least one")
    middle = statistics.median(numbers)
    low, high = (middle, middle) if len(numbers) == 1 else np.quantile(numbers, (0.25, 0.75))
    return Spread(middle, float(low), float(high), len(numbers), unit)


def quotient(numerators: Sequence[float] | np.ndarray, denominators: Sequence[float] | np.ndarray) -> Spread:
    """Spread of the ratio of values measured in the same turn.

    Raises:
        ValueError: if the numbers of values differ.
    """
    above, below = np.asarray(numerators, float), np.asarray(denominators, float)
    if above.shape != below.shape:
        raise ValueError(f"denominators: expected {above.shape} values, as many as numerators, got {below.shape}")
    return spread(above / below, "×")


def timed(step: Step) -> Callable[[], Seconds]:
    """A function that runs a step and returns its seconds."""

    def run() -> Seconds:
        begin = time.perf_counter()
        step()
        return (time.perf_counter() - begin,)

    return run


def repeated(case: Callable[[], Seconds], times: int) -> Callable[[], Seconds]:
    """A case that runs ``times`` times in each turn and returns the median; for cases much faster than others."""
    return lambda: tuple(np.median([case() for _ in range(times)], axis=0))


def take_turns(cases: Mapping[str, Callable[[], Seconds]], runs: int, warm_up: int = 1) -> dict[str, np.ndarray]:
    """Run all cases in turn, repeatedly.

    Args:
        cases: Functions by name that do the work and return the seconds of each of its pieces.
        runs: Number of measured turns.
        warm_up: Number of turns before them, not measured: they load kernels and fill caches.

    Returns:
        Seconds by name, (runs, pieces). The same row of two cases was measured in the same turn.
    """
    seconds: dict[str, list[Seconds]] = {name: [] for name in cases}
    for turn in range(warm_up + runs):
        for name, case in cases.items():
            pieces = case()
            if turn >= warm_up:
                seconds[name].append(pieces)
    return {name: np.array(rows) for name, rows in seconds.items()}
