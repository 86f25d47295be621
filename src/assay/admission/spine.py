"""The spine: fetch → inspect → decide → bom → sign → publish, each a recorded step of a durable workflow (ADR 3).

What passes between steps is digests and times; the things themselves are in the store, under their digests. A step may
run twice (a crash between doing and recording), and doing it twice is doing it once: blobs and rows are put under their
digest, signatures are deterministic, and the clock of a decision is read in a step of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from assay import __version__
from assay.admission.bom import read_bills, write_boms
from assay.admission.engine import Engine, Json, step
from assay.admission.fetching import from_outside, hash_again, told_beside
from assay.admission.references import record_kind_of
from assay.admission.request import HubAccess, Request
from assay.admission.scarce import Turn
from assay.admission.signing import sign_admission, sign_first_ref
from assay.admission.timed import timed_step
from assay.core.digest import Digest
from assay.core.errors import AssayError, IntegrityError, PolicyError
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import Origin, Snapshot
from assay.core.verdict import Decision, Verdict, format_time, parse_time
from assay.formats.tensor_pass import TensorWatch
from assay.inspections.history import told_before
from assay.inspections.runner import inspect
from assay.policy.decide import decide
from assay.registry import tallies
from assay.registry.catalog import Catalog
from assay.registry.decisions import heard
from assay.registry.inventory import Inventory
from assay.registry.lineage_record import record_admission
from assay.registry.records import MAIN
from assay.registry.rows import refuse_revoked
from assay.registry.slots import Slots
from assay.registry.stale import queue_stale, rested, stale
from assay.store.index import BlobFiles

if TYPE_CHECKING:
    from assay.admission.probing import Crew
    from assay.core.evidence import Evidence
    from assay.core.statement import Envelope
    from assay.policy.model import Policy
    from assay.policy.people import People
    from assay.provenance.keys import KeyRing
    from assay.provenance.trust import Trust
    from assay.registry.stale import Stale
    from assay.store.blobs import Blobs
    from assay.store.index import Index

VERSION = f"assay-{__version__}"
STEPS = ("fetch", "inspect", "decide", "bom", "sign", "publish")

Progress = Callable[[str, int, int], None]
Notice = Callable[[str], None]
Thing = TypeVar("Thing")


def silent(_what: str, _done: int, _total: int) -> None:
    """No progress is shown."""


def _unheard(_text: str) -> None:
    """No notice is shown."""


@dataclass(frozen=True, slots=True)
class Vetted:
    """What came of an admission.

    Attributes:
        name: `org/name` under which it was judged.
        snapshot: what was judged; its origin is this admission's.
        verdict: ADMIT, HOLD or REJECT.
        evidence: what the verdict rests on, in the order of the inspectors.
        statements: kind and digest of every signed envelope, in the order of the chain.
        revision: public revision id; None when nothing is published.
        main: revision that `main` of the name points to now; None when the name has none.
    """

    name: str
    snapshot: Snapshot
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    statements: tuple[tuple[str, Digest], ...]
    revision: str | None
    main: str | None


class Admission:
    """Runs admissions in this process. A context manager; only one may be open in a process."""

    def __init__(
        self,
        workflow_url: str,
        *,
        index: Index,
        blobs: Blobs,
        ring: KeyRing,
        policy: Policy,
        access: HubAccess = HubAccess(),  # noqa: B008 - frozen
        inspectors: Iterable[Any] | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        trust: Trust | None = None,
        lapse: float | None = None,
        crew: Crew | None = None,
        at_once: Mapping[str, int] | None = None,
    ) -> None:
        """Open the workflow database.

        Args:
            workflow_url: SQLAlchemy URL of the workflow database. Keys and passphrases never go there.
            index: where snapshots, evidence, verdicts and statements are kept.
            blobs: where bytes are kept.
            ring: keys of the roles importer, scanner, approver and registry.
            policy: decides.
            access: how hubs may be reached.
            inspectors: look at the snapshot; those of `inspectors.inspectors_for` by default.
            limits: of the inspection.
            trust: keys of people; None: no person's decision is heard.
            lapse: seconds of silence after which a process counts as dead (PostgreSQL).
            crew: shares probes with other workers; it is given the lease of this process.
            at_once: inspector → how many processes may be at it, all machines together; others: any number.

        Raises:
            EnvironmentFault: the workflow database is locked, unreachable or full.
        """
        self._index = index
        self._blobs = blobs
        self._ring = ring
        self._policy = policy
        self._access = access
        self._limits = limits
        self._trust = trust
        self._watch = TensorWatch(limits)
        self._catalog = Catalog(index)
        self._progress: Progress = silent
        self._engine = Engine(workflow_url, VERSION, self._run, lapse=lapse)
        self.crew = crew
        self.turn = Turn(self._engine, Slots(index, at_once or {}), self._advance("inspect"))
        chosen = _all_inspectors(policy, index) if inspectors is None else inspectors
        self._inspectors = tuple(self.turn.wrap(item) for item in chosen)
        if crew is not None:
            crew.holder, crew.dead = self._engine.holder, self._engine.dead

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what is unfinished is carried on by the next process."""
        self._engine.close()

    @property
    def resources(self) -> tuple[Index, Blobs, KeyRing, HubAccess]:
        """What the process works with: for what is done beside an admission (`admission.conversion`)."""
        return self._index, self._blobs, self._ring, self._access

    def vet(
        self,
        request: Request,
        *,
        progress: Progress = silent,
        notice: Notice = _unheard,
        since: datetime | None = None,
    ) -> Vetted:
        """Admit a model, or carry on an admission of it that was interrupted.

        Args:
            request: what to admit.
            progress: called with (step and file, bytes done, bytes in total).
            notice: told in one sentence when this is not simply a new run.
            since: an admission of the same that began after this and has ended answers as well.

        Raises:
            AssayError: nothing was decided; what is finished is kept.
        """
        self._progress = progress
        context = request.context(str(self._policy.digest), VERSION, *self._inspector_versions())
        result = self._engine.run(
            request.subject, context, request.to_json() | {"policy": str(self._policy.digest)}, notice, since=since
        )
        return self._vetted(result)

    def carry_on_all(self, *, progress: Progress = silent, notice: Notice = _unheard) -> list[Vetted | AssayError]:
        """Carry on every admission that a dead process left behind."""
        self._progress = progress
        results = self._engine.carry_on_all(notice)
        return [self._vetted(result) if isinstance(result, dict) else result for result in results]

    @property
    def holder(self) -> str:
        """The lease of this process: nobody else takes over its work while it lives."""
        return self._engine.holder

    @property
    def lost(self) -> bool:
        """Whether others may have taken this process for dead: it must stop."""
        return self._engine.lost

    def dead(self, holder: str) -> bool:
        """Whether the process that held a lease is gone."""
        return self._engine.dead(holder)

    def _inspector_versions(self) -> list[str]:
        made = (item() if callable(item) else item for item in self._inspectors)
        return [f"{item.name} {item.version}" for item in made]

    def queue_stale(self, now: datetime, rest: timedelta | None = None) -> tuple[Stale, ...]:
        """Queue served models vetted by another policy or other inspectors, unless that was asked within `rest`."""
        made = (item() if callable(item) else item for item in self._inspectors)
        found = stale(self._catalog, self._policy.digest, {item.name: item.version for item in made}, now)
        found = rested(self._catalog, found, now - rest) if rest else found
        queue_stale(self._catalog, found, now)
        return found

    # --- the workflow ---------------------------------------------------------------------------------------------

    def _run(self, request: Json) -> Json:
        run = partial(timed_step, self._index)
        fetched = run("fetch", self._fetch, request)
        inspected = run("inspect", self._inspect, fetched)
        clock = step("clock", _now)
        decided = run("decide", self._decide, request, fetched, inspected, clock)
        written = run("bom", self._bom, request, fetched, inspected, decided)
        signed = run("sign", self._sign, request, fetched, inspected, decided, written)
        published = run("publish", self._publish, request, fetched, decided, signed)
        return {"name": request["name"], **fetched, **inspected, **decided, **written, **signed, **published}

    def _fetch(self, request: Json) -> Json:
        """1. Bytes into the store, each read and hashed once."""
        wanted = Request.from_json(request)
        started = _now()["now"]
        advance, watch = self._advance("fetch"), self._watch
        if wanted.kind == "snapshot":
            stored = Digest.parse(wanted.source)
            snapshot = _present(self._index.get_snapshot(stored, name=wanted.name), stored)
            hash_again(snapshot, self._blobs, advance, watch=watch)
            origin = replace(snapshot.origin, name=wanted.name)
            told = told_before(self._index.evidence_for(stored), wanted.name)
        else:
            snapshot = from_outside(wanted, self._blobs, self._access, advance, limits=self._limits, watch=watch)
            origin = replace(snapshot.origin, name=wanted.name, requested=wanted.requested)
            told = told_beside(wanted, snapshot, self._access)
        self._index.put_snapshot(replace(snapshot, origin=origin))
        return {
            "snapshot": str(snapshot.id),
            "origin": origin.to_json(),
            "started": started,
            "fetched": _now()["now"],
            "told": told,
        }

    def _inspect(self, fetched: Json) -> Json:
        """2. Evidence, stored whatever its outcome."""
        snapshot = self._snapshot(fetched)
        subject = Subject(
            snapshot, BlobFiles(snapshot, self._blobs), self._limits, self._watch.known(), fetched.get("told", {})
        )
        if self.crew is not None:
            self.crew.watcher = self._advance("probe")
        evidence = inspect(subject, self._inspectors, self._advance("inspect"))
        with self._index.transaction() as tx:
            digests = [str(self._index.put_evidence(one, tx)) for one in evidence]
            record_admission(self._index, snapshot, evidence, tx)
            record_kind_of(subject, tx)
            tallies.add_jobs(self._index, evidence, tx)
        return {"evidence": digests, "inspected": _now()["now"]}

    def _decide(self, request: Json, fetched: Json, inspected: Json, clock: Json) -> Json:
        """3. The verdict, by the policy that the run began with."""
        if request["policy"] != str(self._policy.digest):
            raise PolicyError("the policy changed since this admission began", hint="vet it again")
        now, snapshot = parse_time(clock["now"]), self._snapshot(fetched)
        people, envelopes = heard(self._catalog, request["name"], snapshot.id, self._trust)
        verdict = decide(snapshot, self._evidence(inspected), self._policy, now, people)
        said = [str(envelope.digest) for envelope in envelopes]
        return {"verdict": str(self._index.put_verdict(verdict)), "decision": verdict.decision.value, "people": said}

    def _heard(self, name: str, verdict: Verdict, decided: Json) -> tuple[People, tuple[Envelope, ...]]:
        """What `_decide` heard, checked again; and the envelopes that the verdict rests on."""
        people, envelopes = heard(self._catalog, name, verdict.subject, self._trust, only=frozenset(decided["people"]))
        return people, tuple(one for one in envelopes if one.digest in verdict.people)

    def _bom(self, request: Json, fetched: Json, inspected: Json, decided: Json) -> Json:
        """4. Both bills of materials, whatever the verdict: an incident asks for what was refused too."""
        boms = write_boms(
            self._snapshot(fetched),
            self._evidence(inspected),
            self._verdict(decided),
            name=request["name"],
            inventory=Inventory(self._index),
            blobs=self._blobs,
        )
        return {"bom": boms.to_json()}

    def _sign(self, request: Json, fetched: Json, inspected: Json, decided: Json, written: Json) -> Json:
        """5. Signed statements, by a signer that has decided again itself."""
        verdict = self._verdict(decided)
        if verdict.decision is Decision.ADMIT:
            with self._index.reading() as tx:
                refuse_revoked(tx, request["name"], verdict.subject)
        people, considered = self._heard(request["name"], verdict, decided)
        statements = sign_admission(
            self._snapshot(fetched),
            self._evidence(inspected),
            verdict,
            ring=self._ring,
            policy=self._policy,
            name=request["name"],
            times=(parse_time(fetched["started"]), parse_time(fetched["fetched"]), parse_time(inspected["inspected"])),
            considered=[*considered, *self._conversions(verdict.subject)],
            people=people,
            bills=read_bills(self._blobs, written["bom"]),
            environment=Digest.parse(written["bom"]["environment"]) if written["bom"]["environment"] else None,
        )
        with self._index.transaction() as tx:
            for one in statements:
                self._index.put_statement(verdict.subject, one.kind, one.role, one.envelope, one.bundle, tx=tx)
        return {"statements": [[one.kind, str(one.envelope.digest)] for one in statements]}

    def _publish(self, request: Json, fetched: Json, decided: Json, signed: Json) -> Json:
        """6. One transaction: served from now on, or refused by name from now on."""
        name, verdict = request["name"], self._verdict(decided)
        if verdict.decision is not Decision.ADMIT:
            self._catalog.record_refusal(name, verdict)
            return {"revision": None}
        ours = {digest for _, digest in signed["statements"]}
        statements = [one for one in self._index.statements_for(verdict.subject) if str(one.envelope.digest) in ours]
        if all(ref.ref != MAIN for ref in self._catalog.refs(name)):
            revision = self._catalog.next_revision(name, verdict.subject)
            approval = next(one.envelope for one in statements if one.kind == "approved")
            first = sign_first_ref(
                self._snapshot(fetched), approval, self._ring, name=name, revision=revision, at=verdict.decided_at
            )
            statements.append(first)
        published = self._catalog.publish(name, verdict.subject, verdict, statements, blobs=self._blobs)
        return {"revision": published.revision}

    def _conversions(self, snapshot_id: Digest) -> list[Envelope]:
        """What states that the snapshot was made from another one: the approval rests on it."""
        return [one.envelope for one in self._index.statements_for(snapshot_id) if one.kind == "converted"]

    # --- what the steps refer to ----------------------------------------------------------------------------------

    def _snapshot(self, fetched: Json) -> Snapshot:
        snapshot_id, origin = Digest.parse(fetched["snapshot"]), Origin.from_json(fetched["origin"])
        return replace(_present(self._index.get_snapshot(snapshot_id), snapshot_id), origin=origin)

    def _evidence(self, inspected: Json) -> tuple[Evidence, ...]:
        digests = [Digest.parse(text) for text in inspected["evidence"]]
        return tuple(_present(self._index.get_evidence(digest), digest) for digest in digests)

    def _verdict(self, decided: Json) -> Verdict:
        digest = Digest.parse(decided["verdict"])
        return _present(self._index.get_verdict(digest), digest)

    def _vetted(self, result: Json) -> Vetted:
        name = result["name"]
        return Vetted(
            name=name,
            snapshot=self._snapshot(result),
            verdict=self._verdict(result),
            evidence=self._evidence(result),
            statements=tuple((kind, Digest.parse(digest)) for kind, digest in result["statements"]),
            revision=result["revision"],
            main=next((ref.revision for ref in self._catalog.refs(name) if ref.ref == MAIN), None),
        )

    def _advance(self, doing: str) -> Progress:
        def advance(what: str, done: int, total: int) -> None:
            self._progress(f"{doing} {what}", done, total)

        return advance


def _all_inspectors(policy: Policy, index: Index) -> Iterable[Any]:
    from assay.admission.inspectors import copies_of, inspectors_for, provenance_of, tensors_of  # noqa: PLC0415

    return (*inspectors_for(policy), tensors_of(index), copies_of(index), *provenance_of(index))


def _present(thing: Thing | None, digest: Digest) -> Thing:
    if thing is None:
        raise IntegrityError(f"{digest} is not in the index any more", hint="vet the model again")
    return thing


def _now() -> Json:
    return {"now": format_time(datetime.now(UTC))}
