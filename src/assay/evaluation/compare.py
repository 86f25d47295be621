"""A claim beside the measurement: holds, refuted, or unverifiable. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from assay.core.proportion import clopper_pearson
from assay.evaluation.entities import ENTITY_METRICS
from assay.evaluation.metrics import METRICS, TASK_METRICS
from assay.evaluation.names import dataset_key, other_config, same_dataset, same_split, same_task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.evaluation.claims import Claim
    from assay.evaluation.metrics import Measured
    from assay.evaluation.suite import Suite

FAR_OFF = 0.1  # a claim this far beyond the interval is not a matter of another seed or version
_MANY = 100  # examples without one fault
_MOST_ROUNDING = 0.005  # of a share: 0.9 may be 0.90 as well, never 0.949
_MOST_RELATIVE = 0.02  # of another figure
_ROUNDING = 5e-5 + 1e-9  # a card gives four digits of what a file holds in full
_EXACT = 1e-12  # what floating point adds to a figure that is equal
_UNNAMED = "the claim names no data set"


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
        reordered: the same in the order of the outputs that answers best, where the model's outputs have no names and
            the order in which they were taken is a guess; None otherwise.
    """

    suite: Suite
    measured: Measured
    spread: float
    reordered: Measured | None = None


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

    @property
    def unclear(self) -> bool:
        """Whether the figure need be no claim: its name says nothing, and no suite measures data of that name."""
        return self.claim is not None and self.claim.doubtful and self.word is Word.UNVERIFIABLE

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
    lines = _repeated([_one(claim, measured) for claim in claims])
    spoken = {id(line.runs) for line in lines}
    lines += [
        Comparison(Word.UNVERIFIABLE, None, runs, "nothing is claimed about this")
        for runs in measured
        if id(runs) not in spoken
    ]
    return tuple(lines)


def _one(claim: Claim, measured: tuple[Runs, ...]) -> Comparison:
    if claim.obstacle or claim.value is None:
        reason = claim.obstacle or "the claimed value is no number of this metric"
        return Comparison(Word.UNVERIFIABLE, claim, None, reason, claim.notes)
    of_metric = [runs for runs in measured if runs.measured.metric in meant_by(claim, runs.suite)]
    named, notes, split = _of_data(claim, of_metric)
    reason = ""
    if not named and claim.dataset:
        reason = f"no suite measures {claim.metric or 'this'} on this data set"
    elif not named:
        beside = of_metric[0] if len(of_metric) == 1 else None
        return Comparison(Word.UNVERIFIABLE, claim, beside, _UNNAMED, notes)
    elif not (named := [runs for runs in named if same_task(claim.task, runs.suite)]):
        reason = "the claim is about another task"
    elif not (named := [runs for runs in named if same_split(split, runs.suite)]):
        reason = f"no suite measures the split {split!r}"
    elif not (named := [runs for runs in named if not other_config(claim.config, runs.suite)]):
        reason = f"no suite measures the part {claim.config!r} of this data set"
    elif claim.shots and not (named := [runs for runs in named if runs.suite.task != "multiple-choice"]):
        reason = f"claimed with {claim.shots} examples in the prompt: a suite of this task gives none"
    if reason:
        return Comparison(Word.UNVERIFIABLE, claim, None, reason, notes)
    return _of_readings(claim, claim.value, [runs for runs in named if runs.suite is named[0].suite], notes)


def _of_readings(claim: Claim, value: float, named: list[Runs], notes: tuple[str, ...]) -> Comparison:
    """The plainest reading of the metric, and where that refutes, another one that holds."""
    order = meant_by(claim, named[0].suite)
    named = sorted(named, key=lambda runs: order.index(runs.measured.metric))
    lines = [_judge(claim, value, runs, list(notes)) for runs in named]
    first = lines[0]
    other = next((line for line in lines if line.word is Word.HOLDS), None)
    if first.word is Word.HOLDS or other is None or other.runs is None:
        return first
    read = f"the claim does not say which {claim.metric} it is: it holds as {other.runs.measured.metric}"
    return replace(other, notes=(*other.notes, read))


# What a metric without a word about its average may be: of the positive class, or a mean over classes.
_AVERAGES = {
    part: (part, f"{part}_macro", f"{part}_weighted", "f1_micro") for part in ("f1", "precision", "recall")
}  # the micro mean is one figure for all three


