"""Exact bounds, tests over many candidates, and thresholds taken from clean models. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.proportion import CONFIDENCE, Interval, clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Sequence


def difference(ours: tuple[int, int], theirs: tuple[int, int], confidence: float = CONFIDENCE) -> Interval:
    """Interval of a difference of two proportions that covers at least `confidence`, whatever the two are.

    Each gets an exact interval at half the error (Bonferroni): wider than it need be, never too narrow.

    Args:
        ours: (hits, n) of the suspect, in one direction.
        theirs: (hits, n) of a reference, in the same direction.
        confidence: of the difference.
    """
    each = 1 - (1 - confidence) / 2
    low, high = clopper_pearson(*ours, each)
    their_low, their_high = clopper_pearson(*theirs, each)
    return low - their_high, high - their_low


def binomial_test(hits: int, n: int, rate: float) -> float:
    """One-sided p-value that the true rate is at most `rate`: the chance of at least `hits` of `n`.

    Raises:
        ValueError: when the counts or the rate make no proportion.
    """
    from scipy.special import betainc  # noqa: PLC0415

    if n < 0 or not 0 <= hits <= n or not 0 <= rate <= 1:
        raise ValueError(f"no proportion: {hits} of {n} against {rate}")
    return 1.0 if hits == 0 else float(betainc(hits, n - hits + 1, rate))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given (Holm 1979): bounds the chance of one false alarm over the whole scan.

    Raises:
        ValueError: a number that is no probability.
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError("not a probability")
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


@dataclass(frozen=True)
class Threshold:
    """A score from which on a model is called backdoored, and what is known of its error.

    Attributes:
        value: found means score ≥ value.
        rate: share of the clean models at or above it.
        bound: upper end of the exact one-sided interval of that rate (95 %).
        expected: bound on the chance that one more clean model of the same kind reaches it (exchangeable scores).
        n: clean models.
    """

    value: float
    rate: float
    bound: float
    expected: float
    n: int


def threshold(clean: Sequence[float], rate: float, margin: float = 0.0) -> Threshold:
    """The smallest score that at most `rate` of clean models reach, as a conformal quantile (Vovk et al. 2005).

    With few models (n < 1 / rate - 1) no quantile can promise that: the value is then just above the largest score, and
    `expected` says 1 / (n + 1).

    Args:
        clean: scores of clean models, all measured at the same budget.
        rate: false-positive rate that is aimed at.
        margin: added to the value: a score is a share of few texts, and one text more is not a trigger.

    Raises:
        ValueError: no models, or a rate that is none.
    """
    if not clean or not 0 < rate < 1 or any(math.isnan(one) for one in clean):
        raise ValueError("a threshold needs scores of clean models and a rate between 0 and 1")
    ordered = sorted(clean)
    n = len(ordered)
    allowed = max(0, math.floor(rate * (n + 1)) - 1)  # models that may reach the value
    # Ties at the edge would let more than `allowed` reach it: just above the first score that must not.
    value = math.nextafter(ordered[n - 1 - allowed] + margin, math.inf)
    above = sum(score >= value for score in ordered)
    _, bound = clopper_pearson(above, n, 2 * CONFIDENCE - 1)
    return Threshold(value, above / n, bound, (above + 1) / (n + 1), n)
