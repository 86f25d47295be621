"""Decisions of people: what is refused in which step, and what one that is kept does at once."""

from datetime import UTC, datetime, timedelta

import pytest

from assay.core.errors import TrustError, UsageError
from assay.provenance import dsse
from assay.provenance import statements as st
from assay.provenance.events import decided, lifted, waived
from assay.provenance.keys import KeyRing
from assay.provenance.statements import revoked
from assay.provenance.trust import Trust
from assay.registry import lifts
from assay.registry.audit import audit
from assay.registry.decisions import accept, approval_of, heard, snapshot_of
from assay.registry.people import Actor
from assay.registry.queue import WorkQueue
from assay.registry.records import Refused
from assay.registry.teams import record_requester
from assay.store import log
from tests.support.persons import Persons
from tests.support.published import Publisher

NAME = "org/model"


class World(Publisher):
    def __post_init__(self):
        super().__post_init__()
        self.revision = self.admit(NAME, {"a": b"a"})
        self.persons = Persons(self.root / "persons", self.root / "trust.toml")
        self.trust = Trust.load(self.root / "trust.toml")
        self.at = datetime.now(UTC).replace(microsecond=0)
        self.snapshot = self.catalog.resolve(NAME).snapshot

    def decide(self, decision="reject", person="anna", **more):
        fields = {"name": NAME, "reason": "because", "previous": approval_of(self.catalog, NAME, self.snapshot.id)}
        verdict = self.catalog.resolve(NAME).verdict
        fields |= {"policy": verdict.policy, "at": self.at, "person": person, "decision": decision}
        return decided(self.snapshot, **fields | more)

    def send(self, statement, signer="anna", actor=None, **more):
        return accept(self.catalog, self.trust, self.persons.sign(signer, statement), self.at, actor=actor, **more)

    def heard(self):
        return heard(self.catalog, NAME, self.snapshot.id, self.trust)[0]


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "data")
    yield made
    made.index.close()


def test_a_rejection_holds_from_the_next_request_on_and_is_decided_about_again(world):
    kept = world.send(world.decide("reject", reason="it calls home"))
    with pytest.raises(Refused, match="anna rejected it: it calls home") as raised:
        world.catalog.resolve(NAME)
    assert raised.value.kind == "rejected"
    waiting = WorkQueue(world.index).waiting()
    assert [(one.seq, one.name, one.asked_by) for one in waiting] == [(kept.queued, NAME, "assay: a decision")]
    assert audit(world.index) == ()


def test_an_approval_after_a_rejection_of_the_same_person_serves_again(world):
    statement = world.decide("approve", at=world.at + timedelta(seconds=2), reason="a mistake")
    world.send(world.decide("reject"))
    world.send(statement)
    assert world.catalog.resolve(NAME).revision == world.revision
    assert [one.approves for one in world.heard().opinions] == [False, True]


def test_four_eyes(world):
    with world.index.transaction() as tx:
        record_requester(tx, NAME, world.snapshot.id, "anna", world.at)
    with pytest.raises(TrustError, match="four eyes"):
        world.send(world.decide("approve"))
    world.send(world.decide("approve", person="bob"), signer="bob")
    assert [one.person for one in world.heard().opinions] == ["bob"]
    world.send(world.decide("reject"))


@pytest.mark.parametrize("ref", ["main", "production"])
def test_whoever_asked_for_a_model_points_nothing_to_it(world, ref):
    second = world.admit(NAME, {"a": b"b"})
    snapshot = world.catalog.resolve(NAME, second).snapshot
    with world.index.transaction() as tx:
        record_requester(tx, NAME, snapshot.id, "anna", world.at)
    move = {"name": NAME, "ref": ref, "revision": second, "reason": "newer", "at": world.at}
    move |= {"previous_revision": world.revision if ref == "main" else "",
             "previous": approval_of(world.catalog, NAME, snapshot.id)}  # fmt: skip
    for actor in (None, Actor("anna", frozenset({"approver", "admin"}))):
        with pytest.raises(TrustError, match="four eyes"):
            world.send(st.ref(snapshot, **move), actor=actor)
    assert world.catalog.resolve(NAME).revision == world.revision
    world.send(st.ref(snapshot, **move), signer="bob")
    assert world.catalog.resolve(NAME, ref).revision == second


def test_an_approval_that_came_before_its_person_asked_counts_no_more(world):
    world.send(world.decide("approve"))
    assert len(world.heard().opinions) == 1
    with world.index.transaction() as tx:
        record_requester(tx, NAME, world.snapshot.id, "anna", world.at)
    assert world.heard().opinions == ()


def test_break_glass_is_loud_and_only_where_the_policy_knows_it(world):
    with world.index.transaction() as tx:
        record_requester(tx, NAME, world.snapshot.id, "anna", world.at)
    urgent = world.decide("approve", reason="break-glass: the factory stands")
    with pytest.raises(UsageError, match="knows no break-glass"):
        world.send(urgent)
    with pytest.raises(UsageError, match="right of admin"):
        world.send(urgent, actor=Actor("anna", frozenset({"approver"})), break_glass=True)
    kept = world.send(urgent, actor=Actor("anna", frozenset({"admin"})), break_glass=True)
    assert kept.urgent
    with world.index.reading() as tx:
        loud = [entry.body for entry in log.entries(tx) if entry.kind == "break-glass"]
    assert [(one["person"], one["reason"]) for one in loud] == [("anna", "break-glass: the factory stands")]
    assert [one.urgent for one in world.heard().opinions] == [True]