def meant_by(claim: Claim, suite: Suite) -> tuple[str, ...]:
    """The metrics that a claim may be about, were it about this suite, the plainest first."""
    first = suite.metrics[0] if claim.first_metric and suite.metrics else ""
    if first and METRICS[first].fraction:
        return (first,)
    if claim.metric == "loss" and "loss" not in TASK_METRICS[suite.task]:
        return ("log_loss",)
    if suite.task in _BY_TOKEN:  # a card's F1 of named entities is counted by whole entities
        return _ENTITIES.get(claim.metric, (claim.metric,))
    return _AVERAGES.get(claim.metric, (claim.metric,))


_BY_TOKEN = {"token-classification"}
_ENTITIES = {part: (f"entity_{part}", part, f"{part}_macro") for part in ("f1", "precision", "recall")}


def also_claimed(claims: Iterable[Claim], suite: Suite) -> tuple[str, ...]:
    """Metrics that are claimed about a suite's data and that it can measure, but does not list."""
    wanted: list[str] = []
    for claim in claims:
        names = (claim.dataset, *claim.places)
        about = any(same_dataset(name, suite) for name in names) or (not claim.dataset and suite.takes_unnamed_claims)
        if about and not claim.obstacle and same_task(claim.task, suite) and same_split(claim.split, suite):
            wanted += meant_by(claim, suite)
    known = ("accuracy", *ENTITY_METRICS) if suite.task in _BY_TOKEN else TASK_METRICS[suite.task]
    return tuple(metric for metric in dict.fromkeys(wanted) if metric in known and metric not in suite.metrics)


def _of_data(claim: Claim, of_metric: list[Runs]) -> tuple[list[Runs], tuple[str, ...], str]:
    """Measurements on the data that a claim is about, what was read into it, and the split that it names."""
    for name in (claim.dataset, *claim.places):
        if found := [runs for runs in of_metric if same_dataset(name, runs.suite)]:
            beside = () if name == claim.dataset else (f"the data set is named beside it: {name}",)
            return found, (*claim.notes, *beside), claim.split or dataset_key(name)[1]
    if claim.dataset:
        return [], claim.notes, claim.split
    found = [runs for runs in of_metric if runs.suite.takes_unnamed_claims and same_task(claim.task, runs.suite)]
    told = ("the claim names no data set; the suite says that it is about this one",) if found else ()
    return found, (*claim.notes, *told), claim.split


def _repeated(lines: list[Comparison]) -> list[Comparison]:
    """A figure without a data set that is, digit for digit, one that was compared shares its fate.

    Trainer writes its results into files that name no data, and the same figures into a card that does.
    """
    judged = [line for line in lines if line.word is not Word.UNVERIFIABLE and line.claim is not None]
    out = []
    for line in lines:
        twin = next((one for one in judged if line.reason == _UNNAMED and _same_figure(line.claim, one.claim)), None)
        if twin and twin.claim:
            reason = f"no data set is named; the same figure as in {twin.claim.source}, which {twin.word.value}"
            out.append(Comparison(twin.word, line.claim, twin.runs, reason, line.notes))
        else:
            out.append(line)
    return out


def contradictions(lines: Iterable[Comparison]) -> list[tuple[Claim, Claim]]:
    """Claims of the same metric on the same data and split that differ, each with the first one that said otherwise.

    Two lines of one result file are runs or variants; a card contradicts itself.
    """
    first: dict[tuple[str, str, str], Claim] = {}
    found = []
    for claim in (line.claim for line in lines if line.claim is not None and not line.unclear):
        if claim.obstacle or claim.value is None or not claim.metric:
            continue
        key = claim.metric, dataset_key(claim.dataset)[0] if claim.dataset else "", claim.split
        other = first.setdefault(key, claim)
        both = other.source != claim.source or (claim.source.lower().endswith(".md") and other.line != claim.line)
        apart = abs((other.value or 0.0) - claim.value) > other.slack + claim.slack + _EXACT
        if both and apart and other.metric != "loss":
            found.append((claim, other))
    return found[:_MOST_PAIRS]


_MOST_PAIRS = 20


