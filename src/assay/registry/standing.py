"""What stands behind a name now: which revision a ref means, and by which verdict it is served, or why it is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from assay.core.digest import Digest
from assay.core.errors import IntegrityError
from assay.registry import rows
from assay.registry.records import Refused
from assay.store.schema import Hex, decisions, statements
from assay.store.schema_uploads import uploads

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from assay.core.verdict import Verdict
    from assay.store.index import Index, StoredStatement

_DECIDED = (
    select(statements.c.seq)
    .where(statements.c.snapshot_id == bindparam("snapshot", type_=Hex), statements.c.kind == "decided")
    .limit(1)
)
_UPLOADED = (
    select(uploads.c.snapshot_id)
    .where(uploads.c.name == bindparam("name"), uploads.c.commit_id == bindparam("commit"))
    .order_by(uploads.c.seq.desc())
    .limit(1)
)
REVISION = re.compile(r"[0-9a-fA-F]{40}")
_BEGINNING = re.compile(r"[0-9a-f]{7,39}")  # as git and the public hub shorten ids
_BRANCH = "refs/heads/"  # what Git calls a branch in full; `main` and aliases are listed so


def find(tx: Connection, index: Index, name: str, revision: str) -> tuple[Row[Any], str]:
    """The row of the revision, and when it came to be what was asked for (Refused when there is none).

    A ref may be spelled in full, an id by its first seven digits or more when no other of the name begins so.
    """
    revision = revision.removeprefix(_BRANCH)
    target = None if REVISION.fullmatch(revision) else rows.target(tx, name, revision)
    row = rows.by_revision(tx, name, target.revision if target else revision)
    row = row or _uploaded(tx, index, name, revision)
    if row is None and _BEGINNING.fullmatch(revision):
        row = rows.by_beginning(tx, name, revision)
    if row is not None:
        return row, target.moved_at if target else row.published_at
    if rows.newest(tx, name):
        raise rows.revision_unknown(name, revision)
    _refuse_by_last_verdict(tx, index, name)
    raise rows.unknown(name)


def _uploaded(tx: Connection, index: Index, name: str, commit: str) -> Row[Any] | None:
    """What became of an upload, asked for by the commit id that its client was told.

    Where several waited at once, the revision has another id: it names the one published before it.
    """
    found = tx.execute(_UPLOADED, {"name": name, "commit": commit}).first()
    if found is None:
        return None
    if found.snapshot_id and (row := rows.published(tx, name, Digest(found.snapshot_id))) is not None:
        return row
    digest = rows.holding(tx, name, Digest(found.snapshot_id)) if found.snapshot_id else ""
    if digest and (verdict := index.get_verdict(Digest(digest), tx)) is not None:
        raise rows.refused(name, verdict)
    if not rows.newest(tx, name):
        return None  # what is said of the name says it
    said = f"commit {commit} of {name} waits for its verdict; try again in a few minutes"
    raise Refused("revision-unknown", said, name=name)


def standing(tx: Connection, index: Index, row: Row[Any], now: datetime | None) -> Verdict:
    """The live ADMIT by which a revision is served (Refused otherwise); None: at whatever time it is live."""
    snapshot_id = Digest(row.snapshot_id)
    rows.refuse_revoked(tx, row.name, snapshot_id)
    digest = rows.holding(tx, row.name, snapshot_id)
    verdict = index.get_verdict(Digest(digest), tx) if digest else None
    if verdict is None or verdict.subject != snapshot_id:
        raise IntegrityError(f"revision {row.revision} of {row.name!r} has no verdict", hint="run `assay log verify`")
    if not verdict.live(now or verdict.decided_at):
        raise rows.refused(row.name, verdict)
    _refuse_rejected(tx, index, row.name, snapshot_id)
    return verdict


def rejection(statements: Iterable[StoredStatement], name: str) -> str:
    """Why a person rejects the snapshot under the name; empty when the last word of nobody is a rejection."""
    last: dict[str, dict[str, Any]] = {}
    for one in statements:
        if one.kind == "decided":
            said = one.envelope.statement().predicate
            if said.get("name") == name:
                last[str(said.get("person"))] = said
    return next((f"{p} rejected it: {said['reason']}" for p, said in last.items() if said["decision"] == "reject"), "")


def _refuse_by_last_verdict(tx: Connection, index: Index, name: str) -> None:
    query = select(decisions.c.verdict).where(decisions.c.name == name).order_by(*rows.NEWEST).limit(1)
    digest = tx.execute(query).scalar()
    verdict = index.get_verdict(Digest(digest), tx) if digest else None
    if verdict is not None:
        raise rows.refused(name, verdict)


def _refuse_rejected(tx: Connection, index: Index, name: str, snapshot_id: Digest) -> None:
    """Raise Refused when the last word of a person is a rejection: it holds before anybody decides again."""
    if tx.execute(_DECIDED, {"snapshot": snapshot_id.hex}).first() is None:
        return
    if why := rejection(index.statements_for(snapshot_id, tx), name):
        raise Refused("rejected", f"{name}: {why}", name=name, snapshot_id=snapshot_id)
