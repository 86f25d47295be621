"""What the behavioural probes stored, as rows and pictures. Each of their facts is checked before it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from assay.server.pages.pictures import raster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markupsafe import Markup

    from assay.core.evidence import Evidence

_MOST_CANDIDATES: Final = 3  # of one probe
_MOST_MASKS: Final = 3
_SIDE: Final = 32  # pixels of a mask
_MOST_LEVEL: Final = 255
_COLOURS: Final = 3
Pixels = list[list[tuple[int, int, int]]]


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One probe: what it says and why, its score against its threshold, and the strongest candidates as text."""

    name: str
    outcome: str
    reason: str
    score: str
    candidates: tuple[str, ...]


def probe_rows(evidence: Iterable[Evidence]) -> list[ProbeRow]:
    """Every probe that looked."""
    return [
        ProbeRow(
            str(one.get("probe", "probe")),
            str(one.get("outcome", "")),
            str(one.get("reason") or ""),
            _score(one),
            tuple(str(each["text"]) for each in _dicts(one.get("candidates"))[:_MOST_CANDIDATES] if each.get("text")),
        )
        for one in _probes(evidence)
    ]


def flip_rates(evidence: Iterable[Evidence]) -> list[tuple[str, float, float, float]]:
    """(probe, rate, low, high) of the strongest candidate of each probe."""
    return [
        (str(one.get("probe", "probe")), *rate)
        for one in _probes(evidence)
        if (rate := _rate(one.get("flip_rate"))) is not None
    ]


def masks(evidence: Iterable[Evidence]) -> list[tuple[str, Markup]]:
    """Name and drawing of image triggers that were reconstructed: where they stand, and what is put there."""
    found = []
    for probe in _probes(evidence):
        facts = probe.get("facts")
        kept = probe.get("pictures") or (facts.get("pictures") if isinstance(facts, dict) else None)
        for one in _dicts(kept)[:_MOST_MASKS]:
            panels = [_pixels(one.get("mask")), _pixels(one.get("pattern"))]
            if all(panels):
                name = str(one.get("name") or probe.get("probe", "trigger"))
                found.append((name, raster(panels, f"mask and pattern: {name}")))
    return found


def _probes(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    return [probe for one in evidence if one.inspector == "behaviour" for probe in _dicts(one.facts.get("probes"))]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _score(probe: dict[str, Any]) -> str:
    """`3.1 of 4.2 (wrong on 1.0 % of clean models)`."""
    score, threshold, error = (_number(probe.get(key)) for key in ("score", "threshold", "false_positive_rate"))
    if score is None:
        return ""
    said = f"{score:.3g}" + (f" of {threshold:.3g}" if threshold is not None else "")
    return said + (f" (wrong on {error:.1%} of clean models)" if error is not None else "")


def _number(value: Any) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    return float(value) if fits else None


def _rate(value: Any) -> tuple[float, float, float] | None:
    """(rate, low, high) out of what a probe stored; None for anything else."""
    if not isinstance(value, dict):
        return None
    interval = value.get("interval")
    numbers = [value.get("value"), *(interval if isinstance(interval, list) else ())]
    fits = [found for one in numbers if (found := _number(one)) is not None and 0 <= found <= 1]
    return (fits[0], fits[1], fits[2]) if len(fits) == len(numbers) == _COLOURS else None


def _pixels(value: Any) -> Pixels:
    """A picture of whole numbers from 0 to 255, grey or in three colours; else nothing."""
    rows: Pixels = []
    for row in value[:_SIDE] if isinstance(value, list) else []:
        if not isinstance(row, list):
            return []
        cells = [[one] * _COLOURS if type(one) is int else one for one in row[:_SIDE]]
        if not all(isinstance(one, list) and len(one) == _COLOURS and all(map(_level, one)) for one in cells):
            return []
        rows.append([(one[0], one[1], one[2]) for one in cells])
    return rows if rows and rows[0] and len({len(row) for row in rows}) == 1 else []


def _level(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST_LEVEL
