"""Metrics of numbers against numbers (regression). Pure; formulas are scikit-learn's and SciPy's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from assay.evaluation.metrics import Measured
from assay.evaluation.statistics import bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Pairs = list[tuple[float, float]]


def score_numbers(metric: str, truth: Sequence[float], answers: Sequence[float], seed: int) -> Measured:
    """One metric with its bootstrapped interval.

    Args:
        metric: of the task `text-regression`.
        truth: right number of each example.
        answers: the model's, as many.
        seed: of the bootstrap.

    Raises:
        ValueError: when it is not defined on this data (no examples, all the same).
    """
    pairs = list(zip(truth, answers, strict=True))
    formula = _FORMULAS[metric]
    value = formula(pairs) if pairs else math.nan
    if math.isnan(value):
        raise ValueError(f"{metric} is not defined on this data")
    interval = bootstrap(lambda drawn: formula([pairs[i] for i in drawn]), len(pairs), seed)
    return Measured(metric, value, interval, len(pairs), "bootstrap")


def _pearson(pairs: Pairs) -> float:
    n = len(pairs)
    mean_x, mean_y = sum(x for x, _ in pairs) / n, sum(y for _, y in pairs) / n
    both = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
    spread = math.sqrt(sum((x - mean_x) ** 2 for x, _ in pairs) * sum((y - mean_y) ** 2 for _, y in pairs))
    return max(-1.0, min(1.0, both / spread)) if spread else math.nan


def _ranks(values: list[float]) -> list[float]:
    """Ranks from 1, the mean of them for equal values."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] != values[order[start]]:
            for place in order[start:end]:
                ranks[place] = (start + 1 + end) / 2
            start = end
    return ranks


def _spearman(pairs: Pairs) -> float:
    return _pearson(list(zip(_ranks([x for x, _ in pairs]), _ranks([y for _, y in pairs]), strict=True)))


def _r2(pairs: Pairs) -> float:
    mean = sum(x for x, _ in pairs) / len(pairs)
    spread = sum((x - mean) ** 2 for x, _ in pairs)
    return 1 - sum((x - y) ** 2 for x, y in pairs) / spread if spread else math.nan


def _squared(pairs: Pairs) -> float:
    return sum((x - y) ** 2 for x, y in pairs) / len(pairs)


def _absolute(pairs: Pairs) -> float:
    return sum(abs(x - y) for x, y in pairs) / len(pairs)


_FORMULAS: dict[str, Callable[[Pairs], float]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "r2": _r2,
    "mean_squared_error": _squared,
    "root_mean_squared_error": lambda pairs: math.sqrt(_squared(pairs)),
    "mean_absolute_error": _absolute,
}
