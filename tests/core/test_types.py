"""Core types: ids, round trips, and the refusals that keep empty from being true."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.canonical import canonical_json, json_digest
from assay.core.digest import Digest
from assay.core.errors import ContentError, TrustError, UsageError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.snapshot import FileEntry, Origin, Snapshot, check_path
from assay.core.statement import Envelope, Signature, Statement, StatementSubject
from assay.core.verdict import Decision, Reason, Verdict, format_time, parse_time

ORIGIN = Origin("directory", "file:///models/x", "org/x")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def entry(path: str, data: bytes = b"x") -> FileEntry:
    return FileEntry(path, len(data), Digest.of(data))


def finding(severity: Severity = Severity.HIGH) -> Finding:
    return Finding(
        "pickle-dangerous-call",
        severity,
        Confidence.HIGH,
        "it calls",
        Where("a.bin", ("data.pkl",), 7),
        {"call": "f()"},
    )


def test_digest_refuses_what_is_not_sha256() -> None:
    assert Digest.parse("sha256:" + "0" * 64) == Digest("0" * 64)
    for bad in ("", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "md5:" + "0" * 64, "0" * 64 + "\n"):
        with pytest.raises(UsageError):
            Digest.parse(bad)


def test_snapshot_id_is_the_sha256_of_its_canonical_listing() -> None:
    snapshot = Snapshot.of([entry("b/c.txt", b"2"), entry("a.txt", b"1")], ORIGIN)
    expected = json.dumps(
        {
            "files": [
                {"path": "a.txt", "sha256": hashlib.sha256(b"1").hexdigest(), "size": 1},
                {"path": "b/c.txt", "sha256": hashlib.sha256(b"2").hexdigest(), "size": 1},
            ],
            "schema": "assay.manifest/v1",
        },
        separators=(",", ":"),
        sort_keys=True,
    )
    assert snapshot.id.hex == hashlib.sha256(expected.encode()).hexdigest()
    assert Snapshot.from_manifest(json.loads(snapshot.manifest_bytes()), ORIGIN) == snapshot


def test_snapshot_id_ignores_origin_and_follows_names_sizes_and_bytes() -> None:
    base = Snapshot.of([entry("a"), entry("b")], ORIGIN)
    assert Snapshot.of([entry("b"), entry("a")], Origin("hub", "elsewhere")).id == base.id
    assert Snapshot.of([entry("a"), entry("c")], ORIGIN).id != base.id
    assert Snapshot.of([entry("a"), entry("b", b"y")], ORIGIN).id != base.id


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\0b", "\udc80", "x" * 5000])
def test_paths_that_are_not_plain_and_relative_are_refused(path: str) -> None:
    with pytest.raises(ContentError):
        check_path(path)


@pytest.mark.parametrize("path", ["a", "a/b", "…/ä\nb", "a\\b", "..a", ".git/config", "😀"])
def test_odd_but_plain_paths_are_allowed(path: str) -> None:
    assert check_path(path) == path


def test_snapshot_refuses_nothing_twice_and_file_that_is_a_directory() -> None:
    with pytest.raises(ContentError):
        Snapshot.of([], ORIGIN)
    with pytest.raises(ContentError):
        Snapshot.of([entry("a"), entry("a", b"y")], ORIGIN)
    with pytest.raises(ContentError):
        Snapshot.of([entry("a"), entry("a/b")], ORIGIN)


@pytest.mark.parametrize("broken", [{}, {"schema": "assay.manifest/v1"}, {"schema": "x", "files": []}, [], None])
def test_broken_manifests_are_content_errors(broken: object) -> None:
    with pytest.raises(ContentError):
        Snapshot.from_manifest(broken, ORIGIN)  # type: ignore[arg-type]


def test_evidence_round_trip_and_digest() -> None:
    evidence = Evidence(
        Digest.of(b"s"),
        "pickle",
        "1",
        {"limits": 1},
        Outcome.FOUND,
        ("a.bin",),
        (Unread("z", "why"),),
        (finding(),),
        {"n": 1},
    )
    again = Evidence.from_json(json.loads(canonical_json(evidence.to_json())))
    assert again == evidence
    assert again.digest == json_digest(evidence.to_json())


def test_evidence_cannot_claim_clean_over_something_unread_or_found() -> None:
    for extra in ({"unread": (Unread("a", "b"),)}, {"findings": (finding(Severity.LOW),)}):
        with pytest.raises(UsageError):
            Evidence(Digest.of(b"s"), "i", "1", {}, Outcome.CLEAN, **extra)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Evidence(Digest.of(b"s"), "i", "1", {}, Outcome.FOUND)
    Evidence(Digest.of(b"s"), "i", "1", {}, Outcome.CLEAN, findings=(finding(Severity.NOTE),))


def verdict(decision: Decision = Decision.ADMIT, **changes: object) -> Verdict:
    fields: dict[str, object] = {
        "subject": Digest.of(b"s"),
        "decision": decision,
        "reasons": (Reason("c", "t"),),
        "policy": Digest.of(b"p"),
        "evidence": (Digest.of(b"e"),),
        "decided_at": NOW,
        "expires_at": NOW + timedelta(days=90),
    }
    return Verdict(**(fields | changes))  # type: ignore[arg-type]


def test_verdict_round_trip_and_life() -> None:
    admitted = verdict()
    assert Verdict.from_json(json.loads(json.dumps(admitted.to_json()))) == admitted
    assert admitted.live(NOW)
    assert not admitted.live(NOW - timedelta(seconds=1))
    assert not admitted.live(NOW + timedelta(days=90))
    assert not verdict(Decision.HOLD).live(NOW)


def test_verdict_without_reason_or_admission_without_evidence_is_refused() -> None:
    with pytest.raises(UsageError):
        verdict(reasons=())
    with pytest.raises(UsageError):
        verdict(evidence=())
    assert verdict(Decision.HOLD, evidence=()).decision is Decision.HOLD


def test_times_need_a_zone() -> None:
    assert parse_time(format_time(NOW)) == NOW
    with pytest.raises(UsageError):
        format_time(datetime(2026, 1, 1))  # noqa: DTZ001


def test_statement_and_envelope_round_trip() -> None:
    statement = Statement((StatementSubject("m", Digest.of(b"m")),), "https://example/p", {"a": [1, None]})
    envelope = Envelope(statement.payload(), "application/vnd.in-toto+json", (Signature("k", b"\x00\xff"),))
    again = Envelope.from_json(json.loads(json.dumps(envelope.to_json())))
    assert again == envelope
    assert again.statement() == statement


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [],
        None,
        3,
        {"_type": "x"},
        {"_type": "https://in-toto.io/Statement/v1", "subject": [], "predicateType": "x", "predicate": {}},
    ],
)
def test_broken_statements_are_trust_errors(broken: object) -> None:
    with pytest.raises(TrustError):
        Statement.from_json(broken)


@pytest.mark.parametrize("broken", [{}, [], None, {"payload": "!", "payloadType": "", "signatures": []}])
def test_broken_envelopes_are_trust_errors(broken: object) -> None:
    with pytest.raises(TrustError):
        Envelope.from_json(broken)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
        ),
    )
)
def test_canonical_json_is_stable_over_a_round_trip(value: object) -> None:
    first = canonical_json(value)
    assert canonical_json(json.loads(first)) == first


@pytest.mark.parametrize("value", [float("nan"), 2**60, "\ud800", {1: 2}, object()])
def test_values_without_canonical_form_are_refused(value: object) -> None:
    with pytest.raises(UsageError):
        canonical_json(value)
