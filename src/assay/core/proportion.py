"""The interval of a proportion, as evaluation and the probes of behaviour tell it. Pure."""

from __future__ import annotations

CONFIDENCE = 0.95
Interval = tuple[float, float]


def clopper_pearson(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Exact two-sided interval of a proportion (Clopper and Pearson 1934).

    Args:
        hits: successes, from 0 to `n`.
        n: trials; without any, everything is possible.
        confidence: two-sided.

    Raises:
        ValueError: when the counts make no proportion.
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - a late import: commands start without it

    if n < 0 or not 0 <= hits <= n:
        raise ValueError(f"no proportion: {hits} of {n}")
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high
