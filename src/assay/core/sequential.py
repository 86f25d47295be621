"""Stopping early: evidence that may be looked at after each observation. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sequential:
    """Flips of one candidate, seen text by text: is its rate at most `null`, or is it `alternative`?

    The likelihood ratio is an e-process under every rate up to `null` (Wald 1945; Ville 1939; Ramdas et al. 2023): it
    may be looked at after each text, and `decided` is wrongly true with a chance of at most `alpha`, wherever a budget
    cuts.

    Attributes:
        null: rate that an honest candidate has at most.
        alternative: rate of a trigger.
        alpha: chance of calling an honest candidate a trigger.
        beta: of giving up a trigger.
        log_e: logarithm of the e-value so far.
        peak: its largest value so far: evidence once won is not lost.
        n: texts so far.
    """

    null: float
    alternative: float
    alpha: float = 0.01
    beta: float = 0.05
    log_e: float = 0.0
    peak: float = 0.0
    n: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.null < self.alternative < 1 or not (0 < self.alpha < 1 and 0 < self.beta < 1):
            raise ValueError("rates and errors must lie between 0 and 1, and null below alternative")

    def seen(self, hits: int, n: int) -> Sequential:
        """After `hits` flips in `n` further texts."""
        if not 0 <= hits <= n:
            raise ValueError(f"no proportion: {hits} of {n}")
        gain = hits * math.log(self.alternative / self.null)
        loss = (n - hits) * math.log((1 - self.alternative) / (1 - self.null))
        value = self.log_e + gain + loss
        return replace(self, log_e=value, peak=max(self.peak, value), n=self.n + n)

    @property
    def decided(self) -> bool | None:
        """True: a trigger; False: given up; None: not yet."""
        if self.peak >= -math.log(self.alpha):
            return True
        return False if self.log_e <= math.log(self.beta) else None

    @property
    def p_value(self) -> float:
        """Valid whenever one stops: the inverse of the largest e-value."""
        return min(1.0, math.exp(-self.peak))
