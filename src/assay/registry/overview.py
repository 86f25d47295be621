"""What the pages ask the index: names with their newest verdict, what needs a person, what was pulled."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, literal_column, select

from assay.core.digest import Digest
from assay.core.errors import AssayError
from assay.core.statement import Envelope
from assay.core.verdict import Decision, Verdict, format_time, parse_time
from assay.registry import endings, listing
from assay.registry.rows import NEWEST, is_revoked
from assay.store import log
from assay.store.schema import decisions, statements, verdicts
from assay.store.schema_listing import listing as table
from assay.store.schema_pulls import pulls

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection, Row, Select

    from assay.registry.listing import Asked
    from assay.store.index import Index
    from assay.store.log import LogEntry

    Hidden = Callable[[str], bool] | None

SOON: Final = timedelta(days=14)  # a verdict or waiver that ends within it is shown
_OLDEST: Final = 200  # of what ends soon, and of waivers


@dataclass(frozen=True, slots=True)
class Named:
    """A name and the verdict given last under it.

    Attributes:
        name: `org/name`.
        snapshot_id: what was judged.
        decision: ADMIT, HOLD or REJECT.
        decided_at: UTC.
        verdict: its digest.
        revoked: whether a revocation of that snapshot stands.
        task: as the bill of materials says, in a list of names; may be empty.
        licence: likewise.
    """

    name: str
    snapshot_id: Digest
    decision: Decision
    decided_at: datetime
    verdict: Digest
    revoked: bool
    task: str = ""
    licence: str = ""


def named(
    index: Index,
    asked: Asked,
    now: datetime,
    *,
    shown: Callable[[str], bool],
    after: str = "",
    limit: int = 50,
) -> tuple[tuple[tuple[Named, str], ...], str | None]:
    """Names that were ever judged, sorted, each with its newest verdict and its state; and where to go on.

    Args:
        index: to ask.
        asked: which of them.
        now: the time.
        shown: whether whoever asks may see a name.
        after: only names after this one.
        limit: most of them.
    """
    found, following = listing.page(index, asked, now, after=after, limit=limit, shown=shown)
    return tuple((_listed(row), listing.state_of(row, now)) for row in found), following


def verdict_of(index: Index, name: str, snapshot_id: Digest) -> Verdict | None:
    """The verdict given last about a snapshot under a name, live or not; None when there is none."""
    where = (decisions.c.name == name, decisions.c.snapshot_id == snapshot_id.hex)
    with index.reading() as tx:
        digest = tx.execute(select(decisions.c.verdict).where(*where).order_by(*NEWEST).limit(1)).scalar()
        return index.get_verdict(Digest(digest), tx) if digest else None


def verdicts_of(index: Index, name: str, limit: int = 50) -> tuple[Named, ...]:
    """All verdicts given under a name, newest first."""
    query = _judged(decisions).where(decisions.c.name == name).order_by(*NEWEST).limit(limit)
    with index.reading() as tx:
        return tuple(_named(tx, row) for row in tx.execute(query))


def ending(index: Index, now: datetime) -> tuple[tuple[Named, datetime], ...]:
    """Published snapshots whose admission ends within `SOON` (or has ended), soonest first, with that end."""
    found = []
    with index.reading() as tx:
        for name, snapshot_id, digest in endings.until(tx, now + SOON, _OLDEST):
            verdict = index.get_verdict(digest, tx)
            if verdict is not None:
                named = Named(name, snapshot_id, verdict.decision, verdict.decided_at, digest, revoked=False)
                found.append((named, verdict.expires_at))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class EndingWaiver:
    """A waiver that ends soon: whose it is, what for, until when."""

    name: str
    rule: str
    person: str
    until: datetime


def ending_waivers(index: Index, now: datetime) -> tuple[EndingWaiver, ...]:
    """Waivers that end within `SOON`, soonest first; of the newest `_OLDEST`."""
    query = select(statements.c.envelope).where(statements.c.kind == "waived").order_by(statements.c.seq.desc())
    with index.reading() as tx:
        texts = list(tx.execute(query.limit(_OLDEST)).scalars())
    found = []
    for text in texts:
        try:
            said = Envelope.from_json(json.loads(text)).statement().predicate
            until = parse_time(said["until"])
            one = EndingWaiver(str(said["name"]), str(said["finding"]["rule"]), str(said["person"]), until)
        except (AssayError, KeyError, TypeError, ValueError):
            continue
        if now <= until <= now + SOON:
            found.append(one)
    return tuple(sorted(found, key=lambda one: one.until))


def loud(index: Index, kinds: tuple[str, ...], limit: int = 20) -> tuple[LogEntry, ...]:
    """The newest entries of some kinds, newest first."""
    with index.reading() as tx:
        return tuple(log.before(tx, log.head(tx).seq + 1, kinds, limit))


def rows(index: Index) -> tuple[int, int]:
    """About how many rows the listing and the pull ledger have."""
    newest = (select(func.coalesce(func.max(one.c.seq), 0)) for one in (table, pulls))
    with index.reading() as tx:
        names, pulled = (int(tx.execute(query).scalar_one()) for query in newest)
    return names, pulled


def counts(index: Index, hidden: Hidden = None) -> dict[str, int]:
    """How many names have ADMIT, HOLD or REJECT as their newest verdict; those whose files were revoked count apart.

    Args:
        index: to ask.
        hidden: whether a name is left out, for somebody who does not see all; None: nothing is.
    """
    found = dict.fromkeys((*(one.value for one in Decision), "revoked"), 0)
    kinds = (table.c.decision, table.c.revoked)
    with index.reading() as tx:
        if hidden is None:
            for decision, revoked, number in tx.execute(select(*kinds, func.count()).group_by(*kinds)):
                found[revoked or decision] += number
        else:
            for name, decision, revoked in tx.execute(select(table.c.name, *kinds)):
                found[revoked or decision] += not hidden(name)
    return found


def pulls_by_day(index: Index, since: datetime, hidden: Hidden = None) -> dict[str, int]:
    """Files pulled on each day (`2026-01-31`) since a moment; `hidden` as in `counts`."""
    day = func.substr(pulls.c.hour, 1, 10)
    return _pulled(index, select(day, func.sum(pulls.c.files)).group_by(day).order_by(day), since, hidden)


def pulls_by_verdict(index: Index, since: datetime, hidden: Hidden = None) -> dict[str, int]:
    """Files pulled since a moment, by what is decided today about the files under that name; `hidden`: see `counts`."""
    named = pulls.c.name.concat(literal_column("''"))  # no plain column: SQLite would go through all names in order
    recent = select(named.label("name"), pulls.c.snapshot_id, func.sum(pulls.c.files).label("files"))
    recent = recent.where(pulls.c.last_at >= format_time(since)).group_by(named, pulls.c.snapshot_id)
    each = recent.subquery()  # of each the newest verdict by itself: else PostgreSQL reads all verdicts
    same = (decisions.c.name == each.c.name, decisions.c.snapshot_id == each.c.snapshot_id)
    judged = select(verdicts.c.decision).join(decisions, decisions.c.verdict == verdicts.c.digest).where(*same)
    newest = judged.order_by(*NEWEST).limit(1).scalar_subquery()
    found: dict[str, int] = {}
    with index.reading() as tx:
        for name, decision, files in tx.execute(select(each.c.name, newest, each.c.files)):
            if decision is not None and not (hidden and hidden(name)):
                found[decision] = found.get(decision, 0) + int(files)
    return found


def _pulled(index: Index, query: Select[Any], since: datetime, hidden: Hidden) -> dict[str, int]:
    """(what, files) summed up by what; where something is hidden name by name, so that it can be left out."""
    query = query.where(pulls.c.last_at >= format_time(since))
    found: dict[str, int] = {}
    with index.reading() as tx:
        if hidden is None:
            return {what: int(count) for what, count in tx.execute(query)}
        for what, count, name in tx.execute(query.add_columns(pulls.c.name).group_by(pulls.c.name)):
            if not hidden(name):
                found[what] = found.get(what, 0) + int(count)
    return found


def adoption(index: Index, since: datetime, hidden: Hidden = None) -> tuple[int, int, int]:
    """Since a moment: consumers, models pulled, files pulled; `hidden` as in `counts`."""
    columns = (func.count(func.distinct(pulls.c.consumer)), func.count(func.distinct(pulls.c.name)))
    recent = pulls.c.last_at >= format_time(since)
    with index.reading() as tx:
        if hidden is None:
            files = func.coalesce(func.sum(pulls.c.files), 0)
            consumers, models, count = tx.execute(select(*columns, files).where(recent)).one()
            return int(consumers), int(models), int(count)
        each = select(pulls.c.name, pulls.c.consumer, func.sum(pulls.c.files)).where(recent)
        rows = [row for row in tx.execute(each.group_by(pulls.c.name, pulls.c.consumer)) if not hidden(row[0])]
    return len({row[1] for row in rows}), len({row[0] for row in rows}), sum(int(row[2]) for row in rows)


def _judged(source: Any) -> Any:
    joined = source.join(verdicts, verdicts.c.digest == decisions.c.verdict)
    columns = (decisions.c.name, decisions.c.snapshot_id, decisions.c.verdict, decisions.c.decided_at)
    return select(*columns, verdicts.c.decision).select_from(joined)


def _listed(row: Row[Any]) -> Named:
    what = Digest(row.snapshot_id), Decision(row.decision), parse_time(row.decided_at), Digest(row.verdict)
    return Named(row.name, *what, bool(row.revoked), row.task or "", row.licence or "")


def _named(tx: Connection, row: Row[Any]) -> Named:
    return Named(
        row.name,
        Digest(row.snapshot_id),
        Decision(row.decision),
        parse_time(row.decided_at),
        Digest(row.verdict),
        is_revoked(tx, Digest(row.snapshot_id)),
    )


def policies(index: Index, hidden: Hidden = None, limit: int = 1000) -> tuple[tuple[str, int], ...]:
    """Digests of the policies behind the newest verdicts of names judged lately, the commonest first, counted.

    Args:
        index: to ask.
        hidden: as in `counts`.
        limit: verdicts that are looked at.
    """
    judged = decisions.join(verdicts, verdicts.c.digest == decisions.c.verdict)
    query = select(decisions.c.name, verdicts.c.body).select_from(judged).order_by(decisions.c.seq.desc()).limit(limit)
    newest: dict[str, str] = {}
    with index.reading() as tx:
        for name, body in tx.execute(query):
            newest.setdefault(name, body)
    found = Counter(json.loads(body)["policy"] for name, body in newest.items() if hidden is None or not hidden(name))
    return tuple(found.most_common())
