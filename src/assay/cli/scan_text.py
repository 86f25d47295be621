"""A scan for people: files with something to say, the worst first; one line a finding; what was not read is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.escape import printable
from assay.core.evidence import Outcome
from assay.core.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assay.core.finding import Finding
    from assay.inspections.report import Report, Scanned, Target

    _Paint = Callable[[str, str], str]

_COLOURS = {
    Severity.CRITICAL: "1;31", Severity.HIGH: "31", Severity.MEDIUM: "33", Severity.LOW: "36", Severity.NOTE: "2",
}  # fmt: skip
_DIM, _BOLD, _GREEN, _YELLOW, _RED = "2", "1", "32", "33", "31"
_MAX_UNREAD_LINES = 20


def render(report: Report, *, quiet: bool, colour: bool) -> Iterator[str]:
    """Lines of the report, each with its newline."""
    paint = _paint if colour else _plain
    speaking = [t for t in report.targets if t.findings or t.unread]
    speaking.sort(key=lambda t: (-_worst(t.findings), t.outcome is not Outcome.ERROR, t.path))
    for whole in report.snapshots:
        if whole.findings or whole.unread:
            yield from _snapshot(whole, paint)
    for target in speaking:
        yield from _target(target, paint)
    if not quiet or not report.targets:
        yield from _summary(report, paint)


def _snapshot(whole: Scanned, paint: _Paint) -> Iterator[str]:
    title = whole.name or whole.path or "files given"
    yield paint(printable(title), _BOLD) + paint("  (as a whole)", _DIM) + "\n"
    for finding in whole.findings:
        yield _finding(finding, paint)
    for unread in whole.unread:
        yield f"  {paint('unread', _YELLOW)}    {printable(unread.reason)}\n"
    yield "\n"


def _target(target: Target, paint: _Paint) -> Iterator[str]:
    yield paint(printable(target.path), _BOLD) + paint(f"  {target.format}", _DIM) + "\n"
    for finding in target.findings:
        yield _finding(finding, paint)
    for unread in target.unread[:_MAX_UNREAD_LINES]:
        inner = unread.path.removeprefix(target.path).lstrip("!/")
        place = f"{printable(inner)}: " if inner else ""
        yield f"  {paint('unread', _YELLOW)}    {place}{printable(unread.reason)}\n"
    if (more := len(target.unread) - _MAX_UNREAD_LINES) > 0:
        yield f"  {paint('unread', _YELLOW)}    … and {more} more\n"
    yield "\n"


def _finding(finding: Finding, paint: _Paint) -> str:
    where = finding.where
    place = printable("!/".join(where.inner)) if where.inner else ""
    if where.offset is not None:
        place += f" @{where.offset}"
    elif where.line is not None:
        place += f":{where.line}"
    call = finding.facts.get("call")
    shown = f"{printable(str(call), limit=300)}  " if call else ""
    label = paint(f"{finding.severity.label:<9}", _COLOURS[finding.severity])
    place = f"{paint(place.strip(), _DIM)}  " if place else ""
    return f"  {label} {finding.rule}  {place}{shown}{printable(finding.message)}\n"


def _summary(report: Report, paint: _Paint) -> Iterator[str]:
    if not report.targets:
        yield paint("nothing was scanned: there is no file here\n", _YELLOW)
        return
    size = sum(target.size for target in report.targets)
    counts = [
        f"{sum(f.severity == severity for f in report.findings)} {severity.label}"
        for severity in sorted(Severity, reverse=True)
        if any(f.severity == severity for f in report.findings)
    ]
    doubtful = sum(bool(t.unread) or t.outcome is Outcome.ERROR for t in report.targets)
    line = f"{len(report.targets)} files, {_bytes(size)}, {report.seconds:.2f} s: "
    found = paint(", ".join(counts), _RED) if counts else "no findings"
    unread = paint(f"{doubtful} files not read to the end", _YELLOW) if doubtful else "everything read"
    done = not counts and not doubtful
    if report.ignored:
        unread += f", {len(report.ignored)} ignored"
    for remark in report.remarks:
        yield paint(printable(remark), _YELLOW) + "\n"
    yield (paint(f"{line}{found}, {unread}", _GREEN) if done else f"{line}{found}; {unread}") + "\n"


def _bytes(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{size} bytes"


def _worst(findings: tuple[Finding, ...]) -> int:
    return max((int(finding.severity) for finding in findings), default=-1)


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _plain(text: str, code: str) -> str:
    del code
    return text
