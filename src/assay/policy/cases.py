"""Tests of a policy, as data: what it must decide about evidence that a case describes."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from assay.core.digest import Digest
from assay.core.errors import AssayError, PolicyError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision
from assay.policy.decide import decide
from assay.policy.model import MAX_POLICY_BYTES, Policy
from assay.policy.people import Opinion, People, Waiver

CASES_SCHEMA = "assay.policy-tests/v1"
EVERY = "*"  # in `missing`: all required inspectors

_KEYS = {"name", "expect", "clauses", "missing", "outcomes", "unread", "uncovered", "findings"} | {
    "approved",
    "rejected",
    "urgent",
    "waived",
}
_FINDING_KEYS = {"inspector", "rule", "severity"}
_FILE = "model.bin"
_SNAPSHOT = Snapshot((FileEntry(_FILE, 1, Digest.of(b"x")),), Origin("file", _FILE, "org/name"))
_AT = datetime(2026, 1, 1, tzinfo=UTC)  # any time: no clause reads it


@dataclass(frozen=True)
class Case:
    """One test.

    Attributes:
        name: what it is about.
        expect: the decision.
        clauses: clauses that must be among the reasons.
        missing: inspectors that did not look.
        outcomes: how inspectors ended, where not clean.
        unread: inspectors that left the file unread.
        uncovered: whether nobody covered the file.
        findings: (inspector, rule, severity).
        approved: persons who approved.
        rejected: persons who rejected.
        urgent: persons who broke the glass.
        waived: (rule, days from its signature to its end); it was signed a day before the decision.
    """

    name: str
    expect: Decision
    clauses: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    outcomes: tuple[tuple[str, Outcome], ...] = ()
    unread: tuple[str, ...] = ()
    uncovered: bool = False
    findings: tuple[tuple[str, str, Severity], ...] = ()
    approved: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    urgent: tuple[str, ...] = ()
    waived: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case went.

    Attributes:
        case: the case.
        decision: what the policy decided; None when it could not.
        problem: what is wrong, empty when it passed.
    """

    case: Case
    decision: Decision | None
    problem: str


def builtin_cases() -> str:
    """The tests of the built-in policy as they stand in the package."""
    return files("assay.policy").joinpath("builtin_tests.toml").read_text("utf-8")


def load_cases(text: str) -> tuple[Case, ...]:
    """Read a file of tests.

    Raises:
        PolicyError: when it is not exactly one of this schema, or holds no case.
    """
    try:
        document = tomllib.loads(text[: MAX_POLICY_BYTES + 1])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"policy tests: not TOML: {error}") from error
    cases = document.get("case")
    if document.get("schema") != CASES_SCHEMA or set(document) != {"schema", "case"} or not isinstance(cases, list):
        raise PolicyError(f"policy tests: must hold schema = {CASES_SCHEMA!r} and [[case]] tables")
    if not cases:
        raise PolicyError("policy tests: there is no case in it", hint="no test is not a passed test")
    return tuple(_case(one) for one in cases)


def run_cases(policy: Policy, cases: tuple[Case, ...]) -> tuple[CaseResult, ...]:
    """Run every case."""
    return tuple(_run(policy, case) for case in cases)


def _case(table: Any) -> Case:
    name = table.get("name") if isinstance(table, dict) else None
    if not isinstance(name, str):
        raise PolicyError("policy tests: a case has no name")
    try:
        if unknown := set(table) - _KEYS:
            raise PolicyError(f"policy tests: {name!r}: unknown key {min(unknown)!r}")
        findings = table.get("findings", [])
        if any(set(one) != _FINDING_KEYS for one in findings):
            raise PolicyError(f"policy tests: {name!r}: a finding has exactly {', '.join(sorted(_FINDING_KEYS))}")
        return Case(
            name=name,
            expect=Decision(table["expect"]),
            clauses=_texts(table.get("clauses", [])),
            missing=_texts(table.get("missing", [])),
            outcomes=tuple((inspector, Outcome(how)) for inspector, how in table.get("outcomes", {}).items()),
            unread=_texts(table.get("unread", [])),
            uncovered=bool(table.get("uncovered", False)),
            findings=tuple((str(f["inspector"]), str(f["rule"]), Severity.parse(f["severity"])) for f in findings),
            approved=_texts(table.get("approved", [])),
            rejected=_texts(table.get("rejected", [])),
            urgent=_texts(table.get("urgent", [])),
            waived=tuple((str(rule), int(days)) for rule, days in table.get("waived", {}).items()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PolicyError(f"policy tests: {name!r}: {error!r}") from error


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise TypeError("must be a list of texts")
    return tuple(value)


def _run(policy: Policy, case: Case) -> CaseResult:
    try:
        verdict = decide(_SNAPSHOT, _evidence(policy, case), policy, _AT, _people(case))
    except AssayError as error:
        return CaseResult(case, None, str(error))
    problem = ""
    if verdict.decision is not case.expect:
        problem = f"expected {case.expect.value}, decided {verdict.decision.value}: {verdict.reasons[0].text}"
    elif absent := set(case.clauses) - {reason.clause for reason in verdict.reasons}:
        problem = f"clause {min(absent)!r} did not speak"
    return CaseResult(case, verdict.decision, problem)


def _people(case: Case) -> People:
    signed = _AT - timedelta(days=1)

    def opinions(names: tuple[str, ...], *, approves: bool, urgent: bool = False) -> tuple[Opinion, ...]:
        digests = {name: Digest.of(f"{name} {approves} {urgent}".encode()) for name in names}
        return tuple(Opinion(name, approves, "as the case says", signed, digests[name], urgent) for name in names)

    waivers = tuple(
        Waiver(
            rule, "", "somebody", "as the case says", signed, signed + timedelta(days=days), Digest.of(rule.encode())
        )
        for rule, days in case.waived
    )
    approving = opinions(case.approved, approves=True) + opinions(case.urgent, approves=True, urgent=True)
    return People((*approving, *opinions(case.rejected, approves=False)), waivers)


def _evidence(policy: Policy, case: Case) -> list[Evidence]:
    missing = policy.required if EVERY in case.missing else case.missing
    spoken_of = [*(name for name, _ in case.outcomes), *case.unread, *(name for name, _, _ in case.findings)]
    names = dict.fromkeys(name for name in (*policy.required, *spoken_of) if name not in missing)
    return [_one(name, case) for name in names]


def _one(inspector: str, case: Case) -> Evidence:
    findings = tuple(
        Finding(rule, severity, Confidence.HIGH, "as the case says", Where(_FILE))
        for name, rule, severity in case.findings
        if name == inspector
    )
    unread = (Unread(_FILE, "as the case says"),) if inspector in case.unread else ()
    usual = Outcome.FOUND if findings else Outcome.INCONCLUSIVE if unread else Outcome.CLEAN
    covered = () if case.uncovered or unread else (_FILE,)
    outcome = dict(case.outcomes).get(inspector, usual)
    return Evidence(_SNAPSHOT.id, inspector, "1", {}, outcome, covered, unread, findings)
