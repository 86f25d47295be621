"""What a worker answered, checked before anything is counted: a guest's word is hostile input."""

from __future__ import annotations

import math
from typing import Any

from assay.core.errors import ContentError

_SUM = 0.02  # how far from 1 rounding may take the sum of probabilities


def whole(values: Any, count: int, low: int, high: int) -> tuple[int, ...]:
    """A list of `count` whole numbers, as the worker must have sent it."""
    if not isinstance(values, list) or len(values) != count:
        raise ContentError("the worker answered another number of examples")
    if not all(type(value) is int and low <= value < high for value in values):
        raise ContentError("the worker answered with something that is no class")
    return tuple(values)


def rows_of(run: dict[str, Any], count: int) -> tuple[tuple[float, ...], ...]:
    """Checked probabilities; empty when there are none."""
    rows = run.get("probabilities")
    if rows is None:
        return ()
    if not isinstance(rows, list) or len(rows) != count:
        raise ContentError("the worker answered another number of examples")
    made = tuple(tuple(float(value) for value in row) for row in rows)
    if not all(all(0 <= value <= 1 for value in row) and abs(sum(row) - 1) < _SUM for row in made):
        raise ContentError("the model's probabilities are none")
    return made


def finite(value: Any) -> float:
    """A finite number (ContentError otherwise)."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ContentError(f"a label or an answer is no number: {str(value)[:40]!r}")
    return found