def _same_figure(one: Claim | None, other: Claim | None) -> bool:
    if one is None or other is None or one.metric != other.metric or one.value is None or other.value is None:
        return False
    return abs(one.value - other.value) <= _ROUNDING and (not one.split or not other.split or one.split == other.split)


_ORDER = (
    "its outputs have no names, and in another order of them the claim holds ({:.4g}): "
    "if that order is meant, give the suite `labels`"
)


def _beyond(value: float, measured: Measured, allowed: float) -> float:
    """How far a claim lies beyond what a measurement allows; up to 0 it does not."""
    low, high = _of_few(measured)
    return value - (high + allowed) if METRICS[measured.metric].higher_is_better else (low - allowed) - value


def _outside(value: float, measured: Measured, allowed: float) -> bool:
    """Whether only the wider interval of few examples keeps a claim from being refuted."""
    low, high = measured.interval
    beyond = value - (high + allowed) if METRICS[measured.metric].higher_is_better else (low - allowed) - value
    return beyond > _EXACT


def _of_few(measured: Measured) -> tuple[float, float]:
    """The interval, wider where few examples make it too narrow.

    Wilson's is, near 0 and 1, and a bootstrap can't draw what a handful of examples lacks: a share is refuted only
    beyond the exact interval of as many examples, another figure of fewer than ten only by more than a tenth.
    """
    low, high = measured.interval
    if METRICS[measured.metric].fraction:
        if not 1 <= measured.n <= _FEW_SHARES:
            return low, high
        least, most = clopper_pearson(min(measured.n, max(0, round(measured.value * measured.n))), measured.n)
        return min(low, least), max(high, most)
    room = _FAR_RELATIVE * abs(measured.value) if measured.n < _FEW else 0.0
    return min(low, measured.value - room), max(high, measured.value + room)


_FEW_SHARES = 1000  # above it the two intervals differ by less than a tenth of a point
_FEW = 10
_WIDE = 0.25  # of an interval
_FAR_RELATIVE = 0.1


def _judge(claim: Claim, value: float, runs: Runs, notes: list[str]) -> Comparison:
    measured = runs.measured
    metric = METRICS[measured.metric]
    low, high = measured.interval
    within = metric.fraction or metric.signed
    rounded = min(claim.slack, _MOST_ROUNDING if within else _MOST_RELATIVE * abs(value))
    allowed = runs.suite.tolerance + rounded
    beyond = _beyond(value, measured, allowed)
    perfect = value >= 1 if metric.higher_is_better else value <= 0
    if metric.fraction and perfect:
        notes.append("implausible: a perfect score is claimed")
    if runs.spread > 0:
        notes.append(f"repeated runs differ by {runs.spread:.3g}")
    if beyond > _EXACT:
        if metric.fraction and beyond > FAR_OFF:
            notes.append(f"implausible: {beyond:.3f} beyond what the measurement allows")
        if (other := runs.reordered) is not None:
            if _beyond(value, other, allowed) <= _EXACT:
                return Comparison(Word.UNVERIFIABLE, claim, runs, _ORDER.format(other.value), tuple(notes))
            notes.append(f"in the order of its outputs that answers best {other.value:.4g}")
        low, high = _of_few(measured)
        end = f"upper end {high:.4g}" if metric.higher_is_better else f"lower end {low:.4g}"
        return Comparison(Word.REFUTED, claim, runs, f"the claim is beyond the interval's {end}", tuple(notes))
    better = low > value if metric.higher_is_better else high < value
    far = (low - value if metric.higher_is_better else value - high) > FAR_OFF
    flawless = measured.value >= 1 if metric.higher_is_better else measured.value <= 0
    if metric.fraction and better and (far or (flawless and measured.n >= _MANY)):
        notes.append("implausible: measured far better than claimed, or without a fault: has it seen these data?")
    reason = "measured better than claimed" if better else "the claim lies within the interval and tolerance"
    if _outside(value, measured, allowed):
        return Comparison(
            Word.UNVERIFIABLE, claim, runs, f"{measured.n} examples are too few to refute it", tuple(notes)
        )
    if metric.fraction and measured.n < _FEW_SHARES and high - low > _WIDE:
        notes.append(f"few examples ({measured.n}): any claim from {low:.2g} to {high:.2g} would hold")
    return Comparison(Word.HOLDS, claim, runs, reason, tuple(notes))