def test_who_signed_who_says_so_and_who_sends_are_one(world):
    with pytest.raises(TrustError, match="'bob' did not sign this"):
        world.send(world.decide(person="bob"))
    with pytest.raises(TrustError, match="signed by anna, sent by bob"):
        world.send(world.decide(), actor=Actor("bob", frozenset({"approver"})))
    with pytest.raises(UsageError, match="right of reviewer"):
        world.send(world.decide(), actor=Actor("anna", frozenset({"developer"})))
    assert world.send(world.decide(), actor=Actor("anna", frozenset({"reviewer"}))).person == "anna"


def test_foreign_keys_old_statements_and_other_models(world, tmp_path):
    strangers = Persons(tmp_path / "strangers", tmp_path / "other.toml", ("anna",))
    with pytest.raises(TrustError, match="no key in the trust file"):
        accept(world.catalog, world.trust, strangers.sign("anna", world.decide()), world.at, actor=None)
    for at in (world.at - timedelta(days=2), world.at + timedelta(hours=1)):
        with pytest.raises(UsageError, match="sign it again"):
            world.send(world.decide(at=at))
    with pytest.raises(UsageError, match="was never vetted here"):
        world.send(world.decide(name="other/model"))
    stranger = world.ring.sign("approver", world.decide())
    with pytest.raises(TrustError, match="does not rest on a verdict"):
        world.send(world.decide(previous=stranger))
    machine = world.sign("approved", "approver", world.decide()).envelope
    with pytest.raises(TrustError):
        accept(world.catalog, world.trust, machine, world.at, actor=None)
    assert world.heard().opinions == ()


def test_a_key_that_is_revoked_later_says_nothing_any_more(world):
    world.send(world.decide("approve"))
    text = (world.root / "trust.toml").read_text().replace("revoked = false", "revoked = true")
    world.trust = Trust.parse(text)
    assert world.heard().opinions == ()


def test_a_waiver_is_heard_with_its_finding_and_its_end(world):
    fields = {"name": NAME, "person": "anna", "reason": "known", "at": world.at}
    fields |= {"previous": approval_of(world.catalog, NAME, world.snapshot.id), "until": world.at + timedelta(days=7)}
    world.send(waived(world.snapshot, finding={"rule": "odd", "file": "a"}, **fields))
    (one,) = world.heard().waivers
    assert (one.rule, one.file, one.person, one.until) == ("odd", "a", "anna", world.at + timedelta(days=7))


def test_quarantine_and_a_move_of_main(world):
    second = world.admit(NAME, {"a": b"b"})
    assert world.catalog.resolve(NAME).revision == world.revision
    snapshot = world.catalog.resolve(NAME, second).snapshot
    assert snapshot_of(world.catalog, NAME, second) == snapshot.id
    previous = approval_of(world.catalog, NAME, snapshot.id)
    move = {"name": NAME, "ref": "main", "revision": second, "previous_revision": world.revision, "reason": "newer"}
    world.send(st.ref(snapshot, **move, previous=previous, at=world.at))
    assert world.catalog.resolve(NAME).revision == second
    with pytest.raises(TrustError, match="previousRevision"):  # not good for a second time
        world.send(st.ref(snapshot, **move, previous=previous, at=world.at + timedelta(seconds=1)))
    world.send(st.revoked(snapshot, name=NAME, reason="bad", previous=previous, at=world.at))
    with pytest.raises(Refused, match="revoked"):
        world.catalog.resolve(NAME)
    assert audit(world.index) == ()


def test_another_person_lifts_a_revocation(world):
    Persons(world.root / "lifters", world.root / "trust.toml", role="lift")
    world.trust = Trust.load(world.root / "trust.toml")
    keys = {name: world.root / "lifters" / name / "lift.pem" for name in ("anna", "bob")}
    approval = approval_of(world.catalog, NAME, world.snapshot.id)
    quarantine = revoked(world.snapshot, name=NAME, reason="a backdoor", previous=approval, at=world.at)
    world.send(quarantine)
    (standing,) = lifts.standing(world.index, world.snapshot.id)
    lift = lifted(world.snapshot, name=NAME, reason="a mistake", revocation=standing.envelope, at=world.at)

    def send(who, actor=None):
        signed = dsse.sign(lift, KeyRing.read(keys[who], "lift"))
        return accept(world.catalog, world.trust, signed, world.at, actor=actor)

    with pytest.raises(TrustError, match="who revoked can't lift it alone"):
        send("anna")  # with another key of hers
    with pytest.raises(UsageError, match="right of approver"):
        send("bob", Actor("bob", frozenset({"reviewer"})))
    with pytest.raises(Refused, match="a backdoor"):
        world.catalog.resolve(NAME)
    taken = send("bob", Actor("bob", frozenset({"approver"})))
    assert (taken.kind, taken.action, taken.person) == ("lifted", "lift", "bob")
    assert world.catalog.resolve(NAME).revision == world.revision
    assert [one.name for one in world.catalog.models().models] == [NAME]
    assert audit(world.index) == ()
