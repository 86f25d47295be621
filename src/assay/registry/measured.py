"""What a model's page may say about its quality: measured figures, each with the claim beside it.

Pure: stored evidence in, rows out. A figure that somebody submitted is shown only beside a measurement of the same
thing, and as a claim; one that nobody measured is counted and not shown, so that no number passes through unchecked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.core.evidence import Evidence

INSPECTOR = "evaluation"
MAX_ROWS = 200  # of one page
_TEXT = 80  # characters of a name
_WORDS = ("holds", "refuted", "unverifiable")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    Attributes:
        metric: our name of it.
        dataset: name of the suite that measured it.
        data: SHA-256 of the data, as `sha256:…`.
        measured: value.
        low: lower end of the 95 % interval.
        high: upper end.
        n: examples.
        claimed: what was claimed about the same thing; None: nothing.
        verdict: `holds`, `refuted`, or empty where nothing was claimed.
        signed: whether a trusted key stands behind the suite.
    """

    metric: str
    dataset: str
    data: str
    measured: float
    low: float
    high: float
    n: int
    claimed: float | None
    verdict: str
    signed: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """All that may be shown.

    Attributes:
        rows: in the order of the evidence.
        unmeasured: claims that nobody measured; their figures are not shown.
    """

    rows: tuple[Row, ...]
    unmeasured: int


def measured_rows(evidence: Iterable[Evidence]) -> Measured:
    """Rows of the newest evaluation among the evidence about one snapshot (the last of them wins)."""
    found = [one for one in evidence if one.inspector == INSPECTOR]
    rows: list[Row] = []
    unmeasured = 0
    for line in _list(found[-1].facts.get("metrics")) if found else []:
        row = _row(line, found[-1].facts)
        if row is not None and len(rows) < MAX_ROWS:
            rows.append(row)
        claim = line.get("claim") if isinstance(line, dict) else None
        if claim and not (isinstance(claim, dict) and claim.get("doubtful")) and (row is None or row.claimed is None):
            unmeasured += 1
    return Measured(tuple(dict.fromkeys(rows)), unmeasured)


def _row(line: Any, facts: dict[str, Any]) -> Row | None:
    if not isinstance(line, dict) or not isinstance(line.get("interval"), list):
        return None
    numbers = [line.get("measured"), *line["interval"]]
    if len(numbers) != 3 or not all(map(_is_number, numbers)) or type(line.get("n")) is not int:  # noqa: PLR2004
        return None
    verdict = line.get("verdict") if line.get("verdict") in _WORDS else ""
    compared = verdict in {"holds", "refuted"} and _is_number(line.get("claimed"))
    return Row(
        metric=printable(str(line.get("metric", "")), limit=_TEXT),
        dataset=printable(str(line.get("suite", "")), limit=_TEXT),
        data=printable(str(line.get("dataset", "")), limit=_TEXT),
        measured=float(numbers[0]),
        low=float(numbers[1]),
        high=float(numbers[2]),
        n=line["n"],
        claimed=float(line["claimed"]) if compared else None,
        verdict=str(verdict) if compared else "",
        signed=_signed(line, facts),
    )


def _signed(line: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Whether the suite of that name was signed when it was run."""
    signatures = facts.get("signatures")
    if not isinstance(signatures, dict):
        return False
    for run in _list(facts.get("runs")):
        suite = run.get("suite") if isinstance(run, dict) else None
        if isinstance(suite, dict) and suite.get("name") == line.get("suite"):
            signature = signatures.get(str(suite.get("digest")))
            return isinstance(signature, dict) and bool(signature.get("key"))
    return False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
