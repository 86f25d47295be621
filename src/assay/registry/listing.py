"""The listing of names: kept in step with what it repeats, and searched.

Whoever changes what a name stands for calls `refresh` in the same transaction: a list is never older than the
catalogue. What ends by itself (a verdict) is compared with the clock by the query.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Integer, Text, bindparam, func, insert, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from assay.core.digest import Digest
from assay.core.errors import IntegrityError
from assay.core.verdict import format_time
from assay.registry import tags
from assay.registry.records import MAIN, Model, Refused
from assay.registry.rows import NEWEST, is_revoked
from assay.registry.standing import find, standing
from assay.store.database import lone
from assay.store.schema import decisions, revisions, verdicts
from assay.store.schema_inventory import boms
from assay.store.schema_listing import listing, listing_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy import BindParameter, Connection, Dialect, Engine, Select

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
OF_A_MODEL: Final = (  # as `records.Model` has them
    "name",
    "main_revision",
    "main_snapshot",
    "created_at",
    "moved_at",
    "served_until",
    "task",
    "licence",
)


class _Judged(NamedTuple):
    """What a list says about a name, as the index holds it."""

    name: str
    snapshot_id: str
    decision: str
    decided_at: str
    verdict: str
    revoked: str
    main_revision: str
    state: str
    served_from: str
    served_until: str
    task: str
    licence: str


FILTERS: Final = ("publisher", "decision", "task", "licence")
_HITS: Final = text("SELECT rowid FROM listing_text WHERE listing_text MATCH :phrase")
_CLOSE_BY: Final = {"sqlite": "up-to", "postgresql": "of-few"}  # how each is led to stop at the last row of a page
_FEW: Final = 500  # names looked through before hits are collected, when there are more of them
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
        tags: words that it is found by (`registry.tags`), in lower case.
    """

    search: str = ""
    publisher: str = ""
    decision: str = ""
    task: str = ""
    licence: str = ""
    served: bool = False
    tags: tuple[str, ...] = ()


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
    tags.refresh(tx, name, values["main_snapshot"] or values["snapshot_id"])
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
        if tags.stored(tx, row.name) != tags.computed(tx, row.name, row.main_snapshot or row.snapshot_id):
            yield f"the listing says other words about {row.name} than its files and its bill of materials"


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


def facets(index: Index, name: str) -> tuple[str, str]:
    """Task and licence that a name is listed under, in lower case; empty where they are not known."""
    with index.reading() as tx:
        row = tx.execute(select(listing.c.task, listing.c.licence).where(listing.c.name == name)).first()
    return (row.task, row.licence) if row else ("", "")


def page(
    index: Index, asked: Asked, now: datetime, *, after: str, limit: int, shown: Callable[[str], bool]
) -> tuple[list[Any], str | None]:
    """At most `limit` rows by name behind `after`, and the name to go on behind; None at the end.

    Args:
        index: to ask.
        asked: what to list.
        now: the time.
        after: only names behind this one.
        limit: most rows.
        shown: whether whoever asks may see a name.
    """
    found: list[Any] = []
    batch = limit + 1
    key = asked.search.lower()
    how, values = _how(index.engine, key)
    values |= {column: value for column in FILTERS if (value := getattr(asked, column))}
    values |= {f"tag{number}": tag for number, tag in enumerate(asked.tags)}
    if asked.served:
        values |= {"state": SERVED, "now": format_time(now)}
    while True:
        given = {**values, "after": after, "limit": batch}
        got = _close_by(index, asked, how, given) or _ask(index, asked, how, given)
        for row in got:
            if shown(row.name):
                if len(found) == limit:
                    return found, found[-1].name if found else after  # never the name of a row that is hidden
                found.append(row)
            after = row.name
        if len(got) < batch:
            return found, None
        batch = min(2 * batch, _MOST_BATCH)


def _ask(index: Index, asked: Asked, how: str, given: dict[str, Any]) -> list[Any]:
    filters = tuple(column for column in FILTERS if getattr(asked, column))
    statement, constants, order = _text(index.engine.dialect, filters, how, asked.served, len(asked.tags))
    named = {**constants, **given}
    values = named if order is None else [named[name] for name in order]
    make = Model._make if asked.served else _Judged._make
    return [make(row) for row in index.plain(statement, [values])]


def _close_by(index: Index, asked: Asked, how: str, given: dict[str, Any]) -> list[Any] | None:
    """A whole page out of the next few names, where hits that would else be collected and sorted stand together.

    As those of one publisher do. Not looked for when there are so few hits that all of them are sooner collected.
    """
    key = asked.search.lower()
    if asked.tags or how not in {"phrase", "grams"} or _expected(index.engine, key) < _FEW:
        return None
    got = _ask(index, asked, _CLOSE_BY[index.engine.dialect.name], {**given, "like": like_of(key), "few": _FEW})
    return got if len(got) == given["limit"] else None


