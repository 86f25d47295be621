"""A claim: a figure that somebody wrote down, in one form wherever it stood.

Rules for values, in this order:
1. Text with a percent sign is divided by 100 (`99.9 %` is 0.999). A spread or an interval behind it (`91.2 ± 0.3`,
   `0.91 [0.90, 0.92]`) and words such as `~`, `>` or `about` before it are dropped.
2. A metric that lies in [0, 1] (or [-1, 1]) with a value from 2 to 100 is a percentage (`99.9` is 0.999).
3. Exactly 1 is 1.0: a perfect score, never one per cent. Between 1 and 2 it is neither: no value.
4. Below 0 or above 100, NaN, infinite, or no number at all: no value; the claim can't be verified.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from assay.evaluation.metrics import METRICS
from assay.evaluation.names import dataset_key, metric_within, split_name, task_name

MAX_TEXT = 200  # characters of any name in a claim that are kept
_FEWEST_PERCENT = 2.0  # 1.02 is a slip, not one per cent
MAX_CLAIMS = 2000  # of one snapshot: a card states dozens
_NUMBER = re.compile(
    r"[\s*_`~≈<>≥≤=]*(?:(?:about|approx\.?|approximately|ca\.?|up to|over)\s+)?"
    r"([+-]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:e[+-]?\d+)?)[\s*_`]*(%|percent\b|per cent\b|pct\b)?[\s*_`]*"
    r"((?:±|\+/-|\+-|\\pm|\(|\[).*)?[\s*_`]*",
    re.IGNORECASE,
)


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
) -> Claim:
    """Normalise what was written. Unknown metrics keep their words in `written`.

    A name of data among the metric's words (`SST-2 accuracy`) is taken where none is given, and so is a split.
    """
    ours, around = metric_within(metric)
    number, notes = normal_value(ours, value)
    named = dataset.strip() or ("" if _only_split(around) else around)
    split = split_name(split) or dataset_key(named)[1] or (dataset_key(f"x {around}")[1] if around else "")
    return Claim(
        task=task_name(task)[:MAX_TEXT],
        dataset=named[:MAX_TEXT],
        split=split[:MAX_TEXT],
        metric=ours,
        value=number,
        source=source,
        line=line,
        written=f"{metric[:MAX_TEXT]} = {str(value)[:MAX_TEXT]}",
        notes=notes,
        places=tuple(dict.fromkeys(place[:MAX_TEXT] for place in places if place)),
        obstacle=obstacle,
    )


def _only_split(around: str) -> bool:
    """Whether words name a part of some data (`test set`) and no data."""
    return not dataset_key(f"x {around}")[0].removeprefix("x")


def number_in(value: Any) -> tuple[float, bool] | None:
    """The number that is written, and whether a percent sign stands behind it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return (float(value), False) if abs(value) < 1e300 else None  # noqa: PLR2004 - and NaN fails here
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value[:MAX_TEXT].strip())):
        digits, percent, behind = match.groups()
        number = _decimal(digits)
        return None if number is None else (number, bool(percent) or (behind or "").rstrip("*_` ").endswith("%"))
    return None


def _decimal(digits: str) -> float | None:
    """`0.913`, `0,913`, `91,3`, `1,234.5`: a comma before three digits parts thousands, unless 0 is before it."""
    whole, comma, rest = digits.partition(",")
    if comma and (whole.lstrip("+-") == "0" or not re.match(r"\d{3}(?!\d)", rest)):
        digits = f"{whole}.{rest}"
    try:
        return float(digits.replace(",", ""))
    except ValueError:
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
    if known is None or not (known.fraction or known.signed):
        return number, ()
    if _FEWEST_PERCENT <= number <= 100:  # noqa: PLR2004
        return number / 100, ("above 1: read as per cent",)
    if not (-1 if known.signed else 0) <= number <= 1:
        return None, (f"{number:g} is no {metric}",)
    return number, ()
