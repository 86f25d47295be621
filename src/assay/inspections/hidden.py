"""What hidden characters mean, in code and in prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.inspections.parts import Collector
    from assay.sourcecode.hidden import Hidden

_HIDDEN = {
    "bidi": (Severity.HIGH, "make the text read otherwise than it runs (CVE-2021-42574)"),
    "tag": (Severity.HIGH, "spell text that only a machine reads"),
    "selector-run": (Severity.HIGH, "carry data that only a machine reads"),
    "zero-width": (Severity.LOW, "are not visible"),
    "control": (Severity.MEDIUM, "steer a terminal"),
    "private": (Severity.NOTE, "have no meaning of their own"),
}


def judge_hidden(hidden: Iterable[Hidden], out: Collector, *, code: bool) -> None:
    """Report hidden characters; in prose (`code` false) a few of the milder kinds are ordinary."""
    for item in hidden:
        severity, why = _HIDDEN[item.kind]
        if not code and item.kind == "bidi":
            severity = Severity.LOW  # right-to-left prose uses them
        decoded = f", spelling {item.decoded!r}" if item.decoded else ""
        message = f"hidden characters ({item.kind}, {item.count} of them) that {why}{decoded}"
        line = item.lines[0] if item.lines else None
        out.finding(
            "hidden-characters", severity, Confidence.HIGH, message,
            line=line, kind=item.kind, count=item.count, decoded=item.decoded,
        )  # fmt: skip
