"""Every statement that is made: its schema, its place in the chain, and what is refused."""

import itertools
import json
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import jsonschema_rs
import pytest
from cyclonedx.schema import SchemaVersion

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.verdict import Decision, Reason, Verdict
from assay.provenance import events, measured
from assay.provenance import statements as st
from tests.provenance.conftest import FILES, snapshot_of

pytestmark = pytest.mark.xdist_group("bom-documents")  # the official validators are loaded once

CYCLONEDX = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
SPDX = {
    "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
    "@graph": [
        {
            "type": "CreationInfo",
            "@id": "_:c",
            "specVersion": "3.0.1",
            "created": "2020-01-01T00:00:00Z",
            "createdBy": ["urn:x"],
        },
        {"type": "SpdxDocument", "spdxId": "urn:doc", "creationInfo": "_:c", "element": [], "rootElement": []},
    ],
}


def evaluation(snapshot, outcome=Outcome.FOUND):
    refuted = Finding("claim-refuted", Severity.HIGH, Confidence.HIGH, "claimed 0.99", Where("README.md"))
    metrics = [
        {"suite": "sst2", "metric": "accuracy", "verdict": "refuted"},
        {"suite": "sst2", "metric": "f1", "verdict": "holds"},
        {"suite": None, "dataset": None, "metric": "bleu", "verdict": "unverifiable"},
    ]
    suites = [{"name": "sst2", "digest": str(Digest.of(b"suite"))}]
    findings = (refuted,) if outcome is Outcome.FOUND else ()
    unread = (Unread("", "no suite fits"),) if outcome is Outcome.INCONCLUSIVE else ()
    return Evidence(
        snapshot.id,
        "evaluation",
        "1",
        {"suites": suites},
        outcome,
        findings=findings,
        unread=unread,
        facts={"metrics": metrics},
    )


def probing(snapshot):
    return Evidence(snapshot.id, "behaviour", "1", {}, Outcome.CLEAN, facts={"probes": [{"flip_rate": 0.01}]})


def decision(snapshot, evidence, at):
    days = timedelta(days=90)
    reasons = (Reason("admit", "fine"),)
    return Verdict(snapshot.id, Decision.ADMIT, reasons, Digest.of(b"p"), (evidence.digest,), at, at + days)


@pytest.fixture
def made(ring, snapshot, now):
    """Every kind once, in the order of the chain."""
    at = [now + timedelta(seconds=s) for s in range(30)]
    source = snapshot_of({**FILES, "model.bin": b"pickled"})
    statements, envelopes = {}, {}

    def sign(kind, statement):
        statements[kind] = statement
        role = min(st.SIGNERS[kind] & {"importer", "scanner", "evaluator", "approver", "registry", "admission"} or {""})
        # A person's key is not in the ring; here only the chain counts.
        envelopes[kind] = ring.sign(role or "approver", statement)
        return envelopes[kind]

    one = Evidence(snapshot.id, "pickle", "1", {}, Outcome.CLEAN, tuple(e.path for e in snapshot.files))
    last = sign("fetched", st.fetched(snapshot, started=now, finished=at[1]))
    conversion = {"files": {"model.safetensors": ["model.bin"]}, "proof": {"tensors": 3}}
    last = sign("converted", events.converted(snapshot, source, **conversion, previous=last, at=at[2]))
    last = sign("scanned", st.scanned(snapshot, [one], previous=last, at=at[3]))
    last = sign("evaluated", measured.evaluated(snapshot, evaluation(snapshot), previous=last, at=at[4]))
    last = sign("behaviour", measured.behaviour(snapshot, probing(snapshot), previous=last, at=at[5]))
    last = sign("cyclonedx", measured.cyclonedx(snapshot, CYCLONEDX, previous=last, at=at[6]))
    last = sign("spdx", measured.spdx(snapshot, SPDX, previous=last, at=at[7]))
    verdict = decision(snapshot, one, at[8])
    inputs = list(envelopes.values())
    last = sign("approved", st.approved(snapshot, verdict, policy_name="p", inputs=inputs, name="org/name"))
    about = {"name": "org/name", "person": "ada", "reason": "seen", "previous": last}
    sign("decided", events.decided(snapshot, **about, decision="approve", policy=Digest.of(b"p"), at=at[9]))
    waiver = {"finding": {"rule": "odd-name"}, "until": at[29], "at": at[10]}
    sign("waived", events.waived(snapshot, **about, **waiver))
    move = {"ref": "main", "revision": "b" * 40, "previous_revision": "", "reason": "first"}
    sign("ref", st.ref(snapshot, name="org/name", **move, previous=last, at=at[11]))
    view = {"revision": "b" * 40, "log_head": "0" * 64}
    sign("view", st.view(snapshot, name="org/name", **view, previous=last, at=at[12]))
    place = {"environment": "production", "steps": ["each file has its digest"]}
    sign("deployed", events.deployed(snapshot, name="org/name", **place, previous=last, at=at[13]))
    last = sign("revoked", st.revoked(snapshot, name="org/name", reason="bad", previous=last, at=at[14]))
    sign("lifted", events.lifted(snapshot, name="org/name", reason="mistake", revocation=last, at=at[15]))
    return statements, envelopes


def schema_of(kind):
    return json.loads(files("assay.provenance").joinpath(f"data/predicates/{kind}.json").read_text("utf-8"))


