import json
from dataclasses import replace
from datetime import timedelta

import pytest

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.evidence import Evidence, Outcome
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.statement import StatementSubject
from assay.core.verdict import Decision, Reason, Verdict
from assay.provenance import statements as st
from assay.provenance.bundle import MEDIA_TYPE, from_bundle, to_bundle
from assay.provenance.keys import ALL_ROLES
from assay.provenance.oms import oms_root


def evidence(snapshot, inspector="pickle"):
    found = (Finding("odd-name", Severity.LOW, Confidence.HIGH, "Odd.", Where("config.json")),)
    return Evidence(snapshot.id, inspector, "3", {}, Outcome.FOUND, ("config.json",), (), found)


def verdict(snapshot, now, decision=Decision.ADMIT):
    return Verdict(
        subject=snapshot.id,
        decision=decision,
        reasons=(Reason("admit", "fine"),),
        policy=Digest.of(b"policy"),
        evidence=(evidence(snapshot).digest,),
        decided_at=now,
        expires_at=now + timedelta(days=90),
    )


@pytest.fixture
def chain(ring, snapshot, now):
    later = [now + timedelta(seconds=s) for s in range(9)]
    fetched = st.fetched(snapshot, started=now, finished=later[1])
    e_fetched = ring.sign("importer", fetched)
    scanned = st.scanned(snapshot, [evidence(snapshot)], previous=e_fetched, at=later[2])
    e_scanned = ring.sign("scanner", scanned)
    approved = st.approved(
        snapshot, verdict(snapshot, later[3]), policy_name="builtin", inputs=[e_fetched, e_scanned], name="org/name"
    )
    e_approved = ring.sign("approver", approved)
    made = {"fetched": fetched, "scanned": scanned, "approved": approved}
    made["ref"] = st.ref(
        snapshot,
        name="org/name",
        ref="main",
        revision="b" * 40,
        previous_revision="",
        previous=e_approved,
        at=later[4],
        reason="first admitted revision",
    )
    made["view"] = st.view(
        snapshot, name="org/name", revision="b" * 40, log_head="0" * 64, previous=e_approved, at=later[5]
    )
    made["revoked"] = st.revoked(snapshot, name="org/name", reason="poisoned", previous=e_approved, at=later[6])
    return made, [e_fetched, e_scanned, e_approved]


def test_every_statement_has_the_same_subjects(chain, snapshot):
    made, _ = chain
    expected = (
        StatementSubject("manifest.json", snapshot.id),
        StatementSubject("oms-root", oms_root(snapshot)),
        StatementSubject("a-b/weights.bin", snapshot.entry("a-b/weights.bin").digest),
        StatementSubject("model.safetensors", snapshot.entry("model.safetensors").digest),
    )
    for statement in made.values():
        assert statement.subjects == expected
        st.check_subjects(statement, snapshot)
    assert Digest.of(snapshot.manifest_bytes()) == snapshot.id


def test_every_statement_but_the_first_names_the_envelope_before_it(chain):
    made, (fetched, scanned, approved) = chain
    assert st.inputs_of(made["fetched"]) == ()
    assert st.inputs_of(made["scanned"]) == (fetched.digest,)
    assert st.inputs_of(made["approved"]) == (fetched.digest, scanned.digest)
    for kind in ("ref", "view", "revoked"):
        assert st.inputs_of(made[kind]) == (approved.digest,)


def test_every_statement_says_its_kind_and_its_time(chain, now):
    made, _ = chain
    assert {kind: st.kind_of(statement) for kind, statement in made.items()} == {kind: kind for kind in made}
    assert [int((st.time_of(statement) - now).total_seconds()) for statement in made.values()] == [1, 2, 3, 4, 5, 6]
    assert set(st.SIGNERS) == {*st.KINDS, "oms"}
    assert set().union(*st.SIGNERS.values()) <= set(ALL_ROLES)
    foreign = replace(made["ref"], predicate_type="urn:other")
    assert st.kind_of(foreign) is None
    with pytest.raises(TrustError):
        st.time_of(foreign)


