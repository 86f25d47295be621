"""Access tokens: made, listed, revoked and checked.

A check costs one lookup by id. Argon2 runs the first time that a process sees a token; that it fitted is then
remembered by the SHA-256 of the token. Expiry and revocation are read from the index each time: both hold from the
next request on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import argon2
from sqlalchemy import insert, select, update

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.verdict import format_time, parse_time
from assay.registry.people import MODEL_SCOPE, ROLES, SCOPES, Actor
from assay.registry.token_text import ALPHABET, ID_LENGTH, SECRET_LENGTH, TokenText
from assay.store import log
from assay.store.schema_people import token_claims, token_revocations, token_uses, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from assay.store.index import Index

LIFETIME = timedelta(days=90)  # of a token that is made without saying how long
LONGEST = timedelta(days=366)
_USED_STEP = timedelta(hours=1)  # `used_at` is written at most so often
_REMEMBERED = 4096  # tokens whose Argon2 hash a process has checked
_NAME_LENGTH = 100
_SCOPE_LENGTH = 200
# The secret has 178 bits, so the hash only has to keep a stolen index from giving out tokens: the least that RFC 9106
# calls Argon2id, and 8 MiB, so that a flood of guesses does not fill the memory.
_HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)
_NO_HASH = _HASHER.hash("no token has this secret")


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known about a token; the secret is not.

    Attributes:
        id: public half.
        name: what its owner calls it.
        person: whose it is.
        roles: out of `people.ROLES`, sorted.
        teams: teams that it stands for besides those of the registry.
        scopes: sorted; empty: all that the roles may.
        kind: `token` (made by a person), `device` (login of a client), `ci` (exchanged for a pipeline's identity).
        created_by: who made it.
        created_at: UTC.
        expires_at: UTC.
        revoked_at: UTC, or None.
        used_at: UTC, to the hour, or None.
        claims: of the pipeline's identity token that it was exchanged for (repository, workflow, ref, run).
    """

    id: str
    name: str
    person: str
    roles: tuple[str, ...]
    teams: tuple[str, ...]
    scopes: tuple[str, ...]
    kind: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None
    claims: dict[str, str] = field(default_factory=dict)

    def live(self, now: datetime) -> bool:
        """Whether it works at `now`."""
        return self.revoked_at is None and now < self.expires_at

    def actor(self) -> Actor:
        """Who acts with it."""
        words = (frozenset(self.roles), frozenset(self.teams), frozenset(self.scopes))
        return Actor(self.person, *words, token=self.id, kind=self.kind)

    def to_json(self) -> dict[str, Any]:
        """As the API and `--format json` show it."""
        return {
            "id": self.id,
            "name": self.name,
            "person": self.person,
            "roles": list(self.roles),
            "teams": list(self.teams),
            "scopes": list(self.scopes),
            "kind": self.kind,
            "created_by": self.created_by,
            "created_at": format_time(self.created_at),
            "expires_at": format_time(self.expires_at),
            "revoked_at": format_time(self.revoked_at) if self.revoked_at else None,
            "used_at": format_time(self.used_at) if self.used_at else None,
            "claims": self.claims,
        }


