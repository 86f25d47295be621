"""Decisions of people: a statement signed on their side is checked in numbered steps, kept, and acted upon.

What each kind does, from the next request on: a rejection and a revocation (quarantine) stop serving at once; a lift by
another person takes a revocation back; a move of `main` or an alias takes place; an approval or a waiver is heard when
the model is decided about again, which is queued. Nothing here edits a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from assay.core.digest import Digest
from assay.core.errors import TrustError, UsageError
from assay.core.verdict import format_time, parse_time
from assay.policy.people import Opinion, People, Waiver
from assay.provenance.statements import MANIFEST_NAME, SIGNERS, check_subjects, inputs_of, kind_of, time_of
from assay.provenance.trust import MAX_SKEW
from assay.registry import listing
from assay.registry.lifts import lift
from assay.registry.people import FOUR_EYES, may
from assay.registry.queue import SNAPSHOT, WorkQueue
from assay.registry.teams import requesters_of, thing_of
from assay.store import log
from assay.store.index import StoredStatement
from assay.store.schema import decisions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope, Statement
    from assay.provenance.trust import Trust
    from assay.registry.catalog import Catalog
    from assay.registry.people import Actor

OLDEST = timedelta(days=1)  # a decision is sent within a day of its signature
URGENT = "break-glass: "  # how the reason of a decision without a second person begins
DECISION = "assay: a decision"  # who asked, as the queue says it
PRIORITY = 50  # of the vetting that a decision asks for
KINDS = ("decided", "waived", "ref", "revoked", "lifted")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A decision that was kept.

    Attributes:
        kind: one of `KINDS`.
        action: right that it took.
        name: `org/name`.
        snapshot_id: what it is about.
        person: whose key signed.
        statement: digest of the envelope.
        urgent: break-glass.
        queued: number of the vetting that it asked for, or None.
    """

    kind: str
    action: str
    name: str
    snapshot_id: Digest
    person: str
    statement: Digest
    urgent: bool
    queued: int | None

    def to_json(self) -> dict[str, Any]:
        """As the API answers."""
        return {
            "kind": self.kind,
            "action": self.action,
            "name": self.name,
            "snapshot": str(self.snapshot_id),
            "person": self.person,
            "statement": str(self.statement),
            "break_glass": self.urgent,
            "queued": self.queued,
        }


def accept(
    catalog: Catalog, trust: Trust, envelope: Envelope, now: datetime, *, actor: Actor | None, break_glass: bool = False
) -> Accepted:
    """Check a person's decision, keep it, act on it.

    Args:
        catalog: what is served.
        trust: keys of people, each with its person; the registry's own configuration.
        envelope: the signed statement.
        now: the time.
        actor: who sent it; None: whoever can write the index anyway (the command on the registry's machine). Rights
            and teams are then not looked at; signature, person and four eyes are.
        break_glass: whether the policy in force lets an admin decide alone.

    Raises:
        UsageError: unknown model or snapshot, an old or foreign statement, or no right.
        TrustError: signature, subject, person or four eyes do not hold.
        Refused: a ref is moved to what is not served.
    """
    # 1. It is a decision, about a snapshot and a name that were judged here.
    statement = envelope.statement()
    kind = kind_of(statement)
    if kind not in KINDS:
        raise UsageError(f"not a decision: {statement.predicate_type[:100]}", hint=f"one of {', '.join(KINDS)}")
    name, snapshot = _about(catalog, statement)
    check_subjects(statement, snapshot)
    # 2. It was signed just now: an old one is not played back.
    at = time_of(statement)
    if not now - OLDEST <= at <= now + MAX_SKEW:
        raise UsageError(f"signed at {format_time(at)}, and it is {format_time(now)}", hint="sign it again")
    # 3. A key that the trust file gives to a person, in a role that may, signed it, and says who it is.
    person = _person(trust, envelope, statement, kind, at)
    # 4. It rests on an approval of this registry about this very snapshot and name (a lift: on what it lifts, see 6).
    if kind != "lifted":
        _rests(catalog, statement, snapshot, name)
    # 5. The person may, and did not ask for the model.
    action = _action(kind, statement)
    urgent = kind == "decided" and action == "approve" and str(statement.predicate["reason"]).startswith(URGENT)
    _allowed(catalog, (name, snapshot.id), (action, person), actor, urgent=urgent, break_glass=break_glass)
    # 6. Kept and acted upon.
    if kind == "lifted":
        kept, reason = StoredStatement(kind, "lift", envelope), str(statement.predicate["reason"])
        lift(catalog.index, snapshot.id, kept, reason=reason, trust=trust, now=now)
        return Accepted(kind, action, name, snapshot.id, person, envelope.digest, urgent, None)
    kept = StoredStatement(kind, "reviewer", envelope)
    queued = _act(catalog, kept, statement, snapshot, (name, person, now), urgent=urgent)
    return Accepted(kind, action, name, snapshot.id, person, envelope.digest, urgent, queued)


