"""What an admission found, for people and for programs. Everything from the model is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.cli.output import console
from assay.core.escape import printable
from assay.core.evidence import Outcome
from assay.core.finding import Severity
from assay.core.verdict import format_time

if TYPE_CHECKING:
    from rich.console import Console

    from assay.admission.spine import Vetted
    from assay.core.evidence import Evidence
    from assay.core.finding import Finding

SCHEMA = "assay.vet/v1"
_COLOURS = {"ADMIT": "bold green", "HOLD": "bold yellow", "REJECT": "bold red"}
_SEVERITY = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "note": "dim"}
_SHOWN_FINDINGS = 30
_SHOWN_UNREAD = 20
_SHOWN_FACTS = 6
_SHOWN_ERRORS = 3
_WIDE = 300  # characters of one fact


def document(vetted: Vetted) -> dict[str, Any]:
    """The result as `assay vet --format json` prints it."""
    snapshot, verdict = vetted.snapshot, vetted.verdict
    return {
        "schema": SCHEMA,
        "subject": {"id": str(snapshot.id), "origin": snapshot.origin.uri},
        "name": vetted.name,
        "origin": snapshot.origin.to_json(),
        "files": len(snapshot.files),
        "bytes": snapshot.size,
        "decision": verdict.decision.value,
        "reasons": [reason.to_json() for reason in verdict.reasons],
        "evidence": [one.to_json() for one in vetted.evidence],
        "verdict": verdict.to_json() | {"digest": str(verdict.digest)},
        "statements": [{"kind": kind, "digest": str(digest)} for kind, digest in vetted.statements],
        "revision": vetted.revision,
        "main": vetted.main,
    }


def show(vetted: Vetted, *, quiet: bool) -> None:
    """Print the result; only its head when `quiet`."""
    out = console()
    _head(out, vetted)
    if not quiet:
        _reasons(out, vetted)
        _findings(out, vetted.evidence)
        _unread(out, vetted.evidence)
        _inspectors(out, vetted.evidence)
    _end(out, vetted, quiet=quiet)


def _head(out: Console, vetted: Vetted) -> None:
    snapshot, decision = vetted.snapshot, vetted.verdict.decision.value
    out.print(f"{decision:<7}", style=_COLOURS[decision], end=" ")
    out.print(vetted.name, style="bold")
    commit = f" at commit {printable(snapshot.origin.commit)}" if snapshot.origin.commit else ""
    out.print(f"        {printable(snapshot.origin.uri)}{commit}")
    out.print(f"        {snapshot.id}, {_plural(len(snapshot.files), 'file')}, {_bytes(snapshot.size)}")


def _reasons(out: Console, vetted: Vetted) -> None:
    _title(out, "why")
    for reason in vetted.verdict.reasons:
        out.print(f"  {reason.clause:<22}", end=" ")
        out.print(printable(reason.text, limit=1000))


def _findings(out: Console, evidence: tuple[Evidence, ...]) -> None:
    found = sorted((f for one in evidence for f in one.findings), key=lambda f: (-f.severity, -f.confidence))
    told = [finding for finding in found if finding.severity > Severity.NOTE]
    if told:
        _title(out, "findings, worst first")
    for finding in told[:_SHOWN_FINDINGS]:
        _finding(out, finding)
    rest = [f"{len(told) - _SHOWN_FINDINGS} more"] if len(told) > _SHOWN_FINDINGS else []
    notes = len(found) - len(told)
    rest += [_plural(notes, "note")] if notes else []
    if rest:
        if not told:
            _title(out, "findings")
        out.print(f"  and {' and '.join(rest)}: see --format json")
    unsafe = sorted({f.where.file for f in told if f.severity >= Severity.MEDIUM and f.where.file})
    if unsafe:
        _title(out, "files that are not safe")
        for path in unsafe[:_SHOWN_UNREAD]:
            out.print(f"  {printable(path)}")
        if len(unsafe) > _SHOWN_UNREAD:
            out.print(f"  and {len(unsafe) - _SHOWN_UNREAD} more")


def _finding(out: Console, finding: Finding) -> None:
    label = finding.severity.label
    place = "!/".join((finding.where.file, *finding.where.inner)) or "the model as a whole"
    line = f" line {finding.where.line}" if finding.where.line is not None else ""
    offset = f" byte {finding.where.offset}" if finding.where.offset is not None else ""
    out.print(f"  {label:<8}", style=_SEVERITY[label], end=" ")
    out.print(finding.rule, style="bold", end="  ")
    out.print(f"{printable(place)}{line}{offset}")
    out.print(f"           {printable(finding.message)}")
    for key, value in list(finding.facts.items())[:_SHOWN_FACTS]:
        if isinstance(value, list):
            value = ", ".join(map(str, value))  # noqa: PLW2901
        if isinstance(value, str | int | float) and str(value) and str(value) not in finding.message:
            out.print(f"           {printable(key)}: {printable(str(value), limit=_WIDE)}")


def _unread(out: Console, evidence: tuple[Evidence, ...]) -> None:
    unread = sorted({(item.path, item.reason) for one in evidence for item in one.unread})
    if unread:
        _title(out, "not looked at")
    for path, reason in unread[:_SHOWN_UNREAD]:
        out.print(f"  {printable(path) or 'the model as a whole'}: {printable(reason)}")
    if len(unread) > _SHOWN_UNREAD:
        out.print(f"  and {len(unread) - _SHOWN_UNREAD} more: see --format json")


def _inspectors(out: Console, evidence: tuple[Evidence, ...]) -> None:
    _title(out, "who looked")
    for one in evidence:
        style = {Outcome.FOUND: "red", Outcome.ERROR: "red", Outcome.INCONCLUSIVE: "yellow"}.get(one.outcome)
        out.print(f"  {one.inspector:<14}", end=" ")
        out.print(f"{one.outcome.value:<15}", style=style, end=" ")
        count = len([finding for finding in one.findings if finding.severity > Severity.NOTE])
        parts = [f"{_plural(len(one.covered), 'file')} read"] if one.covered else []
        parts += [_plural(count, "finding")] if count else []
        parts += [f"{len(one.unread)} unread"] if one.unread else []
        out.print(", ".join(parts))
        for error in one.facts.get("errors", [])[:_SHOWN_ERRORS]:
            out.print(f"    {printable(str(error), limit=_WIDE)}", style="red")


def _end(out: Console, vetted: Vetted, *, quiet: bool) -> None:
    if vetted.revision is None:
        kept = "the registry answers whoever asks for it with these reasons"
        out.print(f"\nnothing is published; {kept}" if not quiet else "nothing is published")
        return
    main = "main" if vetted.main == vetted.revision else f"main stays at {vetted.main}"
    out.print(f"\npublished as {vetted.name} revision {vetted.revision} ({main})" if not quiet else vetted.revision)
    if quiet:
        return
    signed = ", ".join(kind for kind, _ in vetted.statements)
    out.print(f"signed: {signed}; valid until {format_time(vetted.verdict.expires_at)}")
    out.print("next: `assay serve` (it prints the settings of a client), then")
    out.print(f'  from_pretrained("{vetted.name}", revision="{vetted.revision}")')


def _title(out: Console, text: str) -> None:
    out.print(f"\n{text}", style="bold")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _bytes(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - decimal units, as disks and hubs count
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
