"""The listing of names: kept in step with what it repeats, and searched.

Whoever changes what a name stands for calls `refresh` in the same transaction: a list is never older than the
catalogue. What ends by itself (a verdict) is compared with the clock by the query.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, Text, bindparam, func, insert, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from assay.core.digest import Digest
from assay.core.errors import IntegrityError
from assay.core.verdict import format_time, parse_time
from assay.registry.records import MAIN, Model, Refused
from assay.registry.rows import NEWEST, is_revoked
from assay.registry.standing import find, standing
from assay.store.schema import decisions, revisions, verdicts
from assay.store.schema_inventory import boms
from assay.store.schema_listing import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy import BindParameter, Connection, Row, Select

    from assay.store.index import Index

SERVED: Final = "served"
EXPIRED: Final = "expired"
BROKEN: Final = "broken"
_GRAM: Final = 3  # characters; a shorter search walks through the names
_MOST_SORTED: Final = 4000  # hits of a search that are counted
_COMMON: Final = 16  # see `common`
_OF_MAIN: Final = ("main_revision", "main_snapshot", "served_from", "served_until", "created_at", "moved_at")
_FILTERS: Final = ("publisher", "decision", "task", "licence")
_HITS: Final = "SELECT rowid FROM listing_text WHERE listing_text MATCH :phrase"
_COUNTED: Final = text(f"SELECT count(*), (SELECT max(seq) FROM listing) FROM ({_HITS} LIMIT :most)")  # noqa: S608 - constants
_MOST_BATCH: Final = 2000  # rows read at once while most are hidden


@dataclass(frozen=True, slots=True)
class Asked:
    """What to list; all that is given must fit.

    Attributes:
        search: a part of the name, case ignored.
        publisher: the name's first part.
        decision: ADMIT, HOLD or REJECT, as the newest verdict.
        task: `text-classification` and the like, as the bill of materials says.
        licence: likewise.
        served: only what is served now.
    """

    search: str = ""
    publisher: str = ""
    decision: str = ""
    task: str = ""
    licence: str = ""
    served: bool = False


# Changes


def refresh(tx: Connection, index: Index, name: str) -> None:
    """Write down again what the name stands for; nothing for one that was never judged."""
    values = _values(tx, index, name)
    if values is None:
        return
    if tx.execute(update(listing).where(listing.c.name == name).values(**values)).rowcount:
        return
    key = name.lower()
    new = {**values, "name": name, "name_key": key, "publisher": name.rpartition("/")[0]}
    if tx.dialect.name == "postgresql":
        tx.execute(insert(listing).values(**new, grams=grams(key)))
        return
    (seq,) = tx.execute(insert(listing).values(**new)).inserted_primary_key or (None,)
    tx.execute(text("INSERT INTO listing_text (rowid, name) VALUES (:seq, :name)"), {"seq": seq, "name": key})


def refresh_snapshot(tx: Connection, index: Index, snapshot_id: Digest) -> None:
    """`refresh` every name that a snapshot was judged or published under."""
    names: set[str] = set()
    for table in (decisions, revisions):
        names.update(
            tx.execute(select(table.c.name).where(table.c.snapshot_id == snapshot_id.hex).distinct()).scalars()
        )
    for name in sorted(names):
        refresh(tx, index, name)


def differences(tx: Connection, index: Index) -> Iterator[str]:
    """Where the listing says something else than the tables that it repeats, one sentence each."""
    judged = select(decisions.c.name).distinct()
    for name in tx.execute(judged.where(decisions.c.name.not_in(select(listing.c.name)))).scalars().all():
        yield f"the listing lacks {name}"
    for row in tx.execute(select(listing)).all():
        values = _values(tx, index, row.name) or {}
        for column in sorted(key for key, value in values.items() if getattr(row, key) != value):
            yield f"the listing says {column} {str(getattr(row, column))[:80]!r} about {row.name}"


def grams(key: str) -> list[str]:
    """Every three characters in a row, once each."""
    return sorted({key[at : at + _GRAM] for at in range(len(key) - _GRAM + 1)})


def _values(tx: Connection, index: Index, name: str) -> dict[str, Any] | None:
    joined = decisions.join(verdicts, verdicts.c.digest == decisions.c.verdict)
    columns = (decisions.c.snapshot_id, decisions.c.decided_at, decisions.c.verdict, verdicts.c.decision)
    newest = tx.execute(
        select(*columns).select_from(joined).where(decisions.c.name == name).order_by(*NEWEST).limit(1)
    ).first()
    if newest is None:
        return None
    values = {
        **newest._asdict(),
        **dict.fromkeys(_OF_MAIN, ""),
        "revoked": "revoked" if is_revoked(tx, Digest(newest.snapshot_id)) else "",
        "state": SERVED,
    }
    try:
        row, moved_at = find(tx, index, name, MAIN)
        first = select(func.min(revisions.c.published_at)).where(revisions.c.name == name)
        values |= {"main_revision": row.revision, "main_snapshot": row.snapshot_id, "moved_at": moved_at}
        values["created_at"] = tx.execute(first).scalar_one()
        verdict = standing(tx, index, row, None)
        values |= {"served_from": format_time(verdict.decided_at), "served_until": format_time(verdict.expires_at)}
    except Refused as refusal:
        values["state"] = refusal.kind
    except IntegrityError:
        values["state"] = BROKEN  # resolving it says so; a revocation of something else goes on
    return values | _facets(tx, name, values["main_snapshot"] or newest.snapshot_id)


def _facets(tx: Connection, name: str, snapshot: str) -> dict[str, str]:
    where = (boms.c.name_key == name.lower(), boms.c.kind == "record", boms.c.snapshot_id == snapshot)
    row = tx.execute(select(boms.c.licence, boms.c.body).where(*where).order_by(boms.c.seq.desc()).limit(1)).first()
    if row is None:
        return {"task": "", "licence": ""}
    task = json.loads(row.body).get("fields", {}).get("task", {}).get("value")
    return {"task": task.lower() if isinstance(task, str) else "", "licence": row.licence.lower()}


# Questions


def page(
    index: Index, asked: Asked, now: datetime, *, after: str, limit: int, shown: Callable[[str], bool]
) -> tuple[list[Row[Any]], str | None]:
    """At most `limit` rows by name behind `after`, and the name to go on behind; None at the end.

    Args:
        index: to ask.
        asked: what to list.
        now: the time.
        after: only names behind this one.
        limit: most rows.
        shown: whether whoever asks may see a name.
    """
    found: list[Row[Any]] = []
    batch = limit + 1
    with index.reading() as tx:
        statement, values = query(tx, asked, now)
        while True:
            got = tx.execute(statement, {**values, "after": after, "limit": batch}).all()
            for row in got:
                if shown(row.name):
                    if len(found) == limit:
                        return found, after
                    found.append(row)
                after = row.name
            if len(got) < batch:
                return found, None
            batch = min(2 * batch, _MOST_BATCH)


def query(tx: Connection, asked: Asked, now: datetime) -> tuple[Select[Any], dict[str, Any]]:
    """The statement that lists what fits, by name, and its values but `after` and `limit`."""
    given = {column: value for column in _FILTERS if (value := getattr(asked, column))}
    how, values = _how(tx, asked.search.lower())
    if asked.served:
        values["now"] = format_time(now)
    return _statement(tuple(given), how, asked.served), {**given, **values}


def state_of(row: Row[Any], now: datetime) -> str:
    """`served`, or why `main` is not."""
    if row.state == SERVED and not row.served_from <= format_time(now) < row.served_until:
        return EXPIRED
    return str(row.state)


def model_of(row: Row[Any]) -> Model:
    """A row of something served as a value."""
    times = parse_time(row.created_at), parse_time(row.moved_at)
    until = parse_time(row.served_until)
    return Model(row.name, row.main_revision, Digest(row.main_snapshot), *times, until, row.task, row.licence)


@cache
def _statement(filters: tuple[str, ...], how: str, served: bool) -> Select[Any]:
    """Made once for each kind of question: SQLAlchemy takes longer to make it than a database to answer it."""
    columns = [column for column in listing.c if column.name not in {"seq", "name_key", "grams"}]
    made = select(*columns).where(*(listing.c[column] == bindparam(column) for column in filters))
    if served:
        now: BindParameter[str] = bindparam("now")
        made = made.where(listing.c.state == SERVED, listing.c.served_from <= now, listing.c.served_until > now)
    if how in {"walk", "grams"}:
        made = made.where(listing.c.name_key.like(bindparam("like"), escape="/"))
    if how == "grams":
        made = made.where(listing.c.grams.contains(bindparam("grams", type_=ARRAY(Text()))))
    if how == "phrase":
        made = made.where(listing.c.seq.in_(text(_HITS).columns(literal_column("rowid"))))
    return (
        made.where(listing.c.name > bindparam("after"))
        .order_by(listing.c.name)
        .limit(bindparam("limit", type_=Integer()))
    )


def _how(tx: Connection, key: str) -> tuple[str, dict[str, Any]]:
    """How a part of a name is looked for, and the values for that."""
    if not key:
        return "", {}
    like = {"like": f"%{key.replace('/', '//').replace('%', '/%').replace('_', '/_')}%"}
    if len(key) < _GRAM:
        return "walk", like
    if tx.dialect.name == "postgresql":
        return "grams", {**like, "grams": grams(key)}
    phrase = {"phrase": '"' + key.replace('"', '""') + '"'}
    hits, names = tx.execute(_COUNTED, {**phrase, "most": _MOST_SORTED}).one()
    return ("walk", like) if common(hits, names or 0) else ("phrase", phrase)


def common(hits: int, names: int) -> bool:
    """Whether so many hits are found sooner by walking through the names in order than by collecting and sorting.

    A hit that is collected costs some 3 µs, a name that is walked by 0.5 µs; a page is 100 hits: 3 h = 50 n / h.
    """
    return hits >= _MOST_SORTED or hits * hits > _COMMON * names
