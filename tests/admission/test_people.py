"""Decisions of people through the whole admission: heard by the one who decides, again by the one who signs."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from assay.core.verdict import Decision
from assay.policy.model import load_policy
from assay.provenance.events import decided, waived
from assay.provenance.statements import inputs_of
from assay.provenance.trust import Trust
from assay.registry.decisions import accept, approval_of, snapshot_of
from assay.registry.records import Refused
from assay.registry.teams import record_requester
from tests.admission.world import POLICY, World, make_model
from tests.support.persons import Persons

NAME = "org/model"


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "data")
    made.persons = Persons(tmp_path / "persons", tmp_path / "trust.toml")
    made.trust = Trust.load(tmp_path / "trust.toml")
    yield made
    made.index.close()


def send(world, make, person="anna", **says):
    snapshot_id = snapshot_of(world.catalog, NAME)
    snapshot = world.index.get_snapshot(snapshot_id, name=NAME)
    at = datetime.now(UTC).replace(microsecond=0)
    fields = {"name": NAME, "person": person, "reason": "because", "at": at}
    fields |= {"previous": approval_of(world.catalog, NAME, snapshot_id)}
    envelope = world.persons.sign(person, make(snapshot, **fields | says))
    return accept(world.catalog, world.trust, envelope, at, actor=None)


def vet(world, path):
    return world.vet(path, NAME, trust=world.trust)


def approve(world, person="anna"):
    return send(world, decided, person, decision="approve", policy=world.policy.digest)


def test_a_policy_that_asks_for_a_person_gets_one_who_did_not_ask(world, tmp_path):
    world.policy = load_policy(POLICY + "[people]\napprovals = 1\n")
    path = make_model(tmp_path / "model")
    held = vet(world, path)
    assert (held.verdict.decision, held.verdict.reasons[0].clause) == (Decision.HOLD, "people.approvals")
    approve(world)
    with world.index.transaction() as tx:
        record_requester(tx, NAME, held.snapshot.id, "anna", datetime.now(UTC))
    assert vet(world, path).verdict.decision is Decision.HOLD
    kept = approve(world, "bob")
    admitted = vet(world, path)
    assert admitted.verdict.decision is Decision.ADMIT
    assert admitted.verdict.people == (kept.statement,)
    approval = approval_of(world.catalog, NAME, held.snapshot.id).statement()
    assert kept.statement in inputs_of(approval)  # the machine's approval names the person's
    assert world.catalog.resolve(NAME).revision == admitted.revision
    world.trust = Trust.parse(re.sub("revoked = false", "revoked = true", (tmp_path / "trust.toml").read_text()))
    assert vet(world, path).verdict.decision is Decision.HOLD


def test_a_waiver_admits_until_it_ends_and_no_evidence_is_waived(world, tmp_path):
    text = POLICY.replace('"high"', '"critical"') + '[people]\nwaive = "reject"\n'
    world.policy = load_policy(text)
    path = make_model(tmp_path / "model", x="EVIL")
    assert vet(world, path).verdict.decision is Decision.REJECT
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=5)
    send(world, waived, finding={"rule": "evil", "file": "x"}, until=until)
    verdict = vet(world, path).verdict
    assert (verdict.decision, verdict.expires_at) == (Decision.ADMIT, until)
    assert [reason.clause for reason in verdict.reasons] == ["admit", "waived.evil"]
    with pytest.raises(Refused, match="valid from"):
        world.catalog.resolve(NAME, now=until)
    world.policy = load_policy(POLICY)  # which sets aside nothing that rejects
    assert vet(world, path).verdict.decision is Decision.REJECT


def test_a_rejection_rejects(world, tmp_path):
    path = make_model(tmp_path / "model")
    assert vet(world, path).verdict.decision is Decision.ADMIT
    send(world, decided, decision="reject", policy=world.policy.digest)
    again = vet(world, path).verdict
    assert (again.decision, again.reasons[0].clause) == (Decision.REJECT, "people.rejected")
