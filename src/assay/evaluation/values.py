"""Figures as people write them, as numbers. Pure.

Rules, in this order:
1. Marks of typesetting (emphasis, LaTeX, footnotes, arrows, emoji) are taken away; a spread or an interval behind the
   figure (`91.2 ± 0.3`, `0.91 [0.90, 0.92]`) and words such as `~`, `>` or `about` before it are dropped.
2. A figure with a percent sign is divided by 100 (`99.9 %` is 0.999). Not so a figure up to 1 of a metric that is
   better when higher: `0.999 %`, or 0.999 under a header with a percent sign, says 0.999 to whoever reads it.
3. A metric that lies in [0, 1] (or [-1, 1]) with a value from 2 to 100 is a percentage (`99.9` is 0.999).
4. Exactly 1 is 1.0: a perfect score, never one per cent. Between 1 and 2 it is neither: no value.
5. `912/1000` is a share, `91.2/100` a percentage.
6. Below 0 or above 100, NaN, infinite, or no number at all: no value; the claim can't be verified.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from assay.evaluation.metrics import METRICS

MAX_TEXT = 200  # characters of a cell that are looked at
_FEWEST_PERCENT = 2.0  # 1.02 is a slip, not one per cent
_HUGE = 1e300
_MARKUP = re.compile(
    r"<(sup|sub)>[^<]{0,40}</\1>|</?[a-z][^<>]{0,200}>|\[\^?[\w*†]{1,3}\](?!\()|\\(?!pm\b)[a-z]*|[${}*`†‡§¶↑↓▲▼→]",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[\s_~≈\u223c<>≥≤=:+]*(?:(?:about|approx\.?|approximately|around|roughly|nearly|ca\.?|up to|over|above)\s+)?"
    r"([+-]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:e[+-]?\d+)?)[\s_]*(%|percent\b|per cent\b|pct\b)?[\s_]*"
    r"(?:points?\b|pts\b\.?)?[\s_]*((?:±|\+/-|\+-|\\pm|pm\b|\(|\[|_).*)?[\s_]*",
    re.IGNORECASE,
)
_SQUARE = re.compile(r"(?<=\bR)\s?\u00b2", re.IGNORECASE)
_CHANGED = re.compile(r"^\s*[\d.,]+\s*%?\s*(?:→|->|=>|➔|⟶)\s*(?=\d)")  # 91.0 → 97.2
_SHARE = re.compile(r"\s*(\d{1,9}(?:\.\d+)?)\s*/\s*(\d{1,9})\s*")
_FEWEST_OF = 10  # 3/4 is a date, a version or a pair of figures


@dataclass(frozen=True, slots=True)
class Figure:
    """What is written.

    Attributes:
        number: as it stands, before any percent sign counts.
        percent: whether a percent sign stands behind it.
        step: unit of its last digit; 0 when it is exact.
    """

    number: float
    percent: bool
    step: float


def bare_text(text: str) -> str:
    """Without marks of typesetting: signs in one form, no emphasis, footnotes, emoji."""
    kept = "".join(
        c for c in _SQUARE.sub("2", text[:MAX_TEXT]) if unicodedata.category(c) not in {"No", "So", "Cf", "Mn"}
    )
    plain = unicodedata.normalize("NFKC", kept)
    plain = re.sub(r"[\u2010-\u2015\u2212]", "-", plain)
    return re.sub(r"\s+", " ", _MARKUP.sub(" ", plain)).strip()


def figure_in(value: Any) -> Figure | None:
    """The figure that a value or a cell holds, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Figure(float(value), False, _step(repr(value))) if abs(value) < _HUGE else None  # NaN fails here
    if not isinstance(value, str):
        return None
    text = bare_text(_CHANGED.sub("", value[:MAX_TEXT]))
    return _share(match) if (match := _SHARE.fullmatch(text)) else _figure(_NUMBER.fullmatch(text))


def _share(match: re.Match[str]) -> Figure | None:
    """`912/1000`, `91.2/100`."""
    part, whole = float(match[1]), float(match[2])
    if whole == 100:  # noqa: PLR2004
        return Figure(part, True, _step(match[1]))
    return Figure(part / whole, False, 0.0) if part <= whole and whole >= _FEWEST_OF else None


def _figure(match: re.Match[str] | None) -> Figure | None:
    number = _decimal(match[1]) if match else None
    if match is None or number is None or not math.isfinite(number):
        return None
    percent = bool(match[2]) or (match[3] or "").rstrip("_ ").endswith("%")
    return Figure(number, percent, _step(match[1].replace(",", ".")))


def _step(digits: str) -> float:
    """`0.91`: 0.01; `9.1e-1`: 0.01; `91`: 1."""
    mantissa, _, exponent = digits.lower().partition("e")
    places = len(mantissa.rpartition(".")[2]) if "." in mantissa else 0
    try:
        return float(10.0 ** (int(exponent or 0) - places))
    except (ValueError, OverflowError):
        return 0.0


def _decimal(digits: str) -> float | None:
    """`0.913`, `0,913`, `91,3`, `1,234.5`: a comma before three digits parts thousands, unless 0 is before it."""
    whole, comma, rest = digits.partition(",")
    if comma and (whole.lstrip("+-") == "0" or not re.match(r"\d{3}(?!\d)", rest)):
        digits = f"{whole}.{rest}"
    try:
        return float(digits.replace(",", ""))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Normal:
    """A figure in the unit of its metric.

    Attributes:
        value: None when it is no such number.
        slack: half a unit of its last digit: what rounding may have added or taken away.
        notes: what was read into it.
    """

    value: float | None
    slack: float = 0.0
    notes: tuple[str, ...] = ()


def normal(metric: str, value: Any) -> Normal:
    """Value of a claim by the rules of this module."""
    found = figure_in(value)
    known = METRICS.get(metric)
    if found is None:
        return Normal(None, notes=("not a number",))
    number, half = found.number, found.step / 2
    if known is None or not (known.fraction or known.signed):
        return _unbounded(metric, found)
    lowest = -1 if known.signed else 0
    if found.percent and known.fraction and known.higher_is_better and 0 < number <= 1:
        return Normal(number, half, ("a percent sign behind a fraction: read as the fraction",))
    if found.percent or _FEWEST_PERCENT <= number <= 100:  # noqa: PLR2004
        told = _DIVIDED if found.percent else "above 1: read as per cent"
        made = Normal(number / 100, half / 100, (told,))
    else:
        made = Normal(number, half)
    if made.value is None or not lowest <= made.value <= 1:
        return Normal(None, notes=(f"{number:g}{' %' if found.percent else ''} is no {metric}",))
    return made


def _unbounded(metric: str, found: Figure) -> Normal:
    """A figure of a metric that is no share. An error in per cent is of what it is not said; R² is at most 1."""
    known = METRICS.get(metric)
    if found.percent and known is not None and not known.higher_is_better:
        return Normal(None, notes=("a percentage of what it is not said",))
    if found.percent:
        return Normal(found.number / 100, found.step / 200, (_DIVIDED,))
    if metric == "r2" and _FEWEST_PERCENT <= found.number <= 100:  # noqa: PLR2004
        return Normal(found.number / 100, found.step / 200, ("above 1: read as per cent",))
    return Normal(found.number, found.step / 2)


_DIVIDED = "percent sign: divided by 100"