def test_the_import_is_slsa_provenance(chain):
    predicate = chain[0]["fetched"].predicate
    definition = predicate["buildDefinition"]
    assert definition["buildType"] == "urn:assay:build-type:import:v1"
    assert definition["resolvedDependencies"] == [
        {"uri": "https://hub.example/org/name", "digest": {"gitCommit": "a" * 40}}
    ]
    assert set(predicate["runDetails"]["metadata"]) == {"startedOn", "finishedOn"}


def test_a_source_without_a_commit_names_none(snapshot, now):
    plain = replace(snapshot, origin=Origin("directory", "file:///x", "org/name"))
    statement = st.fetched(plain, started=now, finished=now)
    assert statement.predicate["buildDefinition"]["resolvedDependencies"] == [{"uri": "file:///x"}]


def test_the_scan_names_its_evidence(chain, snapshot):
    assert chain[0]["scanned"].predicate["evidence"] == [
        {
            "inspector": "pickle",
            "version": "3",
            "outcome": "found",
            "digest": {"sha256": evidence(snapshot).digest.hex},
            "covered": 1,
            "unread": 0,
            "findings": {"low": 1},
        }
    ]


def test_a_scan_of_nothing_or_of_something_else_is_not_stated(chain, snapshot, now):
    envelope = chain[1][0]
    foreign = replace(evidence(snapshot), subject=Digest.of(b"other"))
    for wrong in ([], [evidence(snapshot), foreign]):
        with pytest.raises(TrustError):
            st.scanned(snapshot, wrong, previous=envelope, at=now)


def test_the_approval_is_a_verification_summary(chain, snapshot):
    predicate = chain[0]["approved"].predicate
    # https://slsa.dev/spec/v1.1/verification_summary, fields marked "required"
    assert {"verifier", "timeVerified", "resourceUri", "policy", "verificationResult", "verifiedLevels"} <= set(
        predicate
    )
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["resourceUri"] == f"pkg:generic/org/name@{snapshot.id.hex}"
    assert predicate["policy"]["digest"] == {"sha256": Digest.of(b"policy").hex}
    assert [one["digest"]["sha256"] for one in predicate["inputAttestations"]] == [e.digest.hex for e in chain[1][:2]]


@pytest.mark.parametrize("decision", [Decision.HOLD, Decision.REJECT])
def test_whatever_is_not_an_admission_has_failed(chain, snapshot, now, decision):
    statement = st.approved(
        snapshot, verdict(snapshot, now, decision), policy_name="p", inputs=chain[1][:2], name="org/name"
    )
    assert statement.predicate["verificationResult"] == "FAILED"
    assert statement.predicate["verifiedLevels"] == ["FAILED"]
    assert st.verdict_of(statement).decision is decision


def test_no_value_of_ours_claims_a_slsa_level(chain):
    def values(node):
        if isinstance(node, dict):
            for value in node.values():
                yield from values(value)
        elif isinstance(node, list):
            for value in node:
                yield from values(value)
        else:
            yield node

    for statement in chain[0].values():
        assert not [value for value in values(statement.to_json()) if str(value).startswith("SLSA_")]


def test_an_approval_needs_its_own_verdict_and_inputs(chain, snapshot, now):
    other = replace(verdict(snapshot, now), subject=Digest.of(b"other"))
    with pytest.raises(TrustError):
        st.approved(snapshot, other, policy_name="p", inputs=chain[1][:2], name="org/name")
    with pytest.raises(TrustError):
        st.approved(snapshot, verdict(snapshot, now), policy_name="p", inputs=[], name="org/name")


def test_the_verdict_comes_back_out(chain, snapshot, now):
    assert st.verdict_of(chain[0]["approved"]) == verdict(snapshot, now + timedelta(seconds=3))