def test_every_kind_is_made_here(made):
    assert list(made[0]) == list(st.KINDS)


@pytest.mark.parametrize("kind", list(st.KINDS))
def test_every_statement_follows_its_shipped_schema(made, kind):
    schema = schema_of(kind)
    assert schema["x-predicate-type"] == st.KINDS[kind]
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.Draft202012Validator(schema)
    statement = json.loads(made[0][kind].payload())
    validator.validate(statement["predicate"])
    for field in schema["required"]:
        broken = {key: value for key, value in statement["predicate"].items() if key != field}
        with pytest.raises(jsonschema_rs.ValidationError):
            validator.validate(broken)


def test_every_statement_names_the_one_before_it_and_its_time(made, snapshot, now):
    statements, envelopes = made
    assert [int((st.time_of(one) - now).total_seconds()) for one in statements.values()] == list(range(1, 16))
    order = [*st.CHAIN, "approved"]
    for before, kind in itertools.pairwise(order):
        assert st.inputs_of(statements[kind])[-1] == envelopes[before].digest
    assert st.inputs_of(statements["lifted"]) == (envelopes["revoked"].digest,)
    for kind, statement in statements.items():
        assert st.kind_of(statement) == kind
        st.check_subjects(statement, snapshot)


def test_a_bill_of_materials_in_the_chain_is_still_a_valid_document(made):
    from cyclonedx.validation.json import JsonStrictValidator  # takes two seconds

    predicate = made[0]["cyclonedx"].predicate
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(predicate)) is None
    assert CYCLONEDX == {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}, "the original was changed"
    graph = made[0]["spdx"].predicate["@graph"]
    assert [one["spdxId"] for one in graph if one["type"] == "Annotation"] == ["urn:doc#assay-previous"]
    assert SPDX["@graph"][0]["created"] == "2020-01-01T00:00:00Z", "the original was changed"


def test_linking_a_bill_again_moves_it(made, snapshot, now):
    _, envelopes = made
    for kind, link in (("cyclonedx", measured.cyclonedx), ("spdx", measured.spdx)):
        again = link(snapshot, made[0][kind].predicate, previous=envelopes["scanned"], at=now)
        assert st.inputs_of(again) == (envelopes["scanned"].digest,)
        assert st.time_of(again) == now


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("cyclonedx", lambda p: p["metadata"].pop("properties")),
        ("cyclonedx", lambda p: p["metadata"]["properties"].append(p["metadata"]["properties"][0])),
        ("cyclonedx", lambda p: p.update(metadata=[])),
        ("spdx", lambda p: p["@graph"].pop()),
        ("spdx", lambda p: p["@graph"].append(p["@graph"][-1])),
        ("spdx", lambda p: p["@graph"].append(p["@graph"][1])),
        ("spdx", lambda p: p["@graph"][-1].update(statement="assay:previous")),
        ("spdx", lambda p: p.update({"@graph": 3})),
        ("evaluated", lambda p: p.pop("assay_previous")),
    ],
)
def test_a_link_without_a_clear_place_is_refused(made, kind, edit):
    predicate = json.loads(json.dumps(made[0][kind].predicate))
    edit(predicate)
    with pytest.raises(TrustError):
        st.inputs_of(replace(made[0][kind], predicate=predicate))


def test_an_evaluation_that_could_not_tell_has_not_passed(made, snapshot, now):
    previous = made[1]["scanned"]
    results = {
        outcome: measured.evaluated(snapshot, evaluation(snapshot, outcome), previous=previous, at=now).predicate
        for outcome in (Outcome.CLEAN, Outcome.FOUND, Outcome.INCONCLUSIVE)
    }
    assert [one["result"] for one in results.values()] == ["PASSED", "FAILED", "WARNED"]
    tests = results[Outcome.FOUND]
    assert (tests["passedTests"], tests["failedTests"]) == (["sst2/f1"], ["sst2/accuracy"])
    assert tests["warnedTests"] == ["claim/bleu"]
    assert tests["configuration"] == [{"name": "sst2", "digest": {"sha256": Digest.of(b"suite").hex}}]


def test_what_says_nothing_is_not_signed(made, snapshot, now):
    previous = made[1]["approved"]
    about = {"name": "org/name", "person": "ada", "previous": previous, "at": now}
    source = snapshot_of({"model.bin": b"pickled"})
    wrong = [
        lambda: events.decided(snapshot, **about, decision="approve", reason=" ", policy=Digest.of(b"p")),
        lambda: events.waived(snapshot, **about, reason="r", finding={}, until=now + timedelta(1)),
        lambda: events.waived(snapshot, **about, reason="r", finding={"rule": "x"}, until=now),
        lambda: events.lifted(snapshot, name="n", reason="", revocation=previous, at=now),
        lambda: events.deployed(snapshot, name="n", environment="", steps=["x"], previous=previous, at=now),
        lambda: events.converted(snapshot, source, files={}, proof={}, previous=previous, at=now),
        lambda: events.converted(snapshot, source, files={"none": ["model.bin"]}, proof={}, previous=previous, at=now),
        lambda: measured.behaviour(source, probing(snapshot), previous=previous, at=now),
        lambda: measured.cyclonedx(snapshot, {}, previous=previous, at=now),
        lambda: measured.spdx(snapshot, {"@graph": []}, previous=previous, at=now),
    ]
    for make in wrong:
        with pytest.raises(TrustError):
            make()
