"""Which admitted models are of which kind: where a probe of an admission finds clean models of the same task."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from assay.core.digest import Digest
from assay.core.evidence import Outcome
from assay.core.verdict import format_time
from assay.registry.records import Refused
from assay.registry.standing import standing
from assay.store.schema import revisions
from assay.store.schema_probes import probe_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from assay.core.verdict import Verdict
    from assay.store.index import Index

INSPECTOR = "behaviour"
_LOOKED_AT = 200  # newest models of the kind


@dataclass(frozen=True, slots=True)
class Kind:
    """What makes models comparable.

    Attributes:
        kind: `text`, `image` or `language`, and the number of classes: `text/2`.
        architecture: class of architectures.
        labels: the model's own names of its classes, lower case, sorted.
    """

    kind: str
    architecture: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A model that is served now.

    Attributes:
        name: `org/name`.
        snapshot_id: its files.
        kind: as it was recorded.
        decided_at: of the verdict it is served by.
        probed: whether that verdict rests on a probe of its own that found nothing.
    """

    name: str
    snapshot_id: Digest
    kind: Kind
    decided_at: str
    probed: bool


def record_kind(snapshot_id: Digest, kind: Kind, tx: Connection) -> None:
    """Keep what a judged model is; once for each snapshot."""
    known = select(probe_kinds.c.seq).where(probe_kinds.c.snapshot_id == snapshot_id.hex)
    if tx.execute(known).first() is None:
        labels = json.dumps(kind.labels)
        values = {"snapshot_id": snapshot_id.hex, "kind": kind.kind, "architecture": kind.architecture}
        tx.execute(insert(probe_kinds).values(**values, labels=labels))


def served_of_kind(index: Index, kind: str, now: datetime) -> Iterator[Admitted]:
    """Models of a kind that are served now, newest first: nothing revoked, rejected, held or expired.

    Args:
        index: of the registry.
        kind: as in `Kind.kind`.
        now: the time.
    """
    yield from _served(index, probe_kinds.c.kind == kind, now)


def served_of_architecture(index: Index, architecture: str, now: datetime) -> Iterator[Admitted]:
    """As `served_of_kind`, of a class of architectures, whatever their task.

    Args:
        index: of the registry.
        architecture: as in `Kind.architecture`.
        now: the time.
    """
    yield from _served(index, probe_kinds.c.architecture == architecture, now)


def _served(index: Index, which: ColumnElement[bool], now: datetime) -> Iterator[Admitted]:
    joined = probe_kinds.join(revisions, revisions.c.snapshot_id == probe_kinds.c.snapshot_id)
    columns = (revisions, probe_kinds.c.kind, probe_kinds.c.architecture, probe_kinds.c.labels)
    query = select(*columns).select_from(joined).where(which)
    with index.reading() as tx:
        for row in tx.execute(query.order_by(probe_kinds.c.seq.desc()).limit(_LOOKED_AT)).all():
            try:
                verdict = standing(tx, index, row, now)
            except Refused:
                continue
            found = Kind(row.kind, row.architecture, tuple(json.loads(row.labels)))
            at, probed = format_time(verdict.decided_at), _probed(index, verdict, tx)
            yield Admitted(row.name, Digest(row.snapshot_id), found, at, probed)


def _probed(index: Index, verdict: Verdict, tx: Connection) -> bool:
    for digest in verdict.evidence:
        one = index.get_evidence(digest, tx)
        if one is not None and one.inspector == INSPECTOR:
            return one.outcome is Outcome.CLEAN
    return False
