"""A scan as SARIF 2.1.0 (OASIS standard), as code-scanning services read it.

Findings are results; what was not read is a notification of the run, so that it is never taken for clean; findings that
an ignore file sets aside are results with a suppression.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from assay import __version__
from assay.core.evidence import Outcome
from assay.core.finding import Finding, Severity
from assay.inspections.report_json import help_link
from assay.inspections.rules import Rule, rules

if TYPE_CHECKING:
    from assay.inspections.report import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {
    Severity.NOTE: "note", Severity.LOW: "note", Severity.MEDIUM: "warning",
    Severity.HIGH: "error", Severity.CRITICAL: "error",
}  # fmt: skip
# GitHub's bands: above 9 critical, 7 high, 4 medium, above 0 low
_SCORES = {
    Severity.NOTE: "0.0",
    Severity.LOW: "3.0",
    Severity.MEDIUM: "5.0",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}


def to_sarif(report: Report) -> dict[str, Any]:
    """The log: one run."""
    worst: dict[str, Severity] = {}
    made = [(finding, "", "") for finding in report.findings]
    made += [(item.finding, item.reason, item.until) for item in report.ignored]
    for finding, _, _ in made:
        worst[finding.rule] = max(finding.severity, worst.get(finding.rule, Severity.NOTE))
    index = {rule: number for number, rule in enumerate(sorted(worst))}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "assay",
                        "version": __version__,
                        "rules": [_rule(rule, worst[rule]) for rule in sorted(worst)],
                    }
                },
                "artifacts": [
                    {"location": {"uri": uri(t.path)}, "length": t.size, "hashes": {"sha-256": t.sha256}}
                    for t in report.targets
                    if t.sha256
                ],
                "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notifications(report)}],
                "results": [_result(finding, index, reason, until) for finding, reason, until in made],
            }
        ],
    }


def uri(path: str) -> str:
    """A path as a relative reference; an absolute one as a `file:` URI (a reference may not begin with a slash)."""
    text = quote(path, safe="/!$&'()*+,;=@~-._")
    return f"file://{text}" if text.startswith("/") else text or "."


def _rule(rule_id: str, worst: Severity) -> dict[str, Any]:
    rule: Rule | None = rules().get(rule_id)
    title = rule.title if rule else rule_id
    shown: dict[str, Any] = {
        "id": rule_id,
        "shortDescription": {"text": title},
        "defaultConfiguration": {"level": _LEVELS[worst]},
        "properties": {"security-severity": _SCORES[worst], "tags": ["security"], "page": help_link(rule_id)},
    }
    if rule:
        shown["fullDescription"] = {"text": f"{rule.reports} {rule.why}"}
        shown["help"] = {"text": f"{rule.why}\n\nWhat would make it acceptable: {rule.acceptable}"}
    return shown


def _result(finding: Finding, index: dict[str, int], reason: str, until: str) -> dict[str, Any]:
    where = finding.where
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri(where.file)}}
    if where.inner:
        pass  # a line or an offset of a member is none of the file that the location names: see the properties
    elif where.line is not None:
        physical["region"] = {"startLine": max(1, where.line)}
    elif where.offset is not None:
        physical["region"] = {"byteOffset": where.offset, "byteLength": 0}
    location: dict[str, Any] = {"physicalLocation": physical}
    if where.inner:
        name = "!/".join((where.file, *where.inner))
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "member"}]
    call = finding.facts.get("call")
    text = f"{finding.message} [{call}]" if call and str(call) not in finding.message else finding.message
    result = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"assay/v1": _fingerprint(finding)},
        "properties": {
            "severity": finding.severity.label,
            "confidence": finding.confidence.label,
            "offset": where.offset,
            "line": where.line,
            "facts": finding.facts,
        },
    }
    if reason:
        result["suppressions"] = [{"kind": "external", "justification": f"{reason} (until {until})"}]
    return result


def _fingerprint(finding: Finding) -> str:
    """Stays the same while rule, place and call do; offsets may move."""
    parts = (finding.rule, finding.where.file, *finding.where.inner, str(finding.facts.get("call", finding.message)))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _notifications(report: Report) -> list[dict[str, Any]]:
    found = [
        {
            "level": "error" if target.outcome is Outcome.ERROR else "warning",
            "message": {"text": f"not read: {unread.path}: {unread.reason}"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(target.path)}}}],
        }
        for target in report.targets
        for unread in target.unread
    ]
    found += [
        {"level": "warning", "message": {"text": f"not read: {unread.reason}"}}
        for whole in report.snapshots
        for unread in whole.unread
    ]
    if not report.targets:
        found.append({"level": "warning", "message": {"text": "nothing was scanned: there is no file here"}})
    return found + [{"level": "note", "message": {"text": remark}} for remark in report.remarks]
