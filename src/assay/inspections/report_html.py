"""A scan as one HTML file: no script, no outside resource, light and dark. All text from the model is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from assay import __version__
from assay.core.escape import printable
from assay.core.evidence import Outcome
from assay.core.finding import Severity
from assay.core.page import page_head
from assay.inspections.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assay.core.finding import Finding
    from assay.inspections.report import Ignored, Report, Scanned, Target

_OUTCOMES = {
    Outcome.CLEAN: "read, nothing found",
    Outcome.FOUND: "findings",
    Outcome.NOT_APPLICABLE: "nothing in it runs",
    Outcome.INCONCLUSIVE: "not read to the end",
    Outcome.ERROR: "error",
}
_MAX_QUIET_ROWS = 5000  # files without findings that are listed one by one


def to_html(report: Report) -> Iterator[str]:
    """The document in pieces."""
    yield page_head(f"assay scan: {_headline(report)}")
    yield from _header(report)
    for whole in report.snapshots:
        if whole.findings or whole.unread or whole.ignored:
            yield from _snapshot(whole)
    speaking = [t for t in report.targets if t.findings or t.unread or t.ignored]
    speaking.sort(key=lambda t: (-_worst(t.findings), t.outcome is not Outcome.ERROR, t.path))
    for target in speaking:
        yield from _target(target)
    yield from _quiet([t for t in report.targets if not (t.findings or t.unread or t.ignored)])
    yield f"<footer>assay {_text(__version__)} · {report.seconds:.2f} s</footer>\n</main>\n</body>\n</html>\n"


def _text(value: str, limit: int = 2000) -> str:
    """Escaped for a page: markup, and characters that hide or reorder."""
    return escape(printable(value, limit=limit))


def _headline(report: Report) -> str:
    if not report.targets:
        return "nothing was scanned"
    worst = max((f.severity for f in report.findings), default=None)
    if worst is not None and worst > Severity.NOTE:
        return f"{worst.label} findings"
    return "not everything was read" if report.unread else "no findings, everything read"


def _header(report: Report) -> Iterator[str]:
    worst = max((f.severity for f in report.findings), default=Severity.NOTE)
    mood = worst.label if worst > Severity.NOTE else "unread" if report.unread or not report.targets else "clean"
    headline = _text(_headline(report).capitalize())
    yield f'<header class="{mood}">\n<p class="brand">assay scan</p>\n<h1>{headline}</h1>\n'
    roots = [whole.name or whole.path for whole in report.snapshots if whole.name or whole.path]
    if roots:
        yield f'<p class="roots">{_text(", ".join(roots))}</p>\n'
    yield '<ul class="counts">\n'
    for severity in sorted(Severity, reverse=True):
        if number := sum(f.severity == severity for f in report.findings):
            yield f'<li class="{severity.label}"><b>{number}</b> {severity.label}</li>\n'
    yield f"<li><b>{len(report.targets)}</b> files</li>\n<li><b>{_size(sum(t.size for t in report.targets))}</b></li>\n"
    yield (
        f'<li class="unread"><b>{len(report.unread)}</b> unread</li>\n'
        if report.unread
        else "<li>everything read</li>\n"
    )
    if report.ignored:
        yield f"<li><b>{len(report.ignored)}</b> ignored</li>\n"
    yield "</ul>\n"
    for remark in report.remarks:
        yield f'<p class="remark">{_text(remark)}</p>\n'
    yield "</header>\n"


def _snapshot(whole: Scanned) -> Iterator[str]:
    title = whole.name or whole.path or "the files given"
    yield f'<section>\n<h2>{_text(title)} <span class="format">as a whole</span></h2>\n'
    yield from _findings(whole.findings)
    yield from _unread(unread.reason for unread in whole.unread)
    yield from _ignored(whole.ignored)
    yield "</section>\n"


def _target(target: Target) -> Iterator[str]:
    yield (
        f'<section>\n<h2>{_text(target.path)} <span class="format">{_text(target.format)}</span></h2>\n'
        f'<p class="meta">{_size(target.size)}'
    )
    if target.sha256:
        yield f' · <code title="SHA-256">{target.sha256}</code>'
    yield "</p>\n"
    yield from _findings(target.findings)
    inner = ((u.path.removeprefix(target.path).removeprefix("!/"), u.reason) for u in target.unread)
    yield from _unread(f"{path}: {reason}" if path else reason for path, reason in inner)
    yield from _ignored(target.ignored)
    yield "</section>\n"


def _findings(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        where = finding.where
        place = " / ".join(where.inner)
        if where.offset is not None:
            place += f" at byte {where.offset}"
        elif where.line is not None:
            place += f" line {where.line}"
        call = finding.facts.get("call")
        rule = rules().get(finding.rule)
        yield f'<article class="{finding.severity.label}">\n<p><span class="badge">{finding.severity.label}</span> '
        yield f'<span class="rule">{_text(finding.rule)}</span> <span class="place">{_text(place.strip())}</span></p>\n'
        if call:
            yield f"<pre>{_text(str(call))}</pre>\n"
        yield f"<p>{_text(finding.message)}</p>\n"
        if rule:
            yield (
                f"<details><summary>{_text(rule.title)}: why, and what would make it acceptable</summary>"
                f"<p>{_text(rule.why)}</p><p><b>Acceptable:</b> {_text(rule.acceptable)}</p></details>\n"
            )
        yield "</article>\n"


def _unread(reasons: Iterable[str]) -> Iterator[str]:
    for reason in reasons:
        yield f'<article class="unread"><p><span class="badge">unread</span> {_text(reason)}</p></article>\n'


def _ignored(ignored: Iterable[Ignored]) -> Iterator[str]:
    for item in ignored:
        yield (
            f'<article class="ignored"><p><span class="badge">ignored until {_text(item.until)}</span> '
            f'<span class="rule">{_text(item.finding.rule)}</span> {_text(item.reason)}</p></article>\n'
        )


def _quiet(targets: list[Target]) -> Iterator[str]:
    if not targets:
        return
    yield f'<section class="quiet">\n<details{" open" if len(targets) <= 50 else ""}>'  # noqa: PLR2004
    yield f"<summary>{len(targets)} files without findings</summary>\n<table>\n"
    yield "<thead><tr><th>file</th><th>format</th><th>size</th><th>outcome</th></tr></thead>\n<tbody>\n"
    for target in targets[:_MAX_QUIET_ROWS]:
        yield (
            f"<tr><td>{_text(target.path)}</td><td>{_text(target.format)}</td><td>{_size(target.size)}</td>"
            f"<td>{_OUTCOMES[target.outcome]}</td></tr>\n"
        )
    yield "</tbody>\n</table>\n"
    if len(targets) > _MAX_QUIET_ROWS:
        yield f"<p>… and {len(targets) - _MAX_QUIET_ROWS} more</p>\n"
    yield "</details>\n</section>\n"


def _worst(findings: Iterable[Finding]) -> int:
    return max((int(finding.severity) for finding in findings), default=-1)


def _size(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
