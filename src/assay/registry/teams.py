"""Teams: who belongs to one, and which models only its members see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, or_, select

from assay.core.errors import UsageError
from assay.core.verdict import format_time
from assay.registry.people import Actor, Thing, visible
from assay.registry.queue import HUB, UPLOAD
from assay.store import log
from assay.store.schema_people import requesters, team_changes
from assay.store.schema_queue import work

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from assay.core.digest import Digest
    from assay.store.index import Index

KINDS = ("member", "models")
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VALUE_LENGTH = 200
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Team:
    """A team as it is now.

    Attributes:
        name: letters, digits, `.`, `_`, `-`.
        members: persons, sorted.
        models: patterns of model names (`risk/*`), sorted.
    """

    name: str
    members: tuple[str, ...]
    models: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"name": self.name, "members": list(self.members), "models": list(self.models)}


class Teams:
    """The teams of one index."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def change(self, team: str, kind: str, value: str, *, add: bool, by: str, now: datetime) -> Team:
        """Add or remove a member or a pattern of models; what is so already changes nothing.

        Raises:
            UsageError: for a name, kind or value that is none.
        """
        if not _TEAM.fullmatch(team) or kind not in KINDS:
            raise UsageError(f"not a team: {team[:64]!r}", hint="letters, digits, '.', '_' and '-', at most 64")
        if not value or len(value) > _VALUE_LENGTH or not value.isprintable() or " " in value:
            raise UsageError(f"not a {kind}: {value[:64]!r}")
        with self._index.transaction() as tx:
            if ((team, kind, value) in _now(tx)) is not add:
                values = {"team": team, "kind": kind, "value": value, "change": "added" if add else "removed"}
                tx.execute(insert(team_changes).values(**values, changed_by=by, changed_at=format_time(now)))
                log.append(tx, "team-changed", {**values, "changed_by": by}, now)
            found = _now(tx)
        return _team(team, found)

    def all(self) -> tuple[Team, ...]:
        """Every team that has a member or a model, by name."""
        with self._index.reading() as tx:
            found = _now(tx)
        return tuple(_team(name, found) for name in sorted({team for team, _, _ in found}))

    def of_person(self, person: str) -> frozenset[str]:
        """Teams that a person belongs to."""
        with self._index.reading() as tx:
            return frozenset(team for team, kind, value in _now(tx) if (kind, value) == ("member", person))

    def patterns(self) -> tuple[tuple[str, str], ...]:
        """(pattern of model names, team), for all teams."""
        with self._index.reading() as tx:
            return tuple((value, team) for team, kind, value in _now(tx) if kind == "models")


@dataclass(frozen=True, slots=True)
class Unseen:
    """Whether a model must not even be counted; equal for all who see the same.

    Attributes:
        patterns: (pattern of model names, team), of all teams.
        teams: out of them, those of whoever asks.
    """

    patterns: tuple[tuple[str, str], ...]
    teams: frozenset[str]

    def __call__(self, name: str) -> bool:
        """True: it is as if it was not there."""
        return not visible(Actor("", teams=self.teams), Thing(name, teams_of(name, self.patterns)))


def teams_of(model: str, patterns: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """Teams that a model belongs to; none: it is everybody's."""
    return frozenset([team for pattern, team in patterns if fnmatchcase(model, pattern)]) if patterns else _NONE


def thing_of(index: Index, model: str, snapshot_id: Digest | None = None) -> Thing:
    """A model as `people.may` looks at it; with a snapshot, also who asked for that one."""
    with index.reading() as tx:
        patterns = tuple((value, team) for team, kind, value in _now(tx) if kind == "models")
        asked = requesters_of(tx, model, snapshot_id) if snapshot_id else frozenset()
    return Thing(model, teams_of(model, patterns), asked)


def record_requester(tx: Connection, model: str, snapshot_id: Digest, person: str, now: datetime) -> None:
    """Remember who asked for a snapshot under a name; once."""
    values = {"name": model, "snapshot_id": snapshot_id.hex, "person": person}
    where = (requesters.c[column] == value for column, value in values.items())
    if tx.execute(select(requesters.c.seq).where(*where)).first() is None:
        tx.execute(insert(requesters).values(**values, requested_at=format_time(now)))
        log.append(tx, "requested", {"name": model, "snapshot": snapshot_id.hex, "person": person}, now)


def requesters_of(tx: Connection, model: str, snapshot_id: Digest) -> frozenset[str]:
    """Who asked for a snapshot under a name: as it was recorded, and as the queue says (an upload, a request)."""
    where = (requesters.c.name == model, requesters.c.snapshot_id == snapshot_id.hex)
    recorded = tx.execute(select(requesters.c.person).where(*where)).scalars()
    this = or_(work.c.kind.in_((HUB, UPLOAD)), work.c.source == str(snapshot_id))
    asked = tx.execute(select(work.c.asked_by).where(work.c.name == model, this)).scalars()
    return frozenset(recorded) | {person for person in asked if not person.startswith("assay: ")}


def _now(tx: Connection) -> set[tuple[str, str, str]]:
    """(team, kind, value) of everything that was added and not removed since."""
    columns = (team_changes.c.team, team_changes.c.kind, team_changes.c.value)
    last = select(func.max(team_changes.c.seq)).group_by(*columns)
    query = select(*columns).where(team_changes.c.seq.in_(last), team_changes.c.change == "added")
    return {(row.team, row.kind, row.value) for row in tx.execute(query)}


def _team(name: str, found: set[tuple[str, str, str]]) -> Team:
    def of(kind: str) -> tuple[str, ...]:
        return tuple(sorted(value for team, what, value in found if (team, what) == (name, kind)))

    return Team(name, of("member"), of("models"))
