"""What this registry itself recorded of a name: uploads, revisions, and when the weights of its revisions changed."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from assay.provenance.statements import WEIGHT_SUFFIXES
from assay.store.schema import revisions, snapshots
from assay.store.schema_uploads import uploads

if TYPE_CHECKING:
    from assay.core.digest import Digest
    from assay.store.index import Index

MOST_REVISIONS: Final = 200  # newest ones that are looked at
MOST_UPLOADS: Final = 10_000
MOST_NAMED: Final = 20


class Past:
    """The record over one index."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def of(self, name: str, snapshot_id: Digest) -> dict[str, Any]:
        """Of a name until now.

        Args:
            name: `org/name`.
            snapshot_id: what is being judged; its own revision does not count as one before it.
        """
        published = (
            select(revisions.c.revision, revisions.c.snapshot_id, revisions.c.published_at, snapshots.c.manifest)
            .join(snapshots, snapshots.c.id == revisions.c.snapshot_id)
            .where(revisions.c.name == name)
            .order_by(revisions.c.seq.desc())
            .limit(MOST_REVISIONS)
        )
        sent = select(uploads.c.actor, uploads.c.uploaded_at, uploads.c.snapshot_id).where(uploads.c.name == name)
        with self._index.reading() as tx:
            rows = [row for row in tx.execute(published) if row.snapshot_id != snapshot_id.hex]
            came = tx.execute(sent.order_by(uploads.c.seq.desc()).limit(MOST_UPLOADS)).all()
        mine = [row for row in came if row.snapshot_id == snapshot_id.hex]
        people = Counter(row.actor for row in came)
        weights = [(row.revision, row.published_at, _weights(row.manifest)) for row in rows]
        changed = [
            {"revision": revision, "at": at}
            for number, (revision, at, held) in enumerate(weights)
            if number + 1 == len(weights) or held != weights[number + 1][2]
        ]
        return {
            "revisions": len(rows),
            "first": rows[-1].published_at if rows else "",
            "last": rows[0].published_at if rows else "",
            "weights_changed": changed[0] if changed else None,
            "uploads": len(came),
            "uploaders": [[actor, count] for actor, count in people.most_common(MOST_NAMED)],
            "uploaded_by": mine[0].actor if mine else "",
            "uploaded_at": mine[0].uploaded_at if mine else "",
        }


def _weights(manifest: str) -> list[tuple[str, str]]:
    files = json.loads(manifest)["files"]
    return sorted((one["path"], one["sha256"]) for one in files if one["path"].lower().endswith(WEIGHT_SUFFIXES))
