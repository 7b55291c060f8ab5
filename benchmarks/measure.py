"""Repeated measuring: cases take turns, medians and quartiles are kept, and ratios are taken turn by turn.

A machine that is busy for a while slows whatever runs then. Cases that take turns are slowed alike, and the ratio of
two times that were taken one after the other hardly notices; so ratios are what is compared between two days.
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
        median: Of the values.
        low: First quartile.
        high: Third quartile.
        n: How many there are.
        unit: Of the values.
    """

    median: float
    low: float
    high: float
    n: int
    unit: str

    @property
    def number(self) -> str:
        """Without its unit; with the quartiles in brackets, if there is more than one value."""
        quartiles = f" ({short(self.low)}–{short(self.high)})" if self.n > 1 else ""
        return short(self.median) + quartiles

    def __str__(self) -> str:
        return f"{self.number} {self.unit}".rstrip()


def short(value: float) -> str:
    """Three digits, without an exponent where it can be read."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Sequence[float] | np.ndarray, unit: str = "") -> Spread:
    """Median and quartiles (of one value: that value).

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
    """Spread of the ratio of values that were taken in the same turn.

    Raises:
        ValueError: if there are not as many of the one as of the other.
    """
    above, below = np.asarray(numerators, float), np.asarray(denominators, float)
    if above.shape != below.shape:
        raise ValueError(f"denominators: expected {above.shape} values, as many as numerators, got {below.shape}")
    return spread(above / below, "×")


def timed(step: Step) -> Callable[[], Seconds]:
    """A step that gives the seconds it took."""

    def run() -> Seconds:
        begin = time.perf_counter()
        step()
        return (time.perf_counter() - begin,)

    return run


def repeated(case: Callable[[], Seconds], times: int) -> Callable[[], Seconds]:
    """A case that runs ``times`` times in each turn and gives the median: for milliseconds beside seconds."""
    return lambda: tuple(np.median([case() for _ in range(times)], axis=0))


def take_turns(cases: Mapping[str, Callable[[], Seconds]], runs: int, warm_up: int = 1) -> dict[str, np.ndarray]:
    """Run all cases one after the other, again and again.

    Args:
        cases: By name: a function that does the work and gives the seconds of each of its pieces.
        runs: Turns that count.
        warm_up: Turns before them that do not: they load kernels and fill caches.

    Returns:
        By name (runs, pieces) seconds. The same row of two cases was measured in the same turn.
    """
    seconds: dict[str, list[Seconds]] = {name: [] for name in cases}
    for turn in range(warm_up + runs):
        for name, case in cases.items():
            pieces = case()
            if turn >= warm_up:
                seconds[name].append(pieces)
    return {name: np.array(rows) for name, rows in seconds.items()}