@pytest.mark.parametrize(
    "edit",
    [
        lambda p: p.update(verificationResult="FAILED"),
        lambda p: p["policy"]["digest"].update(sha256="0" * 64),
        lambda p: p.update(timeVerified="2020-01-01T00:00:00Z"),
        lambda p: p["assay_verdict"].update(subject="sha256:" + "0" * 64),
        lambda p: p["assay_verdict"].update(decision="REJECT"),
        lambda p: p["assay_verdict"].update(decision="MAYBE"),
        lambda p: p["assay_verdict"].update(policy="nonsense"),
        lambda p: p["assay_verdict"].update(evidence=[]),
        lambda p: p.pop("assay_verdict"),
        lambda p: p.update(assay_verdict=[]),
        lambda p: p.pop("policy"),
    ],
)
def test_an_approval_that_contradicts_itself_is_refused(chain, edit):
    predicate = json.loads(json.dumps(chain[0]["approved"].predicate))
    edit(predicate)
    with pytest.raises(TrustError):
        st.verdict_of(replace(chain[0]["approved"], predicate=predicate))


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("approved", lambda p: p.pop("assay_previous")),
        ("approved", lambda p: p.update(inputAttestations=[])),
        ("approved", lambda p: p["inputAttestations"].reverse()),
        ("approved", lambda p: p.update(inputAttestations=[{"digest": {"sha256": "x"}}])),
        ("scanned", lambda p: p.pop("previous")),
        ("scanned", lambda p: p.update(previous=None)),
        ("scanned", lambda p: p.update(previous="sha256:00")),
        ("ref", lambda p: p.update(previous=3)),
    ],
)
def test_a_statement_that_does_not_name_the_one_before_it_is_refused(chain, kind, edit):
    predicate = json.loads(json.dumps(chain[0][kind].predicate))
    edit(predicate)
    with pytest.raises(TrustError):
        st.inputs_of(replace(chain[0][kind], predicate=predicate))


def test_a_statement_about_another_model_is_noticed(chain, snapshot):
    changed = FileEntry("config.json", 2, Digest.of(b"{}"))
    other = Snapshot.of([changed if e.path == "config.json" else e for e in snapshot.files], snapshot.origin)
    with pytest.raises(TrustError, match=r"manifest\.json"):
        st.check_subjects(chain[0]["scanned"], other)


def test_the_oms_root_alone_does_not_bind_names(chain, snapshot):
    """Two files that keep their order can be renamed under the same OMS root: the manifest subject catches it."""
    renamed = [replace(e, path="model2.safetensors") if e.path == "model.safetensors" else e for e in snapshot.files]
    other = Snapshot.of(renamed, snapshot.origin)
    assert oms_root(other) == oms_root(snapshot)
    with pytest.raises(TrustError, match=r"manifest\.json"):
        st.check_subjects(chain[0]["scanned"], other)


def test_a_subject_that_is_no_file_of_the_model_is_noticed(chain, snapshot):
    extra = StatementSubject("other.bin", Digest.of(b"other"))
    statement = chain[0]["scanned"]
    with pytest.raises(TrustError, match="another model"):
        st.check_subjects(replace(statement, subjects=(*statement.subjects, extra)), snapshot)


def test_a_bundle_holds_the_same_envelope(chain, ring):
    envelope = chain[1][2]
    bundle = json.loads(json.dumps(to_bundle(envelope, ring.public("approver"))))
    assert bundle["mediaType"] == MEDIA_TYPE
    assert from_bundle(bundle) == envelope


@pytest.mark.parametrize("wrong", [None, [], {}, {"mediaType": MEDIA_TYPE}, {"mediaType": "x", "dsseEnvelope": {}}])
def test_what_is_no_bundle_is_refused(wrong):
    with pytest.raises(TrustError):
        from_bundle(wrong)
