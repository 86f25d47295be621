"""An evaluation for people: the claim beside the measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.evaluation.compare import Comparison
    from assay.evaluation.evaluate import Evaluation

_HEAD = ("claim stands in", "data set", "metric", "claimed", "measured", "95 % interval", "n", "verdict")
_WIDEST = 44


def render(result: Evaluation, *, quiet: bool) -> Iterator[str]:
    """Lines of the report, each with its newline."""
    rows = [_row(line) for line in result.comparisons]
    if rows:
        widths = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]
        for row in (_HEAD, *rows):
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
        yield "\n"
    if not quiet:
        yield from _told(result)
    for name, why in result.failed:
        yield f"not measured: {printable(name)}: {printable(why)}\n"
    for unread in result.evidence.unread:
        if unread.path:
            yield f"unread: {printable(unread.path)}: {printable(unread.reason)}\n"
    yield f"{_SUMMARY[result.outcome]}\n"


def _told(result: Evaluation) -> Iterator[str]:
    """What was read into each claim, who signed the suites, what else came with the model."""
    for line in result.comparisons:
        what = line.claim.written if line.claim else line.runs.measured.metric if line.runs else ""
        told = "; ".join((line.reason, *line.notes))
        yield f"{line.word.value}: {printable(what, limit=120)}: {printable(told, limit=300)}\n"
    for finding in result.evidence.findings:
        if finding.rule.startswith("evaluation-script"):
            told = printable(finding.message, limit=500)
            yield f"{finding.severity.label}: {printable(finding.where.file)}: {told}\n"
    names = {str(suite["digest"]): suite["name"] for suite in result.evidence.settings["suites"]}
    for digest, signed in result.evidence.facts.get("signatures", {}).items():
        who = f"signed by key {signed['key'][:12]} ({signed['role']})" if "key" in signed else signed["reason"]
        yield f"suite {printable(names[digest], limit=80)}: {printable(who, limit=200)}\n"
    if attempts := result.evidence.facts["attempts"]:
        yield f"note: the sandbox refused {len(attempts)} attempts; see --format json\n"


_SUMMARY = {
    "holds": "every claim holds",
    "refuted": "a claim is refuted",
    "unverifiable": "could not tell: a claim is missing or can't be verified",
}


def _row(line: Comparison) -> tuple[str, ...]:
    claim, runs = line.claim, line.runs
    place = f"{claim.source}:{claim.line}" if claim and claim.line else claim.source if claim else "-"
    low, high = runs.measured.interval if runs else (0.0, 0.0)
    return (
        printable(place, limit=_WIDEST),
        printable((claim.dataset if claim else "") or (runs.suite.dataset if runs else "") or "-", limit=_WIDEST),
        printable(runs.measured.metric if runs else claim.metric or "-" if claim else "-", limit=_WIDEST),
        f"{claim.value:.4g}" if claim and claim.value is not None else "-",
        f"{runs.measured.value:.4g}" if runs else "-",
        f"[{low:.4g}, {high:.4g}]" if runs else "-",
        str(runs.measured.n) if runs else "-",
        line.word.value,
    )
