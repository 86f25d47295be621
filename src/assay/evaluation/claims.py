"""A claim: a figure that somebody wrote down, in one form wherever it stood.

Rules for values, in this order:
1. Text with a percent sign is divided by 100 (`99.9 %` is 0.999). A spread behind it (`91.2 ± 0.3`) is dropped.
2. A metric that lies in [0, 1] with a value above 1 and up to 100 is a percentage (`99.9` is 0.999).
3. Exactly 1 is 1.0: a perfect score, never one per cent.
4. Below 0 or above 100, NaN, infinite, or no number at all: no value; the claim can't be verified.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from assay.evaluation.metrics import METRICS
from assay.evaluation.names import metric_name, split_name, task_name

MAX_TEXT = 200  # characters of any name in a claim that are kept
MAX_CLAIMS = 2000  # of one snapshot: a card states dozens
_NUMBER = re.compile(r"\s*[*_`]*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)[*_`]*\s*(%?)\s*(?:(?:±|\+/-|\+-).*)?[*_`]*\s*")


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
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Claim:
        """Read what `to_json` wrote (KeyError otherwise)."""
        return cls(**{**value, "notes": tuple(value["notes"])})


def make_claim(
    metric: str,
    value: Any,
    *,
    source: str,
    line: int | None = None,
    task: str = "",
    dataset: str = "",
    split: str = "",
) -> Claim:
    """Normalise what was written. Unknown metrics keep their words in `written`."""
    ours = metric_name(metric)
    number, notes = normal_value(ours, value)
    return Claim(
        task=task_name(task)[:MAX_TEXT],
        dataset=dataset.strip()[:MAX_TEXT],
        split=split_name(split)[:MAX_TEXT],
        metric=ours,
        value=number,
        source=source,
        line=line,
        written=f"{metric[:MAX_TEXT]} = {str(value)[:MAX_TEXT]}",
        notes=notes,
    )


def number_in(value: Any) -> tuple[float, bool] | None:
    """The number that is written, and whether a percent sign stands behind it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return (float(value), False) if abs(value) < 1e300 else None  # noqa: PLR2004 - and NaN fails here
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value[:MAX_TEXT])):
        return float(match.group(1)), bool(match.group(2))
    return None


def normal_value(metric: str, value: Any) -> tuple[float | None, tuple[str, ...]]:
    """Value of a claim by the rules of this module, and notes about what was done."""
    found = number_in(value)
    if found is None or not math.isfinite(found[0]):
        return None, ("not a number",)
    number, percent = found
    if percent:
        return number / 100, ("percent sign: divided by 100",)
    known = METRICS.get(metric)
    if known is None or not known.fraction:
        return number, ()
    if 1 < number <= 100:  # noqa: PLR2004
        return number / 100, ("above 1: read as per cent",)
    if not 0 <= number <= 1:
        return None, (f"{number:g} is no {metric}",)
    return number, ()
