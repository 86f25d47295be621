"""A claim beside the measurement: holds, refuted, or unverifiable. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from assay.evaluation.metrics import METRICS
from assay.evaluation.names import same_dataset, same_split, same_task

if TYPE_CHECKING:
    from assay.evaluation.claims import Claim
    from assay.evaluation.metrics import Measured
    from assay.evaluation.suite import Suite

FAR_OFF = 0.1  # a claim this far beyond the interval is not a matter of another seed or version


class Word(Enum):
    """What the comparison says."""

    HOLDS = "holds"
    REFUTED = "refuted"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Runs:
    """One metric over all runs of a suite.

    Attributes:
        suite: what was run.
        measured: mean value; the interval is the union of the runs' intervals.
        spread: largest less smallest value of the runs; 0 when they agree.
    """

    suite: Suite
    measured: Measured
    spread: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the result.

    Attributes:
        word: holds, refuted or unverifiable.
        claim: what is claimed; None for a measurement that nobody claims anything about.
        runs: what was measured; None when nothing was.
        reason: one sentence.
        notes: what else is odd (implausible, percent).
    """

    word: Word
    claim: Claim | None
    runs: Runs | None
    reason: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The facts of `interface.md`, and more."""
        claim, runs = self.claim, self.runs
        return {
            "metric": runs.measured.metric if runs else claim.metric if claim else "",
            "claimed": claim.value if claim else None,
            "measured": runs.measured.value if runs else None,
            "interval": list(runs.measured.interval) if runs else None,
            "n": runs.measured.n if runs else None,
            "dataset": str(runs.suite.data.sha256) if runs else None,
            "verdict": self.word.value,
            "reason": self.reason,
            "notes": list(self.notes),
            "suite": runs.suite.name if runs else None,
            "method": runs.measured.method if runs else None,
            "spread": runs.spread if runs else None,
            "claim": claim.to_json() if claim else None,
        }


def compare(claims: tuple[Claim, ...], measured: tuple[Runs, ...]) -> tuple[Comparison, ...]:
    """Every claim with its measurement, then every measurement without a claim."""
    lines = [_one(claim, measured) for claim in claims]
    spoken = {id(line.runs) for line in lines}
    lines += [
        Comparison(Word.UNVERIFIABLE, None, runs, "nothing is claimed about this")
        for runs in measured
        if id(runs) not in spoken
    ]
    return tuple(lines)


def _one(claim: Claim, measured: tuple[Runs, ...]) -> Comparison:
    notes = list(claim.notes)
    if claim.value is None:
        return Comparison(Word.UNVERIFIABLE, claim, None, "the claimed value is no number of this metric", claim.notes)
    of_metric = [runs for runs in measured if runs.measured.metric == claim.metric]
    if not claim.dataset:
        accepting = [
            runs for runs in of_metric if runs.suite.takes_unnamed_claims and same_task(claim.task, runs.suite)
        ]
        if not accepting:
            beside = of_metric[0] if len(of_metric) == 1 else None
            return Comparison(Word.UNVERIFIABLE, claim, beside, "the claim names no data set", tuple(notes))
        notes.append("the claim names no data set; the suite says that it is about this one")
        of_metric = accepting
    else:
        of_metric = [runs for runs in of_metric if same_dataset(claim.dataset, runs.suite)]
        if not of_metric:
            reason = f"no suite measures {claim.metric or 'this'} on this data set"
            return Comparison(Word.UNVERIFIABLE, claim, None, reason, tuple(notes))
        of_metric = [runs for runs in of_metric if same_task(claim.task, runs.suite)]
        if not of_metric:
            return Comparison(Word.UNVERIFIABLE, claim, None, "the claim is about another task", tuple(notes))
    fitting = [runs for runs in of_metric if same_split(claim.split, runs.suite)]
    if not fitting:
        return Comparison(Word.UNVERIFIABLE, claim, None, f"no suite measures the split {claim.split!r}", tuple(notes))
    return _judge(claim, claim.value, fitting[0], notes)


def _judge(claim: Claim, value: float, runs: Runs, notes: list[str]) -> Comparison:
    measured, tolerance = runs.measured, runs.suite.tolerance
    metric = METRICS[measured.metric]
    low, high = measured.interval
    beyond = value - (high + tolerance) if metric.higher_is_better else (low - tolerance) - value
    perfect = value >= 1 if metric.higher_is_better else value <= 0
    if metric.fraction and perfect:
        notes.append("implausible: a perfect score is claimed")
    if runs.spread > 0:
        notes.append(f"repeated runs differ by {runs.spread:.3g}")
    if beyond > 0:
        if metric.fraction and beyond > FAR_OFF:
            notes.append(f"implausible: {beyond:.3f} beyond what the measurement allows")
        end = f"upper end {high:.4g}" if metric.higher_is_better else f"lower end {low:.4g}"
        return Comparison(Word.REFUTED, claim, runs, f"the claim is beyond the interval's {end}", tuple(notes))
    better = low > value if metric.higher_is_better else high < value
    reason = "measured better than claimed" if better else "the claim lies within the interval and tolerance"
    return Comparison(Word.HOLDS, claim, runs, reason, tuple(notes))
