"""The spine: what is decided, signed, published and refused, and that nobody's word is taken for it."""

from __future__ import annotations

import base64
import json
import sqlite3
from dataclasses import replace

import pytest

from assay.admission import spine
from assay.admission.inspectors import INSPECTORS
from assay.admission.request import HubAccess, Request
from assay.core.digest import Digest
from assay.core.errors import (
    AssayError,
    EnvironmentFault,
    IntegrityError,
    PolicyError,
    SourceError,
    TrustError,
    UsageError,
)
from assay.core.verdict import Decision
from assay.policy.decide import decide
from assay.policy.model import load_policy
from assay.provenance import dsse
from assay.provenance.bundle import from_bundle
from assay.provenance.oms import check_oms
from assay.provenance.statements import SIGNERS, check_subjects, inputs_of, verdict_of
from assay.registry.catalog import Catalog
from assay.registry.records import Refused
from assay.store.index import Index
from tests.admission.world import POLICY, Reader, World, make_model
from tests.simulators.hub import HubSimulator
from tests.support.admitted import revoked_statement


@pytest.fixture
def world(tmp_path):
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data")
    yield world
    world.index.close()


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "model")


def test_an_admitted_model_is_signed_published_and_main(world, model):
    seen = []
    request = Request.of(str(model), "org/model", None, HubAccess())
    with world.admission() as admission:
        vetted = admission.vet(request, progress=lambda *step: seen.append(step))
    assert vetted.verdict.decision is Decision.ADMIT
    assert [one.inspector for one in vetted.evidence] == ["reader"]
    assert vetted.snapshot.origin.name == "org/model"
    assert vetted.snapshot.origin.uri == model.as_uri()
    resolved = world.catalog.resolve("org/model")
    assert (resolved.revision, resolved.snapshot.id) == (vetted.revision, vetted.snapshot.id)
    assert resolved.verdict == vetted.verdict
    fetched = [one for one in seen if one[0].startswith("fetch ")]
    assert fetched[-1][1:] == (vetted.snapshot.size, vetted.snapshot.size)  # files come in any order
    assert seen[-1] == ("inspect model.safetensors", vetted.snapshot.size, vetted.snapshot.size)


def test_the_statements_form_a_chain_and_every_signature_is_of_its_role(world, model):
    vetted = world.vet(model)
    stored = world.index.statements_for(vetted.snapshot.id)
    assert [one.kind for one in stored] == ["fetched", "scanned", "cyclonedx", "spdx", "approved", "oms", "ref"]
    assert [(one.kind, one.envelope.digest) for one in stored[:6]] == list(vetted.statements)
    for one in stored:
        assert one.role in SIGNERS[one.kind]
        dsse.verify(one.envelope, [world.ring.public(one.role)])
        assert from_bundle(one.bundle) == one.envelope
    by_kind = {one.kind: one.envelope for one in stored}
    assert inputs_of(by_kind["scanned"].statement()) == (by_kind["fetched"].digest,)
    assert inputs_of(by_kind["cyclonedx"].statement()) == (by_kind["scanned"].digest,)
    assert inputs_of(by_kind["approved"].statement()) == tuple(one.envelope.digest for one in stored[:4])
    assert inputs_of(by_kind["ref"].statement()) == (by_kind["approved"].digest,)
    assert verdict_of(by_kind["approved"].statement()) == vetted.verdict
    for kind in ("fetched", "scanned", "cyclonedx", "spdx", "approved"):
        check_subjects(by_kind[kind].statement(), vetted.snapshot)
    check_oms(by_kind["oms"].statement(), vetted.snapshot)


def test_a_rejected_model_is_refused_by_name_with_signed_reasons(world, model):
    make_model(model, payload="EVIL")
    vetted = world.vet(model)
    assert vetted.verdict.decision is Decision.REJECT
    assert vetted.revision is None
    assert vetted.main is None
    with pytest.raises(Refused, match=r"calls out") as refused:
        world.catalog.resolve("org/model")
    assert refused.value.kind == "rejected"
    stored = world.index.statements_for(vetted.snapshot.id)
    assert [one.kind for one in stored] == ["fetched", "scanned", "cyclonedx", "spdx", "approved"]
    assert stored[4].envelope.statement().predicate["verificationResult"] == "FAILED"
    assert world.catalog.revisions("org/model") == ()


def test_what_could_not_be_read_is_held(world, model):
    make_model(model, strange="ODD")
    vetted = world.vet(model)
    assert vetted.verdict.decision is Decision.HOLD
    assert [unread.path for unread in vetted.evidence[0].unread] == ["strange"]
    with pytest.raises(Refused) as refused:
        world.catalog.resolve("org/model")
    assert refused.value.kind == "held"


