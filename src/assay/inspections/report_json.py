"""A scan as the JSON document of `interface.md` (`assay.scan/v1`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.core.finding import Finding, Severity

if TYPE_CHECKING:
    from assay.inspections.report import Ignored, Report

SCAN_SCHEMA = "assay.scan/v1"


def to_json(report: Report) -> dict[str, Any]:
    """The document; every field present."""
    return {
        "schema": SCAN_SCHEMA,
        "tool": {"name": "assay", "version": __version__},
        "targets": [
            {
                "path": target.path,
                "sha256": target.sha256,
                "size": target.size,
                "format": target.format,
                "outcome": target.outcome.value,
                "findings": [finding_json(finding) for finding in target.findings],
                "unread": [unread.to_json() for unread in target.unread],
                "ignored": [ignored_json(item) for item in target.ignored],
            }
            for target in report.targets
        ],
        "snapshots": [
            {
                "path": whole.path,
                "name": whole.name,
                "id": whole.id,
                "findings": [finding_json(finding) for finding in whole.findings],
                "unread": [unread.to_json() for unread in whole.unread],
                "ignored": [ignored_json(item) for item in whole.ignored],
                "inspectors": [
                    {"inspector": e.inspector, "version": e.version, "outcome": e.outcome.value} for e in whole.evidence
                ],
            }
            for whole in report.snapshots
        ],
        "summary": summary(report),
        "remarks": report.remarks,
    }


def summary(report: Report) -> dict[str, Any]:
    """Counts of the whole scan."""
    counts: dict[str, int] = {}
    for severity in sorted(Severity, reverse=True):
        if number := sum(finding.severity == severity for finding in report.findings):
            counts[severity.label] = number
    return {
        "files": len(report.targets),
        "bytes": sum(target.size for target in report.targets),
        "seconds": report.seconds,
        "findings": counts,
        "unread": len(report.unread),
        "ignored": len(report.ignored),
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """One finding with the link to its rule's page."""
    return {**finding.to_json(), "help": help_link(finding.rule)}


def ignored_json(item: Ignored) -> dict[str, Any]:
    """A finding that was set aside."""
    return {**finding_json(item.finding), "reason": item.reason, "until": item.until}


def help_link(rule: str) -> str:
    """Page of a rule, relative to the repository."""
    return f"docs/reference/rules/{rule}.md"