def state_of(row: Any, now: datetime) -> str:
    """`served`, or why `main` is not."""
    if row.state == SERVED and not row.served_from <= format_time(now) < row.served_until:
        return EXPIRED
    return str(row.state)


@cache
def _text(
    dialect: Dialect, filters: tuple[str, ...], how: str, served: bool, count: int
) -> tuple[str, dict[str, Any], list[str] | None]:
    """In the driver's words, values of its own, and the order of all (None: it takes them by name).

    Made once for each kind of question: SQLAlchemy takes longer to make and send it than a database to answer it.
    """
    made = _statement(filters, how, served, count).compile(dialect=dialect)
    return str(made), dict(made.params), list(made.positiontup) if made.positiontup is not None else None


def _statement(filters: tuple[str, ...], how: str, served: bool, count: int) -> Select[Any]:
    shown = OF_A_MODEL if served else _Judged._fields
    behind = listing.c.name > bindparam("after")
    few = bindparam("few", type_=Integer())
    some = select(listing).where(behind).order_by(listing.c.name)
    names = some.limit(few).subquery() if how == "of-few" else listing
    made = select(*(names.c[column] for column in shown))
    made = made.where(*(names.c[column] == bindparam(column) for column in filters))
    if served:
        now: BindParameter[str] = bindparam("now")
        made = made.where(names.c.state == bindparam("state"))
        made = made.where(names.c.served_from <= now, names.c.served_until > now)
    if how == "up-to":  # the last of a few; none when there are not so many
        made = made.where(names.c.name <= some.with_only_columns(listing.c.name).limit(1).offset(few).scalar_subquery())
    if how in {"walk", "grams", *_CLOSE_BY.values()}:
        made = made.where(names.c.name_key.like(bindparam("like"), escape="/"))
    if how == "grams":
        made = made.where(names.c.grams.contains(bindparam("grams", type_=ARRAY(Text()))))
    if how == "phrase":
        made = made.where(names.c.seq.in_(_HITS.columns(literal_column("rowid"))))
    if how != "of-few":
        made = made.where(behind)
    if count:  # the names of the first tag in their order, which its index has
        tagged = [listing_tags.alias() for _ in range(count)]
        for number, one in enumerate(tagged):
            made = made.where(one.c.tag == bindparam(f"tag{number}"), one.c.name == names.c.name)
        return made.order_by(tagged[0].c.name).limit(bindparam("limit", type_=Integer()))
    return made.order_by(names.c.name).limit(bindparam("limit", type_=Integer()))


def _how(engine: Engine, key: str) -> tuple[str, dict[str, Any]]:
    """How a part of a name is looked for, and the values for that."""
    if not key:
        return "", {}
    like = {"like": like_of(key)}
    if len(key) < _GRAM:
        return "walk", like
    if common(engine, key):
        return "walk", like
    if engine.dialect.name == "postgresql":
        return "grams", {**like, "grams": grams(key)}
    return "phrase", {"phrase": '"' + key.replace('"', '""') + '"'}


def like_of(key: str) -> str:
    """A pattern of SQL for names with `key` in them."""
    escaped = key.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return f"%{escaped}%"


def common(engine: Engine, key: str) -> bool:
    """Whether hits are found sooner by walking through the names in order than by collecting all and sorting them.

    A hit h that is collected costs some 3 µs, one of the n names that is walked by 0.5 µs, and a page is 100 hits:
    3 h = 50 n / h.
    """
    hits = _expected(engine, key)
    return hits * hits > _COMMON * _sampled(engine).last


def _expected(engine: Engine, key: str) -> float:
    """How many names have `key` in them, judged by a sample."""
    sample = _sampled(engine)
    return sample.text.count(key) / max(sample.names, 1) * sample.last


def _sampled(engine: Engine) -> _Sample:
    """Some names. They may be some seconds old: it changes how names are looked for, never what is found."""
    sample = _SAMPLES.get(engine)
    if sample is None or time.monotonic() - sample.at > _SAMPLE_SECONDS:
        with lone(engine) as tx:
            last = tx.execute(select(func.max(listing.c.seq))).scalar() or 0
            chosen = {1 + number * _SPREAD % last for number in range(min(last, _SAMPLE))}
            names = tx.execute(select(listing.c.name_key).where(listing.c.seq.in_(chosen))).scalars().all()
        sample = _SAMPLES[engine] = _Sample(time.monotonic(), last, len(names), "\n".join(names))
    return sample