def people_of(
    statements: Iterable[StoredStatement], name: str, trust: Trust, requesters: frozenset[str]
) -> tuple[People, tuple[Envelope, ...]]:
    """What people decided about a snapshot under a name, and the envelopes that say so.

    Signatures are checked again, with the trust file of whoever asks. A statement that does not hold (any more) says
    nothing, and an approval or waiver of somebody who asked for the model counts for nothing.
    """
    opinions, waivers, envelopes = [], [], []
    for one in statements:
        if one.kind not in {"decided", "waived"}:
            continue
        try:
            statement = one.envelope.statement()
            at = time_of(statement)
            person = _person(trust, one.envelope, statement, one.kind, at)
        except TrustError:
            continue
        said = statement.predicate
        if said.get("name") != name:
            continue
        urgent = str(said["reason"]).startswith(URGENT)
        if one.kind == "decided":
            approves = said["decision"] == "approve"
            if approves and person in requesters and not urgent:
                continue
            opinions.append(Opinion(person, approves, said["reason"], at, one.envelope.digest, approves and urgent))
        elif person not in requesters:
            rule, file = str(said["finding"]["rule"]), str(said["finding"].get("file", ""))
            ends = parse_time(said["until"])
            waivers.append(Waiver(rule, file, person, said["reason"], at, ends, one.envelope.digest))
        envelopes.append(one.envelope)
    return People(tuple(opinions), tuple(waivers)), tuple(envelopes)


def snapshot_of(catalog: Catalog, name: str, revision: str = "") -> Digest:
    """The snapshot that a name (and revision) stands for, served or not: what a person decides about.

    Raises:
        UsageError: when nothing was judged under the name, or there is no such revision.
    """
    with catalog.index.reading() as tx:
        if revision:
            found = [one for one in catalog.revisions(name) if one.revision == revision]
            targets = [ref.revision for ref in catalog.refs(name) if ref.ref == revision]
            found = found or [one for one in catalog.revisions(name) if one.revision in targets]
            if not found:
                raise UsageError(f"{name} has no revision {revision[:100]!r} here")
            return found[0].snapshot_id
        row = tx.execute(_judged(name).order_by(decisions.c.decided_at.desc(), decisions.c.seq.desc())).first()
    if row is None:
        raise UsageError(f"{name[:200]!r} was never vetted here", hint="vet it first")
    return Digest(row.snapshot_id)


def approval_of(catalog: Catalog, name: str, snapshot_id: Digest) -> Envelope:
    """The newest signed verdict about a snapshot under a name, admitted or not: what a decision rests on.

    Raises:
        UsageError: when there is none.
    """
    for one in reversed(catalog.index.statements_for(snapshot_id)):
        if one.kind == "approved" and one.envelope.statement().predicate.get("assay_name") == name:
            return one.envelope
    raise UsageError(f"there is no signed verdict about {name}", hint="vet it first")


def _judged(name: str) -> Any:
    return select(decisions.c.snapshot_id).where(decisions.c.name == name)


def _about(catalog: Catalog, statement: Statement) -> tuple[str, Snapshot]:
    name = statement.predicate.get("name")
    subject = next((one.digest for one in statement.subjects if one.name == MANIFEST_NAME), None)
    if not isinstance(name, str) or subject is None:
        raise UsageError("the decision does not say about which model")
    with catalog.index.reading() as tx:
        judged = tx.execute(_judged(name).where(decisions.c.snapshot_id == subject.hex)).first()
        snapshot = catalog.index.get_snapshot(subject, name=name, tx=tx)
    if judged is None or snapshot is None:
        raise UsageError(f"{name[:200]!r} was never vetted here with these files", hint="vet it first")
    return name, snapshot


