"""The inventory: every bill of materials, made here or imported, found by what stands in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, insert, literal, select

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.verdict import format_time
from assay.store.schema import revisions
from assay.store.schema_inventory import bom_hashes, bom_links, boms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from assay.store.index import Index

RELATIONS = ("base", "dataset", "tokenizer", "component")
_BAND_VALUES = 4  # of a sketch: sixteen bands of four find three in four copies of 70 %, and nearly all of 85 %
_MOST_FOUND = 10_000


@dataclass(frozen=True)
class Entry:
    """A bill of materials, as it is kept.

    Attributes:
        digest: of the record or the imported file.
        kind: `record`, `cyclonedx` or `spdx`.
        name: `org/name`, or what an imported one calls its subject.
        snapshot: hex id of the manifest; empty for an imported one.
        publisher: may be empty.
        licence: concluded, else declared; may be empty.
        body: the record, or what was taken from the file.
        hashes: (SHA-256 in hex, what it is of).
        links: (relation, target).
        sketch: MinHash of the card's text; may be empty.
        recorded_at: RFC 3339; filled when it is read back.
    """

    digest: str
    kind: str
    name: str
    snapshot: str
    publisher: str
    licence: str
    body: dict[str, Any]
    hashes: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    sketch: tuple[int, ...] = ()
    recorded_at: str = ""

    def to_json(self) -> dict[str, Any]:
        """As `assay bom find --format json` prints it."""
        return {
            "digest": f"sha256:{self.digest}",
            "kind": self.kind,
            "name": self.name,
            "snapshot": f"sha256:{self.snapshot}" if self.snapshot else None,
            "publisher": self.publisher,
            "licence": self.licence,
            "recorded_at": self.recorded_at,
            "summary": self.body.get("summary", ""),
        }


@dataclass(frozen=True)
class Query:
    """What to find; all that is given must fit. Text is compared without case, whole.

    Attributes:
        hash: SHA-256 of the manifest, a file, a base's file, a component, or of the bill of materials itself.
        name: of the model.
        publisher: of it.
        licence: of it.
        base: a model that it was made from, at any depth.
        dataset: it was trained or evaluated on.
        tokenizer: class, or SHA-256 of a tokenizer file.
        everything: also bills of materials that a newer one of the same name and kind replaced.
    """

    hash: str = ""
    name: str = ""
    publisher: str = ""
    licence: str = ""
    base: str = ""
    dataset: str = ""
    tokenizer: str = ""
    everything: bool = False


@dataclass(frozen=True)
class Alike:
    """A model with nearly the same card: its name and the estimated share of equal text."""

    name: str
    share: float


@dataclass
class Inventory:
    """Bills of materials over one index."""

    index: Index
    limit: int = field(default=_MOST_FOUND)

    def put(self, entry: Entry, at: datetime, tx: Connection | None = None) -> bool:
        """Keep a bill of materials; whether it is a new one."""
        links = [*entry.links, *(("card", band) for band in _bands(entry.sketch))]
        with self.index.transaction(tx) as connection:
            if connection.execute(select(1).where(boms.c.digest == entry.digest)).first() is not None:
                return False
            body = {**entry.body, "card_sketch": list(entry.sketch)} if entry.sketch else entry.body
            values = {"digest": entry.digest, "kind": entry.kind, "name": entry.name, "name_key": entry.name.lower(),
                      "snapshot_id": entry.snapshot, "publisher": entry.publisher, "licence": entry.licence,
                      "body": canonical_json(body).decode(), "recorded_at": format_time(at)}  # fmt: skip
            connection.execute(insert(boms).values(**values))
            if hashes := sorted(set(entry.hashes)):
                rows = [{"bom": entry.digest, "sha256": sha256, "what": what} for sha256, what in hashes]
                connection.execute(insert(bom_hashes), rows)
            if links:
                found = [{"bom": entry.digest, "relation": relation, "target": target, "target_key": target.lower()}
                         for relation, target in sorted(set(links))]  # fmt: skip
                connection.execute(insert(bom_links), found)
        return True

    def find(self, query: Query) -> tuple[Entry, ...]:
        """Everything that fits, newest first.

        Raises:
            UsageError: for a query without anything to look for, or more results than `limit`.
        """
        statement = select(boms).where(*_conditions(query)).order_by(boms.c.seq.desc()).limit(self.limit + 1)
        if not query.everything:
            newest = select(func.max(boms.c.seq)).group_by(boms.c.name_key, boms.c.kind)
            statement = statement.where(boms.c.seq.in_(newest))
        with self.index.reading() as tx:
            rows = tx.execute(statement).all()
        if len(rows) > self.limit:
            raise UsageError(f"more than {self.limit} bills of materials fit", hint="ask for less")
        return tuple(_entry(row) for row in rows)

    def newest(self, name: str, kind: str = "record", tx: Connection | None = None) -> Entry | None:
        """The current bill of materials of a name; None when there is none."""
        query = select(boms).where(boms.c.name_key == name.lower(), boms.c.kind == kind).order_by(boms.c.seq.desc())
        with self.index.reading(tx) as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else _entry(row)

    def get(self, digest: Digest) -> Entry | None:
        """By its own digest."""
        with self.index.reading() as tx:
            row = tx.execute(select(boms).where(boms.c.digest == digest.hex)).first()
        return None if row is None else _entry(row)

    def licences_above(self, name: str) -> dict[str, str]:
        """Licences of a model and of everything that it was made from, at any depth; empty where unknown.

        As bills of materials name them, each with the licence of the current one of that name.
        """
        with self.index.reading() as tx:
            names = tx.execute(_ancestors(name.lower()).limit(self.limit)).scalars().all()
        found = {name: self.newest(name), **{one: self.newest(one) for one in names}}
        return {one: entry.licence if entry else "" for one, entry in found.items()}

    def alike(self, sketch: Iterable[int], share: float, name: str) -> tuple[Alike, ...]:
        """Models whose card is nearly the same text, most alike first.

        A copy came later than what it copies, and what was refused here is nobody's model: of the models judged here
        only those count that were published before `name` was.

        Args:
            sketch: MinHash values of the card.
            share: least estimated share of equal text, 0 to 1.
            name: whose card it is.
        """
        values = tuple(sketch)
        if not values:
            return ()
        keys = list(_bands(values))
        query = (
            select(boms)
            .join(bom_links, bom_links.c.bom == boms.c.digest)
            .where(bom_links.c.relation == "card", bom_links.c.target_key.in_(keys))
            .distinct()
            .limit(self.limit)
        )
        with self.index.reading() as tx:
            entries = [_entry(row) for row in tx.execute(query)]
            names = {entry.name for entry in entries if entry.kind == "record"}
            counted = _published_before(tx, names, name)
        entries = [entry for entry in entries if entry.kind != "record" or entry.name in counted]
        best: dict[str, float] = {}
        for entry in entries:
            equal = sum(a == b for a, b in zip(values, entry.sketch, strict=False)) / len(values)
            if equal >= share:
                best[entry.name] = max(equal, best.get(entry.name, 0.0))
        return tuple(Alike(name, value) for name, value in sorted(best.items(), key=lambda item: (-item[1], item[0])))


def _published_before(tx: Connection, names: set[str], name: str) -> set[str]:
    first = select(revisions.c.name, func.min(revisions.c.seq).label("seq")).group_by(revisions.c.name)
    since = tx.execute(select(func.min(revisions.c.seq)).where(revisions.c.name == name)).scalar()
    rows = tx.execute(first.where(revisions.c.name.in_(names))).all()
    return {row.name for row in rows if since is None or row.seq < since}


def _bands(sketch: tuple[int, ...]) -> Iterable[str]:
    for start in range(0, len(sketch), _BAND_VALUES):
        yield f"{start}:" + "-".join(f"{value:x}" for value in sketch[start : start + _BAND_VALUES])


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.hash:
        digest = Digest.parse(query.hash.lower()).hex
        inside = select(bom_hashes.c.bom).where(bom_hashes.c.sha256 == digest)
        found.append((boms.c.digest == digest) | (boms.c.snapshot_id == digest) | boms.c.digest.in_(inside))
    for column, text in ((boms.c.name_key, query.name), (boms.c.publisher, query.publisher),
                         (boms.c.licence, query.licence)):  # fmt: skip
        if text:
            found.append(func.lower(column) == text.lower())
    if query.base:
        found.append(boms.c.name_key.in_(_descendants(query.base.lower())))
    for relation, text in (("dataset", query.dataset), ("tokenizer", query.tokenizer)):
        if text:
            key = text.lower().removeprefix("sha256:")
            found.append(boms.c.digest.in_(select(bom_links.c.bom).where(_link(relation, key))))
    if not found and not query.everything:
        raise UsageError("nothing to look for", hint="give --hash, --name, --publisher, --licence, --base, … or --all")
    return found


def _link(relation: str, key: str) -> Any:
    return and_(bom_links.c.relation == relation, bom_links.c.target_key == key)


def _descendants(base: str) -> Select[Any]:
    """Names of everything made from a model, at any depth; a cycle ends it, since UNION keeps each name once."""
    start = select(literal(base).label("name")).cte("family", recursive=True)
    step = (
        select(boms.c.name_key)
        .join(bom_links, and_(bom_links.c.bom == boms.c.digest, bom_links.c.relation == "base"))
        .join(start, bom_links.c.target_key == start.c.name)
    )
    family = start.union(step)
    return select(family.c.name).where(family.c.name != base)


def _ancestors(name: str) -> Select[Any]:
    """Names of everything that a model was made from, at any depth, lower case; a cycle ends it as above."""
    start = select(literal(name).label("name")).cte("family", recursive=True)
    step = (
        select(bom_links.c.target_key)
        .join(boms, and_(bom_links.c.bom == boms.c.digest, bom_links.c.relation == "base"))
        .join(start, boms.c.name_key == start.c.name)
    )
    family = start.union(step)
    return select(family.c.name).where(family.c.name != name)


def _entry(row: Row[Any]) -> Entry:
    body = json.loads(row.body)
    sketch = tuple(body.pop("card_sketch", ()))
    return Entry(
        row.digest, row.kind, row.name, row.snapshot_id, row.publisher, row.licence, body,
        sketch=sketch, recorded_at=row.recorded_at,
    )  # fmt: skip