class Tokens:
    """The tokens of one index; thread-safe."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._fitting: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def create(
        self,
        *,
        person: str,
        roles: Iterable[str],
        name: str,
        by: str,
        now: datetime,
        lifetime: timedelta = LIFETIME,
        scopes: Iterable[str] = (),
        teams: Iterable[str] = (),
        kind: str = "token",
        claims: dict[str, str] | None = None,
    ) -> tuple[str, TokenRecord]:
        """Make a token; returns its text, which is kept nowhere, and what is kept.

        Raises:
            UsageError: for an unknown role or scope, an empty or overlong name, or a lifetime out of bounds.
        """
        held, scope, team = (tuple(sorted(set(words))) for words in (roles, scopes, teams))
        _check(person, name, held, scope, lifetime)
        text = TokenText(_random(ID_LENGTH), _random(SECRET_LENGTH))
        hashed = _HASHER.hash(text.secret)
        values = {
            "id": text.id,
            "name": name,
            "person": person,
            "roles": " ".join(held),
            "teams": " ".join(team),
            "scopes": " ".join(scope),
            "kind": kind,
            "fingerprint": Digest.of(hashed.encode()).hex,
            "created_by": by,
            "created_at": format_time(now),
            "expires_at": format_time(now + lifetime),
        }
        with self._index.transaction() as tx:
            tx.execute(insert(tokens).values(**values, hash=hashed))
            said: dict[str, Any] = {key: value for key, value in values.items() if key != "created_at"}
            if claims:
                tx.execute(insert(token_claims).values(token=text.id, claims=canonical_json(claims).decode()))
                said["claims"] = claims
            log.append(tx, "token-created", said, now)
            record = _record(_one(tx, text.id))
        return str(text), record

    def revoke(self, token_id: str, *, by: str, now: datetime) -> TokenRecord:
        """End a token; again changes nothing (UsageError when there is none)."""
        with self._index.transaction() as tx:
            row = _one(tx, token_id)
            if row.revoked_at is None:
                body = {"token": token_id, "revoked_by": by}
                tx.execute(insert(token_revocations).values(**body, revoked_at=format_time(now)))
                log.append(tx, "token-revoked", body, now)
            return _record(_one(tx, token_id))

    def get(self, token_id: str) -> TokenRecord:
        """What is known about a token (UsageError when there is none)."""
        with self._index.reading() as tx:
            return _record(_one(tx, token_id))

    def all(self, person: str | None = None) -> tuple[TokenRecord, ...]:
        """Every token ever made, oldest first; of one person when named."""
        query = _query().order_by(tokens.c.seq)
        if person is not None:
            query = query.where(tokens.c.person == person)
        with self._index.reading() as tx:
            return tuple(_record(row) for row in tx.execute(query))

    def check(self, text: str, now: datetime) -> TokenRecord | None:
        """The live token that `text` is, or None. Takes as long for an unknown id as for a wrong secret."""
        parts = TokenText.parse(text)
        if parts is None:
            return None
        with self._index.reading() as tx:
            row = tx.execute(_query().where(tokens.c.id == parts.id)).first()
        if not self._fits(parts, row.hash if row else _NO_HASH) or row is None:
            return None
        record = _record(row)
        return record if record.live(now) else None

    @staticmethod
    def noted(record: TokenRecord, now: datetime) -> bool:
        """Whether `used` has nothing to write."""
        return record.used_at is not None and now < record.used_at + _USED_STEP

    def used(self, record: TokenRecord, now: datetime) -> None:
        """Remember that it was used, to the hour."""
        if self.noted(record, now):
            return
        at = format_time(now.replace(minute=0, second=0))
        with self._index.transaction() as tx:
            done = tx.execute(update(token_uses).where(token_uses.c.token == record.id).values(used_at=at))
            if not done.rowcount:
                tx.execute(insert(token_uses).values(token=record.id, used_at=at))

    def _fits(self, parts: TokenText, stored: str) -> bool:
        digest = hashlib.sha256(str(parts).encode()).digest()
        with self._lock:
            known = self._fitting.get(digest)
            if known is not None:
                self._fitting.move_to_end(digest)
        if known is not None and hmac.compare_digest(known, stored):
            return True
        try:
            _HASHER.verify(stored, parts.secret)
        except argon2.exceptions.VerificationError:
            return False
        with self._lock:
            self._fitting[digest] = stored
            while len(self._fitting) > _REMEMBERED:
                self._fitting.popitem(last=False)
        return True


def _check(person: str, name: str, roles: tuple[str, ...], scopes: tuple[str, ...], lifetime: timedelta) -> None:
    for what, value in (("person", person), ("name", name)):
        if not value or len(value) > _NAME_LENGTH or not value.isprintable():
            raise UsageError(f"a token needs a {what} of at most {_NAME_LENGTH} printable characters: {value[:50]!r}")
    if not roles or any(role not in ROLES for role in roles):
        raise UsageError(f"not a role: {' '.join(roles) or 'none'}", hint=f"one of {', '.join(ROLES)}")
    for scope in scopes:
        of_models = scope.startswith(MODEL_SCOPE) and scope != MODEL_SCOPE
        if (scope not in SCOPES and not of_models) or len(scope) > _SCOPE_LENGTH or not scope.isprintable():
            raise UsageError(f"not a scope: {scope[:50]!r}", hint=f"{', '.join(SCOPES)}, or {MODEL_SCOPE}org/*")
        if " " in scope:
            raise UsageError(f"a scope with a blank: {scope[:50]!r}")
    if not timedelta(0) < lifetime <= LONGEST:
        raise UsageError(f"a token lives for at most {LONGEST.days} days", hint="make a new one then")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _query() -> Any:
    joined = tokens.outerjoin(token_revocations, token_revocations.c.token == tokens.c.id)
    joined = joined.outerjoin(token_uses, token_uses.c.token == tokens.c.id)
    joined = joined.outerjoin(token_claims, token_claims.c.token == tokens.c.id)
    columns = (token_revocations.c.revoked_at, token_uses.c.used_at, token_claims.c.claims)
    return select(tokens, *columns).select_from(joined)


def _one(tx: Connection, token_id: str) -> Row[Any]:
    row = tx.execute(_query().where(tokens.c.id == token_id)).first()
    if row is None:
        raise UsageError(f"no token {token_id[:50]!r}", hint="`assay token list` shows their ids")
    return row


def _record(row: Row[Any]) -> TokenRecord:
    return TokenRecord(
        id=row.id,
        name=row.name,
        person=row.person,
        roles=tuple(row.roles.split()),
        teams=tuple(row.teams.split()),
        scopes=tuple(row.scopes.split()),
        kind=row.kind,
        created_by=row.created_by,
        created_at=parse_time(row.created_at),
        expires_at=parse_time(row.expires_at),
        revoked_at=parse_time(row.revoked_at) if row.revoked_at else None,
        used_at=parse_time(row.used_at) if row.used_at else None,
        claims=json.loads(row.claims) if row.claims else {},
    )
