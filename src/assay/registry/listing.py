"""The listing of names: kept in step with what it repeats, and searched.

Whoever changes what a name stands for calls `refresh` in the same transaction: a list is never older than the
catalogue. What ends by itself (a verdict) is compared with the clock by the query.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Integer, Text, bindparam, func, insert, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from assay.core.digest import Digest
from assay.core.errors import IntegrityError
from assay.core.verdict import format_time
from assay.registry.records import MAIN, Refused
from assay.registry.rows import NEWEST, is_revoked
from assay.registry.standing import find, standing
from assay.store.database import lone
from assay.store.schema import decisions, revisions, verdicts
from assay.store.schema_inventory import boms
from assay.store.schema_listing import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy import BindParameter, Connection, Engine, Row, Select

    from assay.store.index import Index

SERVED: Final = "served"
EXPIRED: Final = "expired"
BROKEN: Final = "broken"
_GRAM: Final = 3  # characters; a shorter search walks through the names
_COMMON: Final = 16  # see `common`
_SAMPLE: Final = 2000  # names
_SPREAD: Final = 0x9E3779B1  # a prime near 2³² divided by the golden ratio: multiples of it lie everywhere
_SAMPLE_SECONDS: Final = 5.0
_OF_MAIN: Final = ("main_revision", "main_snapshot", "served_from", "served_until", "created_at", "moved_at")
_OF_A_MODEL: Final = (  # as `records.Model` has them
    "name",
    "main_revision",
    "main_snapshot",
    "created_at",
    "moved_at",
    "served_until",
    "task",
    "licence",
)
_OF_A_NAME: Final = (
    *("name", "snapshot_id", "decision", "decided_at", "verdict", "revoked", "task", "licence"),
    *("main_revision", "state", "served_from", "served_until"),
)
_FILTERS: Final = ("publisher", "decision", "task", "licence")
_HITS: Final = text("SELECT rowid FROM listing_text WHERE listing_text MATCH :phrase")
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


@dataclass(frozen=True, slots=True)
class _Sample:
    """Some names, by lines: taken `at`, of `last` that there were."""

    at: float
    last: int
    names: int
    text: str


_SAMPLES: WeakKeyDictionary[Engine, _Sample] = WeakKeyDictionary()

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
    with lone(index.engine) as tx:
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


@cache
def _statement(filters: tuple[str, ...], how: str, served: bool) -> Select[Any]:
    """Made once for each kind of question: SQLAlchemy takes longer to make it than a database to answer it."""
    shown = _OF_A_MODEL if served else _OF_A_NAME
    made = select(*(listing.c[column] for column in shown))
    made = made.where(*(listing.c[column] == bindparam(column) for column in filters))
    if served:
        now: BindParameter[str] = bindparam("now")
        made = made.where(listing.c.state == SERVED, listing.c.served_from <= now, listing.c.served_until > now)
    if how in {"walk", "grams"}:
        made = made.where(listing.c.name_key.like(bindparam("like"), escape="/"))
    if how == "grams":
        made = made.where(listing.c.grams.contains(bindparam("grams", type_=ARRAY(Text()))))
    if how == "phrase":
        made = made.where(listing.c.seq.in_(_HITS.columns(literal_column("rowid"))))
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
    if common(tx, key):
        return "walk", like
    if tx.dialect.name == "postgresql":
        return "grams", {**like, "grams": grams(key)}
    return "phrase", {"phrase": '"' + key.replace('"', '""') + '"'}


def common(tx: Connection, key: str) -> bool:
    """Whether hits are found sooner by walking through the names in order than by collecting all and sorting them.

    A hit h that is collected costs some 3 µs, one of the n names that is walked by 0.5 µs, and a page is 100 hits:
    3 h = 50 n / h. Judged by a sample of names, which may be some seconds old: it changes how, never what is found.
    """
    sample = _SAMPLES.get(tx.engine)
    if sample is None or time.monotonic() - sample.at > _SAMPLE_SECONDS:
        last = tx.execute(select(func.max(listing.c.seq))).scalar() or 0
        chosen = {1 + number * _SPREAD % last for number in range(min(last, _SAMPLE))}
        names = tx.execute(select(listing.c.name_key).where(listing.c.seq.in_(chosen))).scalars().all()
        sample = _SAMPLES[tx.engine] = _Sample(time.monotonic(), last, len(names), "\n".join(names))
    hits = sample.text.count(key) / max(sample.names, 1) * sample.last
    return hits * hits > _COMMON * sample.last