def test_a_broken_inspector_holds_the_model_and_keeps_the_rest(world, model):
    class Broken:
        name = "reader"
        version = "1"

        def inspect(self, subject):
            raise ZeroDivisionError

    vetted = world.vet(model, inspectors=(Broken(),))
    assert vetted.verdict.decision is Decision.HOLD
    assert vetted.evidence[0].outcome.value == "error"


def test_the_same_files_again_are_the_same_revision_with_a_new_verdict(world, model):
    first, second = world.vet(model), world.vet(model)
    assert first.revision == second.revision
    assert len(world.catalog.revisions("org/model")) == 1
    assert world.notices == []


def test_main_stays_where_it_is_when_other_files_are_admitted(world, model):
    first = world.vet(model)
    make_model(model, more="text")
    second = world.vet(model)
    assert second.revision not in {None, first.revision}
    assert second.main == first.revision
    assert world.catalog.resolve("org/model").revision == first.revision
    assert world.catalog.resolve("org/model", second.revision).snapshot.id == second.snapshot.id


def test_files_that_are_rejected_later_do_not_take_the_admitted_ones_along(world, model):
    first = world.vet(model)
    make_model(model, payload="EVIL")
    assert world.vet(model).verdict.decision is Decision.REJECT
    assert world.catalog.resolve("org/model").revision == first.revision


def test_the_signer_decides_again_and_refuses_a_verdict_that_the_evidence_does_not_bear_out(world, model, monkeypatch):
    make_model(model, payload="EVIL")

    def bribed(snapshot, evidence, policy, now, *people):
        clean = replace(evidence[0], outcome=evidence[0].outcome.CLEAN, findings=())
        return decide(snapshot, [clean], policy, now, *people)

    monkeypatch.setattr(spine, "decide", bribed)
    with pytest.raises(TrustError, match="does not bear out"):
        world.vet(model)
    with pytest.raises(Refused):
        world.catalog.resolve("org/model")
    kinds = [kind for kind, _ in world.log()]
    assert kinds == ["verdict"]


def test_evidence_that_was_changed_in_the_database_is_not_signed(world, model, monkeypatch):
    def tamper(*args, **kwargs):
        with sqlite3.connect(world.data / "index.sqlite") as database:
            for trigger in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f'DROP TRIGGER "{trigger[0]}"')
            database.execute("UPDATE evidence SET body = replace(body, 'EVIL', 'good')")
        return decide(*args, **kwargs)

    make_model(model, payload="EVIL")
    monkeypatch.setattr(spine, "decide", tamper)
    with pytest.raises(IntegrityError, match="was changed in the index"):
        world.vet(model)


def test_the_policy_of_the_beginning_decides_or_nobody(world, model, monkeypatch):
    """A run that was begun under one policy is never finished under another."""

    def out_of_order(*_):
        raise EnvironmentFault("out of order")

    with monkeypatch.context() as patch:
        patch.setattr(spine, "decide", out_of_order)
        with pytest.raises(EnvironmentFault):
            world.vet(model)
    other = load_policy(POLICY.replace('version = "1"', 'version = "2"'))
    vetted = world.vet(model, policy=other)
    assert vetted.verdict.policy == other.digest
    assert world.notices == []
    with world.admission(policy=other) as admission, pytest.raises(PolicyError, match="changed"):
        admission._decide({"policy": str(world.policy.digest)}, {}, {}, {})


def test_what_was_revoked_is_neither_signed_nor_published_again(world, model):
    first = world.vet(model)
    approval = world.index.statements_for(first.snapshot.id)[2].envelope
    statement = revoked_statement(first.snapshot, approval, reason="it phones home")
    world.catalog.revoke(first.snapshot.id, "it phones home", statement)
    before = len(world.index.statements_for(first.snapshot.id))
    with pytest.raises(AssayError, match=r"was revoked at .*: it phones home"):
        world.vet(model)
    assert len(world.index.statements_for(first.snapshot.id)) == before
    with pytest.raises(Refused, match="revoked"):
        world.catalog.resolve("org/model")


def test_a_missing_blob_stops_the_publication(world, model, monkeypatch):
    original = Catalog.next_revision

    def lose(self, name, snapshot_id):
        weights = (model / "model.safetensors").read_bytes()
        world.blobs.delete(Digest.of(weights))
        return original(self, name, snapshot_id)

    monkeypatch.setattr(Catalog, "next_revision", lose)
    with pytest.raises(IntegrityError):
        world.vet(model)
    with pytest.raises(Refused):
        world.catalog.resolve("org/model")


