from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.digest import Digest
from assay.core.errors import PolicyError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision
from assay.policy.decide import decide
from assay.policy.model import Action, Policy

NOW = datetime(2026, 3, 1, 12, 30, 15, 999, tzinfo=UTC)
PATHS = ("config.json", "model.safetensors")
SNAPSHOT = Snapshot.of([FileEntry(p, 3, Digest.of(p.encode())) for p in PATHS], Origin("directory", "/x", "org/name"))
REQUIRED = ("format", "pickle", "name")
POLICY = Policy("test", "1", 90, REQUIRED)
ORDER = {Decision.ADMIT: 0, Decision.HOLD: 1, Decision.REJECT: 2}


def finding(severity=Severity.HIGH, rule="some-rule", file="model.safetensors", message="It is bad."):
    return Finding(rule, severity, Confidence.HIGH, message, Where(file))


def evidence(inspector, outcome=Outcome.CLEAN, **fields):
    covered = PATHS if inspector == "format" else ()
    return Evidence(SNAPSHOT.id, inspector, "1", {}, outcome, **({"covered": covered} | fields))


def clean():
    return [evidence(name) for name in REQUIRED]


def having(**changes):
    return [changes.get(one.inspector, one) for one in clean() if changes.get(one.inspector, one) is not None]


def clauses(verdict):
    return [reason.clause for reason in verdict.reasons]


def test_complete_clean_evidence_is_admitted_and_dated():
    verdict = decide(SNAPSHOT, clean(), POLICY, NOW)
    assert verdict.decision is Decision.ADMIT
    assert clauses(verdict) == ["admit"]
    assert verdict.decided_at == NOW.replace(microsecond=0)
    assert verdict.expires_at == verdict.decided_at + timedelta(days=90)
    assert verdict.policy == POLICY.digest
    assert verdict.evidence == tuple(sorted(one.digest for one in clean()))
    assert verdict.live(NOW)
    assert not verdict.live(NOW + timedelta(days=90))


@pytest.mark.parametrize(
    ("given_evidence", "decision", "clause"),
    [
        ([], Decision.HOLD, "required.missing"),
        (having(pickle=None), Decision.HOLD, "required.missing"),
        (having(pickle=evidence("pickle", Outcome.ERROR)), Decision.HOLD, "required.error"),
        (having(pickle=evidence("pickle", Outcome.INCONCLUSIVE)), Decision.HOLD, "required.inconclusive"),
        ([*clean(), evidence("extra", Outcome.ERROR)], Decision.HOLD, "inspector.error"),
        (
            having(pickle=evidence("pickle", Outcome.INCONCLUSIVE, unread=(Unread("a.bin", "too deep"),))),
            Decision.HOLD,
            "unread",
        ),
        (
            having(pickle=evidence("pickle", Outcome.NOT_APPLICABLE, unread=(Unread("a.bin", "?"),))),
            Decision.HOLD,
            "unread",
        ),
        (having(format=evidence("format", covered=("config.json",))), Decision.HOLD, "coverage"),
        ([evidence(name, Outcome.NOT_APPLICABLE, covered=()) for name in REQUIRED], Decision.HOLD, "coverage"),
        (having(name=evidence("name", Outcome.FOUND, findings=(finding(Severity.MEDIUM),))), Decision.HOLD, "hold"),
        (having(name=evidence("name", Outcome.FOUND, findings=(finding(Severity.HIGH),))), Decision.REJECT, "reject"),
        (
            having(name=evidence("name", Outcome.FOUND, findings=(finding(Severity.CRITICAL),))),
            Decision.REJECT,
            "reject",
        ),
        (
            [*clean(), evidence("extra", Outcome.FOUND, findings=(finding(),))],
            Decision.REJECT,
            "reject.severity",
        ),
        (having(name=evidence("name", Outcome.FOUND, findings=(finding(Severity.LOW),))), Decision.ADMIT, "admit"),
        (having(name=evidence("name", Outcome.NOT_APPLICABLE)), Decision.ADMIT, "admit"),
        # What was found before the inspector broke off still counts.
        (having(name=evidence("name", Outcome.ERROR, findings=(finding(),))), Decision.REJECT, "reject.severity"),
    ],
)
def test_decision_and_clause(given_evidence, decision, clause):
    verdict = decide(SNAPSHOT, given_evidence, POLICY, NOW)
    assert verdict.decision is decision
    assert any(spoken.startswith(clause) for spoken in clauses(verdict))


