"""The catalogue: what is published under which name, and what a request for it resolves to.

Every change is one transaction with its log entry and its signed statements. A verdict is held per name and snapshot:
the same bytes may be refused under a name that imitates another.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from assay.core.canonical import json_digest
from assay.core.errors import IntegrityError, UsageError
from assay.core.name import check_name
from assay.core.verdict import Decision, Verdict, format_time, parse_time
from assay.registry import checks, endings, listing, rows
from assay.registry.latest import latest
from assay.registry.listing import Asked
from assay.registry.recent import MOST_FILES, Recent, RecentSnapshots
from assay.registry.records import MAIN, Page, Ref, Refused, Resolved, Revision
from assay.registry.resembling import meant
from assay.registry.retention import unmark
from assay.registry.served import served
from assay.registry.standing import REVISION, find, standing
from assay.store import log
from assay.store.schema import decisions, ref_moves, revisions, revocations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Row

    from assay.core.digest import Digest
    from assay.core.snapshot import Snapshot
    from assay.registry.served import Served
    from assay.store.blobs import Blobs
    from assay.store.index import Index, StoredStatement

REVISION_LENGTH = 40  # hex digits, as a git commit: hub clients pin by it
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def revision_id(name: str, snapshot_id: Digest, parent: str) -> str:
    """Public revision id: ours, so that a commit cached from a public hub never equals one that was vetted."""
    return json_digest({"manifest": str(snapshot_id), "parent": parent, "name": name}).hex[:REVISION_LENGTH]


def _next_id(tx: Connection, name: str, snapshot_id: Digest, parent: str) -> str:
    """What came by upload keeps the id that its client was told, whatever was published meanwhile."""
    return rows.promised(tx, name, snapshot_id) or revision_id(name, snapshot_id, parent)


class Catalog:
    """Names, revisions and refs over one index; thread-safe."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._recent = RecentSnapshots()
        # With the head of the log: whatever changes what is served is an entry of it.
        self._resolved: Recent[tuple[str, str], tuple[int, Resolved]] = Recent(MOST_FILES)

    # Changes

    def next_revision(self, name: str, snapshot_id: Digest) -> str:
        """The id of the revision that holds the snapshot under this name, or that `publish` would give it now."""
        with self.index.reading() as tx:
            row = rows.published(tx, name, snapshot_id)
            return row.revision if row else _next_id(tx, name, snapshot_id, rows.newest(tx, name))

    def publish(
        self,
        name: str,
        snapshot_id: Digest,
        verdict: Verdict,
        statements: Sequence[StoredStatement],
        now: datetime | None = None,
        *,
        blobs: Blobs,
    ) -> Revision:
        """Serve a snapshot under a name: verdict, statements, revision, `main` if it is the first, log; all or nothing.

        Repeating it changes nothing. A later publication leaves `main` where it is. For the first one, a `ref`
        statement about `main` may be among the statements; without one, `main` rests on the approval.

        Raises:
            UsageError: not a live ADMIT about this snapshot, evidence not stored, or a newer verdict exists.
            TrustError: no signed approval of this very verdict and name among the statements.
            IntegrityError: a blob of the snapshot is missing or has another size.
            Refused: the snapshot was revoked.
        """
        now = now or datetime.now(UTC)
        check_name(name)
        if verdict.subject != snapshot_id or not verdict.live(now):
            raise UsageError(f"only a live ADMIT of {snapshot_id} publishes it", hint="vet it again")
        approval = checks.approval(statements, name, verdict)
        snapshot = self._check_blobs(snapshot_id, blobs)
        with self.index.transaction() as tx:
            rows.refuse_revoked(tx, name, snapshot_id)
            unmark(tx, snapshot, blobs)
            self._check_evidence(verdict, tx)
            self._decide(tx, name, verdict, now)
            for one in statements:
                if one.kind != "ref":
                    self.index.put_statement(snapshot_id, one.kind, one.role, one.envelope, one.bundle, at=now, tx=tx)
            row = rows.published(tx, name, snapshot_id) or self._add_revision(tx, name, snapshot_id, now)
            revision = rows.revision_of(row)
            if rows.target(tx, name, MAIN) is None:
                signed = next((one for one in statements if one.kind == "ref"), None)
                if signed is None:
                    rows.record_move(tx, revision, MAIN, approval.envelope.digest, now)
                else:
                    self._move(tx, revision, MAIN, signed, now)
            listing.refresh(tx, self.index, name)
        return revision

    def move_ref(
        self, name: str, ref: str, revision: str, statement: StoredStatement, now: datetime | None = None
    ) -> Ref:
        """Point `main` or an alias to a published revision, by a signed `ref` statement that says exactly that.

        Repeating the last move changes nothing. The signature must have been checked by the caller.

        Raises:
            UsageError: when `ref` is no name for a ref.
            TrustError: when the statement says something else, or another place to move from.
            Refused: when the revision is not served (unknown, revoked, expired, rejected).
        """
        now = now or datetime.now(UTC)
        check_name(name)
        if not _REF.fullmatch(ref) or REVISION.fullmatch(ref):
            hint = "letters, digits, '-', '_' and '.', at most 96; nothing that looks like a revision id"
            raise UsageError(f"not a name for a ref: {ref[:100]!r}", hint=hint)
        with self.index.transaction() as tx:
            row = rows.by_revision(tx, name, revision)
            if row is None:
                raise rows.revision_unknown(name, revision)
            standing(tx, self.index, row, now)
            last = rows.target(tx, name, ref)
            if last is None or (last.revision, last.statement) != (revision, statement.envelope.digest.hex):
                self._move(tx, rows.revision_of(row), ref, statement, now)
                last = rows.target(tx, name, ref)
                listing.refresh(tx, self.index, name)
        if last is None:
            raise IntegrityError(f"ref {ref!r} of {name!r} did not move")
        return rows.ref_of(last)

    def record_refusal(self, name: str, verdict: Verdict, now: datetime | None = None) -> None:
        """Keep a REJECT or HOLD under the name, so that whoever asks for it gets the reasons; idempotent.

        A revision that was served from this snapshot under this name is not served any more; a verdict that turned is
        an entry of its own in the log.

        Raises:
            UsageError: for an ADMIT, or a name that no client can ask for.
        """
        if verdict.decision is Decision.ADMIT:
            raise UsageError("an ADMIT is published, not recorded as a refusal")
        check_name(name)
        now = now or datetime.now(UTC)
        with self.index.transaction() as tx:
            turned = rows.admitted(tx, name, verdict.subject)
            if self._decide(tx, name, verdict, now) and turned:
                body = {"name": name, "snapshot": verdict.subject.hex, "verdict": verdict.digest.hex, "from": turned}
                log.append(tx, "turned", {**body, "reason": verdict.reasons[0].text}, now)
            listing.refresh(tx, self.index, name)

    def revoke(self, snapshot_id: Digest, reason: str, statement: StoredStatement, now: datetime | None = None) -> None:
        """Never serve this snapshot again, under any name, by a signed `revoked` statement; idempotent.

        Raises:
            TrustError: when the statement is of another kind or about another snapshot.
        """
        now = now or datetime.now(UTC)
        checks.about(statement, "revoked", snapshot_id)
        digest = statement.envelope.digest.hex
        with self.index.transaction() as tx:
            query = select(revocations.c.seq).where(
                revocations.c.snapshot_id == snapshot_id.hex, revocations.c.statement == digest
            )
            if tx.execute(query).first() is not None:
                return
            self.index.put_statement(
                snapshot_id, "revoked", statement.role, statement.envelope, statement.bundle, at=now, tx=tx
            )
            values = {"snapshot_id": snapshot_id.hex, "reason": reason, "statement": digest}
            tx.execute(insert(revocations).values(**values, revoked_at=format_time(now)))
            log.append(tx, "revoked", {"snapshot": snapshot_id.hex, "reason": reason, "statement": digest}, now)
            listing.refresh_snapshot(tx, self.index, snapshot_id)

    def _check_blobs(self, snapshot_id: Digest, blobs: Blobs) -> Snapshot:
        snapshot = self.index.get_snapshot(snapshot_id)
        if snapshot is None:
            raise UsageError(f"snapshot {snapshot_id} is not in the index", hint="put it there first")
        for entry in snapshot.files:
            if blobs.size(entry.digest) != entry.size:
                raise IntegrityError(f"blob {entry.digest} has another size than {entry.path!r} of the snapshot")
        return snapshot

    def _check_evidence(self, verdict: Verdict, tx: Connection) -> None:
        for digest in verdict.evidence:
            found = self.index.get_evidence(digest, tx)
            if found is None or found.subject != verdict.subject:
                raise UsageError(f"evidence {digest} of the verdict is not in the index", hint="put it there first")

    def _decide(self, tx: Connection, name: str, verdict: Verdict, now: datetime) -> bool:
        """Record that this verdict holds for the name from now on; once. Whether it was new."""
        self.index.put_verdict(verdict, tx)
        mine = (decisions.c.name == name, decisions.c.snapshot_id == verdict.subject.hex)
        if tx.execute(select(1).where(*mine, decisions.c.verdict == verdict.digest.hex)).first() is not None:
            return False
        decided = format_time(verdict.decided_at)
        newer = tx.execute(select(decisions.c.decided_at).where(*mine, decisions.c.decided_at > decided)).first()
        if newer is not None and verdict.decision is Decision.ADMIT:
            raise UsageError(f"a newer verdict about {name!r} was given at {newer.decided_at}", hint="vet it again")
        row = {"name": name, "snapshot_id": verdict.subject.hex, "verdict": verdict.digest.hex}
        tx.execute(insert(decisions).values(**row, decided_at=decided))
        endings.refresh(tx, self.index, name, verdict.subject)
        kind = "admitted" if verdict.decision is Decision.ADMIT else "refused"
        body = {"name": name, "snapshot": verdict.subject.hex, "verdict": verdict.digest.hex, "decided_at": decided}
        log.append(tx, kind, {**body, "decision": verdict.decision.value}, now)
        return True

    def _add_revision(self, tx: Connection, name: str, snapshot_id: Digest, now: datetime) -> Row[Any]:
        parent = rows.newest(tx, name)
        revision = _next_id(tx, name, snapshot_id, parent)
        values = {"name": name, "revision": revision, "parent": parent}
        tx.execute(insert(revisions).values(**values, snapshot_id=snapshot_id.hex, published_at=format_time(now)))
        log.append(tx, "published", {**values, "snapshot": snapshot_id.hex}, now)
        row = rows.by_revision(tx, name, revision)
        if row is None:
            raise IntegrityError(f"revision {revision} of {name!r} vanished while it was published")
        return row

    def _move(self, tx: Connection, revision: Revision, ref: str, statement: StoredStatement, now: datetime) -> None:
        last = rows.target(tx, revision.name, ref)
        expected = {
            "name": revision.name,
            "ref": ref,
            "revision": revision.revision,
            "previousRevision": last.revision if last else "",
        }
        checks.ref_move(statement, revision.snapshot_id, expected)
        digest = self.index.put_statement(
            revision.snapshot_id, "ref", statement.role, statement.envelope, statement.bundle, at=now, tx=tx
        )
        rows.record_move(tx, revision, ref, digest, now)

    # Questions

    def resolve(self, name: str, revision: str = MAIN, now: datetime | None = None) -> Resolved:
        """What is served for a name and a ref or revision id.

        Raises:
            Refused: when nothing is: only a live ADMIT that was not revoked is served.
            IntegrityError: when the index was changed behind assay's back.
        """
        now, asked = now or datetime.now(UTC), (name, revision)
        head = self.index.log_head()
        kept = self._resolved.get(asked)
        if kept is not None and kept[0] == head and kept[1].verdict.live(now):
            return kept[1]
        plain = served(self.index, [asked], now, with_origin=True).get(asked)
        resolved = self._plainly(plain) if plain else None
        resolved = resolved or self._closely(name, revision, now)
        self._recent.put(resolved.snapshot, name)
        self._resolved.put(asked, (head, resolved), len(resolved.snapshot.files))
        return resolved

    def _plainly(self, found: Served) -> Resolved | None:
        name, verdict = found.row.name, found.verdict
        snapshot = self._recent.get(verdict.subject, name) or found.snapshot()
        if snapshot is None:
            return None
        return Resolved(name, found.row.revision, snapshot, verdict, parse_time(found.row.moved_at))

    def _closely(self, name: str, revision: str, now: datetime) -> Resolved:
        """Step by step, with the reason of a refusal."""
        try:
            return self._step_by_step(name, revision, now)
        except Refused as refusal:
            if refusal.kind != "unknown":
                raise
            near = meant(self.index, name, now)
            raise rows.unknown(name, near.nearest, but_for_case=near.but_for_case) from None

    def _step_by_step(self, name: str, revision: str, now: datetime) -> Resolved:
        with self.index.reading() as tx:
            row, moved_at = find(tx, self.index, name, revision)
            verdict = standing(tx, self.index, row, now)
            snapshot = self._recent.get(verdict.subject, name)
            if snapshot is None:
                snapshot = self.index.get_snapshot(verdict.subject, name=name, tx=tx)
        if snapshot is None:
            raise IntegrityError(f"the snapshot of {name!r} revision {row.revision} is not in the index")
        return Resolved(name, row.revision, snapshot, verdict, parse_time(moved_at))

    def refs(self, name: str) -> tuple[Ref, ...]:
        """Where the refs of a name point, sorted; empty for a name that was never published."""
        newest = select(func.max(ref_moves.c.seq)).where(ref_moves.c.name == name).group_by(ref_moves.c.ref)
        with self.index.reading() as tx:
            moves = tx.execute(select(ref_moves).where(ref_moves.c.seq.in_(newest)).order_by(ref_moves.c.ref)).all()
        return tuple(rows.ref_of(row) for row in moves)

    def revisions(self, name: str) -> tuple[Revision, ...]:
        """All revisions ever published under a name, newest first, served or not."""
        query = select(revisions).where(revisions.c.name == name).order_by(revisions.c.seq.desc())
        with self.index.reading() as tx:
            return tuple(rows.revision_of(row) for row in tx.execute(query))

    def models(
        self,
        search: str = "",
        limit: int = 100,
        cursor: str | None = None,
        now: datetime | None = None,
        *,
        shown: Callable[[str], bool] = lambda _name: True,
        asked: Asked | None = None,
        newest: str = "",
    ) -> Page:
        """Models whose `main` is served now, by name.

        Args:
            search: a part of the name, case ignored.
            limit: most entries of the page.
            cursor: of the page before.
            now: the time.
            shown: whether whoever asks may see a name.
            asked: further filters; its `search` and `served` are not looked at.
            newest: `moved_at` or `created_at`: the newest first instead.

        Raises:
            UsageError: for a limit below 1.
        """
        if limit < 1:
            raise UsageError("a page needs at least one entry")
        wanted = replace(asked or Asked(), search=search, served=True)
        now = now or datetime.now(UTC)
        if newest:
            found, following = latest(self.index, wanted, now, by=newest, after=cursor or "", limit=limit, shown=shown)
            return Page(tuple(found), following)
        found, following = listing.page(self.index, wanted, now, after=cursor or "", limit=limit, shown=shown)
        return Page(tuple(found), following)