def test_a_locked_index_is_one_clear_error_and_the_run_is_carried_on(world, model):
    world.index.close()
    patient = Index.open(f"sqlite:///{world.data / 'index.sqlite'}", busy_timeout=0.2)
    blocker = sqlite3.connect(world.data / "index.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(EnvironmentFault, match="locked by another process"):
        world.vet(model, index=patient)
    blocker.execute("ROLLBACK")
    blocker.close()
    patient.close()
    assert world.vet(model).verdict.decision is Decision.ADMIT
    assert world.notices == ["carrying on at the step that failed last time"]


def test_nothing_secret_and_nothing_big_is_in_the_workflow_database(tmp_path, world):
    model = make_model(tmp_path / "big", **{f"file-{number}.txt": str(number) for number in range(300)})
    world.vet(model, access=HubAccess(token="hub-token-1234567890"))
    data = (world.data / "workflow.sqlite").read_bytes()
    for path in (world.data / "keys").glob("*.pem"):
        secret = "".join(path.read_text().splitlines()[1:-1])
        assert secret.encode() not in data
        assert base64.b64decode(secret) not in data
    assert b"hub-token" not in data
    with sqlite3.connect(world.data / "workflow.sqlite") as database:
        rows = database.execute("SELECT output, serialization FROM operation_outputs").fetchall()
    assert len(rows) == 7
    for output, serialization in rows:
        assert serialization == "assay_json"
        assert len(output) < 2000
        assert isinstance(json.loads(output), dict)


def test_a_model_on_a_hub(tmp_path, world):
    hub = HubSimulator()
    commit = hub.add("org/model", {"config.json": b"{}", "model.safetensors": b"x" * 5000})
    with hub.running() as url:
        request = Request.of("hf://org/model", None, url, HubAccess())
        assert (request.kind, request.name, request.state) == ("hub", "org/model", commit)
        with world.admission() as admission:
            vetted = admission.vet(request)
    origin = vetted.snapshot.origin
    assert (origin.kind, origin.requested, origin.commit) == ("hub", "main", commit)
    assert origin.uri == f"{url}/org/model"
    assert world.catalog.resolve("org/model").revision == vetted.revision != commit
    statement = world.index.statements_for(vetted.snapshot.id)[0].envelope.statement()
    external = statement.predicate["buildDefinition"]["externalParameters"]
    assert external == {"kind": "hub", "uri": f"{url}/org/model", "requested": "main"}


def test_a_hub_that_fails_in_the_middle_is_asked_again_where_it_stopped(world, monkeypatch):
    monkeypatch.setattr("assay.sources.hub_client.ATTEMPTS", 1)
    hub = HubSimulator()
    hub.add("org/model", {"a.bin": b"a" * 5000, "b.bin": b"b" * 5000})
    with hub.running() as url:
        request = Request.of("hf://org/model@main", "mirror/model", url, HubAccess())
        hub.faults.wrong_bytes = True
        with world.admission() as admission, pytest.raises(SourceError):
            admission.vet(request)
        hub.faults.wrong_bytes = False
        with world.admission() as admission:
            vetted = admission.vet(request, notice=world.notices.append)
    assert vetted.verdict.decision is Decision.ADMIT
    assert vetted.name == "mirror/model"
    assert world.notices == ["carrying on at the step that failed last time"]


@pytest.mark.postgres
def test_index_and_workflows_in_one_postgresql(tmp_path, postgres, model):
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data", postgres.new_database())
    first, second = world.vet(model), world.vet(model)
    assert first.verdict.decision is Decision.ADMIT
    assert first.revision == second.revision == world.catalog.resolve("org/model").revision
    assert world.index.verify_log().ok
    assert {path.name for path in world.data.iterdir()} == {"blobs", "keys"}
    world.index.close()


def test_a_path_that_can_not_be_taken_whole_is_refused(world, model):
    (model / "link").symlink_to("/etc/passwd")
    with pytest.raises(SourceError, match="can't be taken whole"):
        world.vet(model)
    with pytest.raises(Refused):
        world.catalog.resolve("org/model")


def test_the_inspectors_of_an_admission_are_fresh_classes_with_distinct_names():
    names = [inspector.name for inspector in INSPECTORS]
    assert len(set(names)) == len(names) > 5
    assert set(load_policy(None).required) <= set(names)


def test_a_changed_inspector_is_another_admission(world, model):
    class Newer(Reader):
        version = "2"

    first = world.vet(model)
    second = world.vet(model, inspectors=(Newer(),))
    assert {first.evidence[0].version, second.evidence[0].version} == {"1", "2"}


def test_a_name_that_no_client_accepts_is_refused_before_anything_happens(world, model):
    with pytest.raises(UsageError, match="not a model name"):
        world.vet(model, "a/b/c")
    assert not (world.data / "workflow.sqlite").exists()
