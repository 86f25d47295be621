"""Intervals: Wilson's for a proportion, a seeded bootstrap for everything else. Pure."""

from __future__ import annotations

import math
import random
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONFIDENCE = 0.95
RESAMPLES = 1000  # percentile bootstrap (Efron and Tibshirani 1993: 1,000 or more for an interval)
_MIN_RESAMPLES = 200
_BUDGET = 20_000_000  # drawn examples in all: above it there are fewer resamples

Interval = tuple[float, float]


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a proportion (Wilson 1927); within [0, 1].

    Args:
        hits: successes, from 0 to `n`.
        n: trials, at least 1.
        confidence: two-sided.

    Raises:
        ValueError: when the counts make no proportion.
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"no proportion: {hits} of {n}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / n
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    # The closed form leaves ends at 0 and n to rounding.
    return (0.0 if hits == 0 else max(0.0, middle - half), 1.0 if hits == n else min(1.0, middle + half))


def bootstrap(
    statistic: Callable[[Sequence[int]], float],
    n: int,
    seed: int,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Percentile interval of a statistic over resampled examples.

    Args:
        statistic: takes indices of examples (with repetition), gives a number or NaN where it is undefined.
        n: number of examples, at least 1.
        seed: the same seed gives the same interval.
        confidence: two-sided.

    Raises:
        ValueError: without examples, or when the statistic is undefined on most resamples.
    """
    if n < 1:
        raise ValueError("no examples")
    rng = random.Random(seed)  # noqa: S311 - resampling, no secret
    resamples = max(_MIN_RESAMPLES, min(RESAMPLES, _BUDGET // n))
    everything = range(n)
    values = sorted(v for v in (statistic(rng.choices(everything, k=n)) for _ in range(resamples)) if not math.isnan(v))
    if len(values) * 2 < resamples:
        raise ValueError("undefined on most resamples")
    tail = (1 - confidence) / 2
    low = values[int(tail * (len(values) - 1))]
    high = values[math.ceil((1 - tail) * (len(values) - 1))]
    return low, high
