"""Browser sessions: started by a login, ended by a logout, by time, or with the token they rest on.

The cookie holds 256 random bits; the index holds their SHA-256, so a stolen index opens no session. Start and end are
entries of the log.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, or_, select, update

from assay.core.verdict import format_time, parse_time
from assay.registry.people import Actor
from assay.store import log
from assay.store.schema_people import sessions, token_revocations

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row

    from assay.store.index import Index

ABSOLUTE = timedelta(hours=12)  # a working day: NIST SP 800-63B-4, 2.2.3 recommends 24 hours at most
IDLE = timedelta(hours=1)  # NIST SP 800-63B-4, 2.2.3
_STEP = timedelta(minutes=5)  # `used_at` is written at most so often
_BYTES = 32  # of the cookie and of the CSRF token
SESSION = "session"


@dataclass(frozen=True, slots=True)
class Session:
    """A live session.

    Attributes:
        id: SHA-256 of the cookie, hex.
        actor: who acts in it, of the kind `session`.
        csrf: what every change must bring back besides the cookie.
        created_at: UTC.
        used_at: UTC, to five minutes.
        expires_at: UTC.
    """

    id: str
    actor: Actor
    csrf: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class Sessions:
    """The sessions of one index; thread-safe."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def start(self, actor: Actor, now: datetime, *, until: datetime | None = None) -> tuple[str, Session]:
        """Begin one; the cookie's value, which is kept nowhere, and the session. Forgets what has ended by itself.

        Args:
            actor: whose rights it has; with `actor.token` it ends when that token is revoked.
            now: the time.
            until: when it ends at the latest, if before `ABSOLUTE`.
        """
        cookie = secrets.token_urlsafe(_BYTES)
        end = min(now + ABSOLUTE, until) if until else now + ABSOLUTE
        values = {
            "id": _hashed(cookie),
            "person": actor.person,
            "roles": " ".join(sorted(actor.roles)),
            "teams": " ".join(sorted(actor.teams)),
            "scopes": " ".join(sorted(actor.scopes)),
            "token": actor.token,
            "csrf": secrets.token_urlsafe(_BYTES),
            "created_at": format_time(now),
            "used_at": format_time(now),
            "expires_at": format_time(end),
        }
        said = {key: values[key] for key in ("person", "roles", "teams", "scopes", "token", "expires_at")}
        with self._index.transaction() as tx:
            over = or_(sessions.c.expires_at <= format_time(now), sessions.c.used_at <= format_time(now - IDLE))
            tx.execute(delete(sessions).where(over))
            tx.execute(insert(sessions).values(**values))
            log.append(tx, "session-started", {**said, "session": _short(values["id"])}, now)
            row = tx.execute(select(sessions).where(sessions.c.id == values["id"])).one()
        return cookie, _session(row)

    def find(self, cookie: str, now: datetime) -> Session | None:
        """The live session of a cookie, or None."""
        joined = sessions.outerjoin(token_revocations, token_revocations.c.token == sessions.c.token)
        query = select(sessions, token_revocations.c.revoked_at).select_from(joined)
        with self._index.reading() as tx:
            row = tx.execute(query.where(sessions.c.id == _hashed(cookie))).first()
        if row is None or row.revoked_at is not None:
            return None
        found = _session(row)
        return found if now < found.expires_at and now < found.used_at + IDLE else None

    def live(self, now: datetime) -> tuple[Session, ...]:
        """All that work now, by person."""
        joined = sessions.outerjoin(token_revocations, token_revocations.c.token == sessions.c.token)
        good = (sessions.c.expires_at > format_time(now), sessions.c.used_at > format_time(now - IDLE))
        query = select(sessions).select_from(joined).where(*good, token_revocations.c.token.is_(None))
        with self._index.reading() as tx:
            rows = tx.execute(query.order_by(sessions.c.person, sessions.c.created_at)).all()
        return tuple(_session(row) for row in rows)

    @staticmethod
    def noted(session: Session, now: datetime) -> bool:
        """Whether `used` has nothing to write."""
        return now < session.used_at + _STEP

    def used(self, session: Session, now: datetime) -> None:
        """Remember that it was used, to five minutes."""
        if self.noted(session, now):
            return
        with self._index.transaction() as tx:
            older = (
                sessions.c.id == session.id,
                sessions.c.used_at < format_time(now),
            )  # a late writer takes nothing back
            tx.execute(update(sessions).where(*older).values(used_at=format_time(now)))

    def end(self, session: Session, now: datetime) -> None:
        """Log out; again changes nothing."""
        with self._index.transaction() as tx:
            if tx.execute(delete(sessions).where(sessions.c.id == session.id)).rowcount:
                log.append(tx, "session-ended", {"person": session.actor.person, "session": _short(session.id)}, now)


def _hashed(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _short(session_id: str) -> str:
    return session_id[:16]


def _session(row: Row[Any]) -> Session:
    roles, teams, scopes = (frozenset(text.split()) for text in (row.roles, row.teams, row.scopes))
    created, used, expires = (parse_time(text) for text in (row.created_at, row.used_at, row.expires_at))
    actor = Actor(row.person, roles, teams, scopes, row.token, SESSION)
    return Session(row.id, actor, row.csrf, created, used, expires)
