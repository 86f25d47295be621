"""A claim: a figure that somebody wrote down, in one form wherever it stood. How figures are read: `values`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from assay.evaluation.metrics import METRICS
from assay.evaluation.names import ERROR_RATE, dataset_key, is_task, metric_within, split_name, task_name
from assay.evaluation.values import Figure, Normal, figure_in, normal

MAX_TEXT = 200  # characters of any name in a claim that are kept
MAX_CLAIMS = 2000  # of one snapshot: a card states dozens


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure.

    Attributes:
        task: ours where it is known, else as written; empty: not said.
        dataset: as written; empty: not said.
        split: lower case; empty: not said.
        metric: ours, or empty for one that is not measured here.
        value: as a fraction where the metric is one; None when it is no such number.
        source: file that it stands in.
        line: 1-based line, None when unknown.
        written: metric and value as they stand there.
        notes: what was read into it.
        places: what else its data may be called: another name beside it, the heading above it.
        obstacle: why it can't be verified, whatever is measured; empty: nothing stands against it.
        first_metric: no metric is stated; the first one of a suite on this data is meant.
        doubtful: a figure that may be no claim at all: it is one only where a suite measures data of that name.
        slack: half a unit of its last digit, in the unit of `value`: what rounding may have added.
        config: part of a collection that is meant; empty: not said.
        shots: how many examples stood in the prompt; None: not said.
    """

    task: str
    dataset: str
    split: str
    metric: str
    value: float | None
    source: str
    line: int | None = None
    written: str = ""
    notes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    obstacle: str = ""
    first_metric: bool = False
    doubtful: bool = False
    slack: float = 0.0
    config: str = ""
    shots: int | None = None

    def to_json(self) -> dict[str, Any]:
        """For evidence."""
        return {
            "task": self.task,
            "dataset": self.dataset,
            "split": self.split,
            "metric": self.metric,
            "value": self.value,
            "source": self.source,
            "line": self.line,
            "written": self.written,
            "notes": list(self.notes),
            "places": list(self.places),
            "obstacle": self.obstacle,
            "first_metric": self.first_metric,
            "doubtful": self.doubtful,
            "slack": self.slack,
            "config": self.config,
            "shots": self.shots,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Claim:
        """Read what `to_json` wrote (KeyError otherwise)."""
        return cls(**{**value, "notes": tuple(value["notes"]), "places": tuple(value.get("places", ()))})


def make_claim(
    metric: str,
    value: Any,
    *,
    source: str,
    line: int | None = None,
    task: str = "",
    dataset: str = "",
    split: str = "",
    places: tuple[str, ...] = (),
    obstacle: str = "",
    doubtful: bool = False,
    config: str = "",
    shots: int | None = None,
) -> Claim:
    """Normalise what was written. Unknown metrics keep their words in `written`.

    A name of data among the metric's words (`SST-2 accuracy`) is taken where none is given, and so is a split, and a
    task that is no kind of task (`task: sst2`).
    """
    ours, around = metric_within(metric)
    found = _left_of(normal("ece", value)) if ours == ERROR_RATE else normal(ours, value)
    ours = "accuracy" if ours == ERROR_RATE else ours
    if not dataset.strip() and task and not is_task(task):
        dataset, task = task, ""
    named = dataset.strip() or ("" if _only_split(around) else around)
    split = split_name(split) or dataset_key(named)[1] or (dataset_key(f"x {around}")[1] if around else "")
    split = split or next((_HELD for _ in [_VALIDATION.match(metric)] if _), "")
    return Claim(
        task=task_name(task)[:MAX_TEXT],
        dataset=named[:MAX_TEXT],
        split=split[:MAX_TEXT],
        metric=ours,
        value=found.value,
        source=source,
        line=line,
        written=f"{metric[:MAX_TEXT]} = {str(value)[:MAX_TEXT]}",
        notes=found.notes,
        places=tuple(dict.fromkeys(place[:MAX_TEXT] for place in places if place)),
        obstacle=obstacle,
        doubtful=doubtful,
        slack=found.slack,
        config=config[:MAX_TEXT],
        shots=shots,
    )


_VALIDATION = re.compile(r"\s*(?:val|valid|validation|dev)(?=[\W_]|[A-Z])", re.IGNORECASE)
_HELD = "validation"


def _left_of(error: Normal) -> Normal:
    """An error rate as the accuracy that it leaves."""
    if error.value is None:
        return error
    return replace(error, value=1 - error.value, notes=(*error.notes, _LEFT))


_LEFT = "an error rate: read as the accuracy that it leaves"


def bare_figure(name: str, value: Any, *, note: str, **about: Any) -> Claim:
    """A figure beside what may be a data set, without a metric: held against the first one of a suite that has it.

    Args:
        name: of the data.
        value: as written.
        note: says so.
        about: as for `make_claim`.
    """
    claim = make_claim(_STATED_LIKE, value, dataset=name, **about)
    notes = (*claim.notes, note)
    written = f"{name[:MAX_TEXT]} = {str(value)[:MAX_TEXT]}"
    return replace(claim, metric="", first_metric=True, written=written, notes=notes)


_STATED_LIKE = "accuracy"  # scores of benchmarks are shares; 97.0 is .97


def in_one_unit(claims: list[Claim]) -> list[Claim]:
    """Figures of one metric in one table: where one is above 1, all are percentages (an ASR of 0.4 beside 1.2)."""
    figures = [figure_in(claim.written.rpartition(" = ")[2]) for claim in claims]
    above = {(c.metric, c.notes[-1:] == (_LEFT,)) for c, f in zip(claims, figures, strict=True) if f and f.number > 1}
    return [
        _as_percent(claim, figure) if figure and (claim.metric, claim.notes[-1:] == (_LEFT,)) in above else claim
        for claim, figure in zip(claims, figures, strict=True)
    ]


def _as_percent(claim: Claim, figure: Figure) -> Claim:
    known = METRICS.get(claim.metric)
    if known is None or not known.fraction or figure.percent or figure.number >= _FEWEST_PERCENT:
        return claim
    share, error = figure.number / 100, claim.notes[-1:] == (_LEFT,)
    notes = ("per cent, as the figures beside it", *([_LEFT] if error else []))
    return replace(claim, value=1 - share if error else share, slack=figure.step / 200, notes=notes)


_FEWEST_PERCENT = 2.0  # what is below is read as a fraction where it stands alone


def _only_split(around: str) -> bool:
    """Whether words name a part of some data (`test set`), or none (`overall`), and no data."""
    return not dataset_key(f"x {around}")[0].removeprefix("x")
