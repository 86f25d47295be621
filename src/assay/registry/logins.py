"""Logins under way: what a browser or a client began and has not ended yet, by SHA-256 of a secret."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from assay.core.canonical import canonical_json
from assay.core.errors import EnvironmentFault
from assay.core.verdict import format_time, parse_time
from assay.store.schema_people import logins

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from assay.store.index import Index

MOST = 10_000  # that wait at the same time; more is a flood


@dataclass(frozen=True, slots=True)
class Waiting:
    """A login under way.

    Attributes:
        id: SHA-256 of its secret, hex.
        body: what was put.
        expires_at: UTC.
    """

    id: str
    body: dict[str, Any]
    expires_at: datetime


class Logins:
    """The logins under way of one index; thread-safe."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def put(
        self, kind: str, secret: str, body: dict[str, Any], now: datetime, lifetime: timedelta, *, user_code: str = ""
    ) -> None:
        """Keep one; forgets those that are over.

        Raises:
            EnvironmentFault: too many wait.
        """
        text = canonical_json(body).decode()
        values = {"id": _hashed(secret), "kind": kind, "user_code": user_code, "body": text}
        with self._index.transaction() as tx:
            tx.execute(delete(logins).where(logins.c.expires_at <= format_time(now)))
            if tx.execute(select(func.count()).select_from(logins)).scalar_one() >= MOST:
                raise EnvironmentFault("too many logins are under way", hint="try again in ten minutes")
            tx.execute(insert(logins).values(**values, expires_at=format_time(now + lifetime)))

    def find(self, kind: str, now: datetime, *, secret: str = "", user_code: str = "") -> Waiting | None:
        """The one with this secret or this user code, or None."""
        which = logins.c.id == _hashed(secret) if secret else logins.c.user_code == user_code
        if not secret and not user_code:
            return None
        query = select(logins).where(logins.c.kind == kind, which, logins.c.expires_at > format_time(now))
        with self._index.reading() as tx:
            row = tx.execute(query).first()
        return Waiting(row.id, json.loads(row.body), parse_time(row.expires_at)) if row else None

    def take(self, kind: str, secret: str, now: datetime) -> dict[str, Any] | None:
        """The body of the one with this secret, once: for whoever is first."""
        found = self.find(kind, now, secret=secret)
        if found is None or not self.drop(found):
            return None
        return found.body

    def change(self, waiting: Waiting, body: dict[str, Any]) -> bool:
        """Put another body in its place; whether it was still as `waiting` says."""
        old, new = (canonical_json(one).decode() for one in (waiting.body, body))
        with self._index.transaction() as tx:
            same = (logins.c.id == waiting.id) & (logins.c.body == old)
            return bool(tx.execute(update(logins).where(same).values(body=new)).rowcount)

    def drop(self, waiting: Waiting) -> bool:
        """Forget it; whether it was still there."""
        with self._index.transaction() as tx:
            return bool(tx.execute(delete(logins).where(logins.c.id == waiting.id)).rowcount)


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
