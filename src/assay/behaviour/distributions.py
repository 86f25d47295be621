"""Shapes of distributions: two modes or one, calibration of confidences, entropy, separation of two groups. Pure."""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES = 400
BINS = 15  # of Guo et al. 2017


def dip(values: Sequence[float]) -> float:
    """Distance of the sample from the nearest distribution with one mode (Hartigan and Hartigan 1985).

    From 1/(2n), one mode, up to 1/4, two equal ones far apart.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    if not values or not all(math.isfinite(one) for one in values):
        raise ValueError("a dip needs finite values")
    xs, below, upto = _steps(values)
    low, high, deepest = 0, len(xs) - 1, 1.0
    while high > low:
        minorant = _hull(xs, below, low, high, lower=True)
        majorant = _hull(xs, upto, low, high, lower=False)
        under, over = _along(xs, below, minorant), _along(xs, upto, majorant)
        vertices = sorted({*minorant, *majorant})
        widest = max(vertices, key=lambda i: over[i - low] - under[i - low])
        if over[widest - low] - under[widest - low] <= deepest:
            break
        left = minorant[bisect_right(minorant, widest) - 1]
        right = majorant[bisect_left(majorant, widest)]
        deepest = max(
            deepest,
            *(upto[i] - under[i - low] for i in range(low, left)),
            *(over[i - low] - below[i] for i in range(right + 1, high + 1)),
        )
        if (left, right) == (low, high):
            break
        low, high = left, right
    return deepest / (2 * len(values))


def dip_test(values: Sequence[float], seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The dip, and the share of uniform samples of the same size that reach it (the least favourable single mode)."""
    found = dip(values)
    rng = random.Random(seed)  # noqa: S311 - resampling, no secret
    reached = sum(dip([rng.random() for _ in values]) >= found for _ in range(resamples))
    return found, (reached + 1) / (resamples + 1)


def expected_calibration_error(confidences: Sequence[float], correct: Sequence[bool], bins: int = BINS) -> float:
    """Mean distance of confidence and accuracy over bins of equal width (Guo et al. 2017); from 0 to 1.

    Raises:
        ValueError: no predictions, unequal lengths, or a confidence outside [0, 1].
    """
    if not confidences or len(confidences) != len(correct) or any(not 0 <= one <= 1 for one in confidences):
        raise ValueError("calibration needs as many confidences in [0, 1] as answers")
    sums = [0.0] * bins
    for confidence, right in zip(confidences, correct, strict=True):
        sums[min(bins - 1, int(confidence * bins))] += confidence - right
    return sum(map(abs, sums)) / len(confidences)


def entropy(probabilities: Sequence[float]) -> float:
    """Shannon entropy in bits.

    Raises:
        ValueError: a negative number, or a sum that is not 1.
    """
    if any(one < 0 for one in probabilities) or not math.isclose(sum(probabilities), 1, abs_tol=1e-3):
        raise ValueError("no distribution")
    return -sum(one * math.log2(one) for one in probabilities if one > 0)


def auc(clean: Sequence[float], bad: Sequence[float]) -> float:
    """Chance that a random bad model scores higher than a random clean one; ties count half (Mann and Whitney 1947).

    Raises:
        ValueError: one of the groups is empty.
    """
    if not clean or not bad:
        raise ValueError("two groups are needed")
    ordered = sorted(clean)
    wins = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in bad)
    return wins / (2 * len(clean) * len(bad))


def _steps(values: Sequence[float]) -> tuple[list[float], list[int], list[int]]:
    """Distinct values, number of values before each, number up to and with each."""
    xs, below, upto = [], [], []
    total = 0
    for value, same in groupby(sorted(values)):
        xs.append(value)
        below.append(total)
        total += len(list(same))
        upto.append(total)
    return xs, below, upto


def _hull(xs: Sequence[float], ys: Sequence[int], low: int, high: int, *, lower: bool) -> list[int]:
    """Indices of the vertices of the convex minorant (or concave majorant) between two indices."""
    sign = 1 if lower else -1
    kept: list[int] = []
    for i in range(low, high + 1):
        while len(kept) > 1:
            a, b = kept[-2], kept[-1]
            if sign * ((ys[b] - ys[a]) * (xs[i] - xs[a]) - (ys[i] - ys[a]) * (xs[b] - xs[a])) < 0:
                break
            kept.pop()
        kept.append(i)
    return kept


def _along(xs: Sequence[float], ys: Sequence[int], vertices: Sequence[int]) -> list[float]:
    """Height of the broken line at every index from the first to the last vertex."""
    heights = [float(ys[vertices[0]])]
    for a, b in pairwise(vertices):
        slope = (ys[b] - ys[a]) / (xs[b] - xs[a])
        heights += [ys[a] + slope * (xs[i] - xs[a]) for i in range(a + 1, b + 1)]
    return heights