def test_coverage_by_an_inspector_that_is_not_required_does_not_count():
    given_evidence = [*having(format=evidence("format", covered=())), evidence("extra", covered=PATHS)]
    assert clauses(decide(SNAPSHOT, given_evidence, POLICY, NOW)) == ["coverage"]


def test_a_policy_without_required_inspectors_admits_nothing():
    verdict = decide(SNAPSHOT, clean(), replace(POLICY, required=()), NOW)
    assert verdict.decision is Decision.HOLD
    assert "required.none" in clauses(verdict)


@pytest.mark.parametrize(
    ("action", "severity", "decision"),
    [
        (Action.ACCEPT, Severity.CRITICAL, Decision.ADMIT),
        (Action.HOLD, Severity.CRITICAL, Decision.HOLD),
        (Action.HOLD, Severity.NOTE, Decision.HOLD),
        (Action.REJECT, Severity.NOTE, Decision.REJECT),
    ],
)
def test_a_rule_of_the_policy_outweighs_the_severity(action, severity, decision):
    policy = replace(POLICY, rules={"some-rule": action})
    found = having(name=evidence("name", Outcome.FOUND, findings=(finding(severity),)))
    assert decide(SNAPSHOT, found, policy, NOW).decision is decision


def test_unread_can_be_a_reject():
    left = having(pickle=evidence("pickle", Outcome.INCONCLUSIVE, unread=(Unread("a.bin", "?"),)))
    assert decide(SNAPSHOT, left, replace(POLICY, unread=Action.REJECT), NOW).decision is Decision.REJECT


def test_evidence_about_another_snapshot_is_refused():
    foreign = replace(evidence("pickle"), subject=Digest.of(b"other"))
    with pytest.raises(PolicyError, match="is about"):
        decide(SNAPSHOT, having(pickle=foreign), POLICY, NOW)


def test_a_stale_duplicate_is_refused_and_a_repetition_is_not():
    with pytest.raises(PolicyError, match="stale"):
        decide(SNAPSHOT, [*clean(), replace(evidence("pickle"), version="0")], POLICY, NOW)
    once = decide(SNAPSHOT, clean(), POLICY, NOW)
    assert decide(SNAPSHOT, clean() + clean(), POLICY, NOW) == once


def test_reasons_are_grouped_rejects_first_and_escaped():
    findings = tuple(finding(file=f"f\x1b{i}", message="bad \u202e") for i in range(1000))
    mixed = having(
        format=None,
        name=evidence("name", Outcome.FOUND, findings=(finding(Severity.MEDIUM, "softer"), *findings)),
    )
    verdict = decide(SNAPSHOT, mixed, POLICY, NOW)
    assert clauses(verdict) == ["reject.severity", "required.missing", "hold.severity", "coverage"]
    assert "and 999 more" in verdict.reasons[0].text
    assert verdict.reasons[0].text.isprintable()


severities = st.sampled_from(Severity)
some_finding = st.builds(finding, severities, st.sampled_from(["rule-a", "rule-b"]), st.sampled_from(PATHS))
some_unread = st.builds(Unread, st.sampled_from(PATHS), st.just("too deep"))


@st.composite
def some_evidence(draw, inspector):
    findings = tuple(draw(st.lists(some_finding, max_size=3)))
    unread = tuple(draw(st.lists(some_unread, max_size=2)))
    covered = draw(st.sampled_from([(), PATHS[:1], PATHS]))
    allowed = [Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.NOT_APPLICABLE]
    if findings:
        allowed.append(Outcome.FOUND)
    if not unread and not any(one.severity for one in findings):
        allowed += [Outcome.CLEAN] * 6
    outcome = draw(st.sampled_from(allowed))
    return Evidence(SNAPSHOT.id, inspector, "1", {}, outcome, covered, unread, findings)