def _person(trust: Trust, envelope: Envelope, statement: Statement, kind: str, at: datetime) -> str:
    signers = [key for key in trust.signers(envelope, SIGNERS[kind] & {"reviewer", "lift"}, at) if key.person]
    if not signers:
        raise TrustError("the trust file does not say whose key signed this", hint='its entry needs person = "NAME"')
    said = statement.predicate.get("person", signers[0].person)
    if said not in {key.person for key in signers}:
        owner = signers[0].person
        raise TrustError(f"{str(said)[:100]!r} did not sign this: the key is {owner}'s", hint=f"say --person {owner}")
    return str(said)


def _rests(catalog: Catalog, statement: Statement, snapshot: Snapshot, name: str) -> None:
    named = inputs_of(statement)[-1]
    for one in catalog.index.statements_for(snapshot.id):
        if one.envelope.digest == named and one.kind == "approved":
            if one.envelope.statement().predicate.get("assay_name") == name:
                return
            break
    raise TrustError(f"the decision does not rest on a verdict of this registry about {name}")


def _action(kind: str, statement: Statement) -> str:
    if kind == "decided":
        return "approve" if statement.predicate.get("decision") == "approve" else "reject"
    return {"waived": "waive", "ref": "move-ref", "revoked": "quarantine", "lifted": "lift"}[kind]


def _allowed(
    catalog: Catalog,
    about: tuple[str, Digest],
    act: tuple[str, str],
    actor: Actor | None,
    *,
    urgent: bool,
    break_glass: bool,
) -> None:
    (name, snapshot_id), (action, person) = about, act
    thing = thing_of(catalog.index, name, snapshot_id)
    if urgent and not break_glass:
        raise UsageError("the policy knows no break-glass", hint="set people.break_glass = true in it")
    if person in thing.requesters and action in FOUR_EYES and not urgent:
        raise TrustError(f"{person} asked for this model: somebody else has to decide (four eyes)")
    if actor is None:
        return
    if actor.person != person:
        raise TrustError(f"signed by {person}, sent by {actor.person}")
    if not (answer := may(actor, "break-glass" if urgent else action, thing)):
        raise UsageError(answer.why)


def _act(
    catalog: Catalog,
    kept: StoredStatement,
    statement: Statement,
    snapshot: Snapshot,
    said: tuple[str, str, datetime],
    *,
    urgent: bool,
) -> int | None:
    name, person, now = said
    predicate = statement.predicate
    if kept.kind == "ref":
        catalog.move_ref(name, str(predicate.get("ref")), str(predicate.get("revision")), kept, now)
        return None
    if kept.kind == "revoked":
        catalog.revoke(snapshot.id, str(predicate.get("reason")), kept, now)
        return None
    with catalog.index.transaction() as tx:
        catalog.index.put_statement(snapshot.id, kept.kind, kept.role, kept.envelope, at=now, tx=tx)
        listing.refresh(tx, catalog.index, name)
        body = {"name": name, "snapshot": snapshot.id.hex, "person": person, "reason": str(predicate["reason"])}
        if urgent:
            log.append(tx, "break-glass", {**body, "statement": kept.envelope.digest.hex}, now)
        work = WorkQueue(catalog.index).ask(
            SNAPSHOT,
            str(snapshot.id),
            name,
            asked_by=DECISION,
            reason=f"{_action(kept.kind, statement)} by {person}: {predicate['reason']}",
            priority=PRIORITY,
            now=now,
            tx=tx,
        )
    return work.seq


def heard(
    catalog: Catalog, name: str, snapshot_id: Digest, trust: Trust | None, *, only: frozenset[str] | None = None
) -> tuple[People, tuple[Envelope, ...]]:
    """`people_of` over what the index holds, or those of the digests `only`; without a trust file nobody is heard."""
    if trust is None:
        return People(), ()
    with catalog.index.reading() as tx:
        kept = catalog.index.statements_for(snapshot_id, tx)
        asked = requesters_of(tx, name, snapshot_id)
    wanted = [one for one in kept if only is None or str(one.envelope.digest) in only]
    return people_of(wanted, name, trust, asked)
