"""Statements about what was measured: evaluations, behaviour, bills of materials. They follow the scan in the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.core.digest import Digest
from assay.core.errors import TrustError, UsageError
from assay.core.evidence import Outcome
from assay.core.statement import Statement
from assay.core.verdict import format_time
from assay.provenance.bill import CYCLONEDX_TYPE, SPDX_TYPE, link_cyclonedx, link_spdx
from assay.provenance.statements import BEHAVIOUR_TYPE, TEST_RESULT_TYPE, subjects_of

if TYPE_CHECKING:
    from datetime import datetime

    from assay.core.evidence import Evidence
    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope

# test-result v0.1: what could not be told is WARNED, so that nobody reads it as passed.
_RESULTS = {Outcome.CLEAN: "PASSED", Outcome.FOUND: "FAILED"}
_TESTS = {"holds": "passedTests", "refuted": "failedTests"}


def evaluated(
    snapshot: Snapshot, evidence: Evidence, *, previous: Envelope, at: datetime, environment: Digest | None = None
) -> Statement:
    """The re-run evaluation as an in-toto test result v0.1.

    Args:
        snapshot: what was evaluated.
        evidence: of the inspector `evaluation`, about this snapshot.
        previous: the envelope before it.
        at: when it ended.
        environment: digest of the bill of materials of what it ran in, when there is one.

    Raises:
        TrustError: for evidence about another snapshot.
    """
    _same(snapshot, evidence)
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    metrics = evidence.facts.get("metrics", [])
    for one in metrics:
        tests[_TESTS.get(str(one.get("verdict")), "warnedTests")].append(
            f"{one.get('suite') or one.get('dataset') or 'claim'}/{one.get('metric')}"
        )
    predicate: dict[str, Any] = {
        "result": _RESULTS.get(evidence.outcome, "WARNED"),
        "configuration": [{"name": name, "digest": {"sha256": value}} for name, value in _suites(evidence)],
        **tests,
        "assay_metrics": metrics,
        "assay_evidence": _named(evidence),
        "assay_evaluatedAt": format_time(at),
        "assay_previous": str(previous.digest),
    }
    if environment is not None:
        predicate["assay_environment"] = {"mediaType": "application/vnd.cyclonedx+json", "digest": _digest(environment)}
    return Statement(subjects_of(snapshot), TEST_RESULT_TYPE, predicate)


def environment_of(statement: Statement) -> Digest | None:
    """Digest of the bill of materials of what an evaluation ran in, as its statement names it; None for none."""
    named = statement.predicate.get("assay_environment")
    try:
        return None if named is None else Digest(named["digest"]["sha256"])
    except (TypeError, KeyError, UsageError):
        return None


def behaviour(snapshot: Snapshot, evidence: Evidence, *, previous: Envelope, at: datetime) -> Statement:
    """What the behavioural probes measured: the report by digest, and how each probe ended.

    Raises:
        TrustError: for evidence about another snapshot.
    """
    _same(snapshot, evidence)
    predicate = {
        "tool": {"name": "assay", "version": __version__},
        "evidence": _named(evidence),
        "findings": sorted({finding.rule for finding in evidence.findings}),
        "unread": [one.to_json() for one in evidence.unread],
        "report": evidence.facts,
        "probedAt": format_time(at),
        "previous": str(previous.digest),
    }
    return Statement(subjects_of(snapshot), BEHAVIOUR_TYPE, predicate)


def cyclonedx(snapshot: Snapshot, document: dict[str, Any], *, previous: Envelope, at: datetime) -> Statement:
    """A CycloneDX bill of materials. The document is the predicate; its place in the chain stands in its metadata.

    Raises:
        TrustError: when it is no CycloneDX document.
    """
    return Statement(subjects_of(snapshot), CYCLONEDX_TYPE, link_cyclonedx(document, previous.digest, format_time(at)))


def spdx(snapshot: Snapshot, document: dict[str, Any], *, previous: Envelope, at: datetime) -> Statement:
    """An SPDX 3.0.1 bill of materials. The document is the predicate; its place in the chain is an annotation of it.

    Raises:
        TrustError: when it is no SPDX 3 document.
    """
    return Statement(subjects_of(snapshot), SPDX_TYPE, link_spdx(document, previous.digest, format_time(at)))


def _same(snapshot: Snapshot, evidence: Evidence) -> None:
    if evidence.subject != snapshot.id:
        raise TrustError("evidence about another snapshot can't be stated about this one")


def _named(evidence: Evidence) -> dict[str, Any]:
    return {
        "inspector": evidence.inspector,
        "version": evidence.version,
        "outcome": evidence.outcome.value,
        "digest": _digest(evidence.digest),
    }


def _digest(value: Digest) -> dict[str, str]:
    return {"sha256": value.hex}


def _suites(evidence: Evidence) -> list[tuple[str, str]]:
    """Name and digest of every suite: run (a table) or only agreed on (its digest)."""
    found = []
    for one in evidence.settings.get("suites", []):
        name, value = (str(one.get("name")), str(one.get("digest"))) if isinstance(one, dict) else ("suite", str(one))
        found.append((name, value.removeprefix("sha256:")))
    return found