@st.composite
def some_body_of_evidence(draw):
    names = draw(st.lists(st.sampled_from([*REQUIRED, "extra"]), unique=True, max_size=4))
    if draw(st.booleans()):
        names = list(REQUIRED)
    return [draw(st.one_of(st.just(evidence(name)), some_evidence(name))) for name in names]


policies = st.builds(
    lambda levels, unread, rules: Policy("p", "1", 30, REQUIRED, unread, max(levels), min(levels), rules),
    st.tuples(severities, severities),
    st.sampled_from([Action.HOLD, Action.REJECT]),
    st.dictionaries(st.sampled_from(["rule-a", "rule-b"]), st.sampled_from(Action), max_size=2),
)


@given(some_body_of_evidence(), policies, st.data())
def test_adding_a_finding_never_softens_the_decision(body, policy, data):
    before = decide(SNAPSHOT, body, policy, NOW).decision
    if not body:
        return
    index = data.draw(st.integers(0, len(body) - 1))
    more = (*body[index].findings, data.draw(some_finding))
    outcome = Outcome.FOUND if body[index].outcome is Outcome.CLEAN else body[index].outcome
    body[index] = replace(body[index], findings=more, outcome=outcome)
    assert ORDER[decide(SNAPSHOT, body, policy, NOW).decision] >= ORDER[before]


@given(some_body_of_evidence(), policies, st.data())
def test_adding_something_unread_or_breaking_an_inspector_never_softens(body, policy, data):
    before = decide(SNAPSHOT, body, policy, NOW).decision
    if not body:
        return
    index = data.draw(st.integers(0, len(body) - 1))
    unread = (*body[index].unread, *data.draw(st.lists(some_unread, max_size=1)))
    body[index] = replace(body[index], unread=unread, outcome=Outcome.ERROR)
    after = decide(SNAPSHOT, body, policy, NOW).decision
    assert ORDER[after] >= ORDER[before]
    assert after is not Decision.ADMIT


@given(some_body_of_evidence(), policies, st.sampled_from(REQUIRED))
def test_without_the_evidence_of_a_required_inspector_nothing_is_admitted(body, policy, name):
    rest = [one for one in body if one.inspector != name]
    assert decide(SNAPSHOT, rest, policy, NOW).decision is not Decision.ADMIT


@given(some_body_of_evidence(), policies)
def test_an_admission_is_never_empty(body, policy):
    verdict = decide(SNAPSHOT, body, policy, NOW)
    if verdict.decision is not Decision.ADMIT:
        return
    by_name = {one.inspector: one for one in body}
    assert set(policy.required) <= set(by_name)
    assert not any(one.unread for one in body)
    assert all(one.outcome not in {Outcome.ERROR, Outcome.INCONCLUSIVE} for one in body)
    assert {path for name in policy.required for path in by_name[name].covered} == set(PATHS)


@given(some_body_of_evidence(), policies, st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_does_not_matter(body, policy, random):
    before = decide(SNAPSHOT, body, policy, NOW)
    random.shuffle(body)
    after = decide(SNAPSHOT, body, policy, NOW)
    assert after.decision is before.decision
    assert after.evidence == before.evidence
    assert set(after.reasons) == set(before.reasons)


@given(some_body_of_evidence(), policies)
def test_a_stricter_policy_never_softens_the_decision(body, policy):
    stricter = replace(policy, hold_at=Severity.NOTE, reject_at=Severity.NOTE, rules={}, unread=Action.REJECT)
    unruled = replace(policy, rules={})
    before = decide(SNAPSHOT, body, unruled, NOW).decision
    assert ORDER[decide(SNAPSHOT, body, stricter, NOW).decision] >= ORDER[before]
