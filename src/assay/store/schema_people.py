"""Tables of people: tokens, teams, sessions, logins that wait for an answer, requesters and decisions.

What decides who may do what is never changed in place: a row is added, and the log says the same (`registry.audit`).
`token_uses`, `sessions` and `logins` are the exceptions: they are traffic, not decisions.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from assay.store.schema import Hex, Seq, Textual, metadata

# `id` is the public half of a token; `hash` is Argon2 over the secret half,
# `fingerprint` the SHA-256 of that hash. `roles` and `scopes`: words, by blanks.
tokens = Table(
    "tokens",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("id", Textual, nullable=False, unique=True),
    Column("name", Textual, nullable=False),
    Column("person", Textual, nullable=False),
    Column("roles", Textual, nullable=False),
    Column("teams", Textual, nullable=False),
    Column("scopes", Textual, nullable=False),
    Column("kind", Textual, nullable=False),
    Column("hash", Textual, nullable=False),
    Column("fingerprint", Hex, nullable=False),
    Column("created_by", Textual, nullable=False),
    Column("created_at", Textual, nullable=False),
    Column("expires_at", Textual, nullable=False),
    Index("tokens_by_person", "person"),
)

token_revocations = Table(
    "token_revocations",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("token", Textual, ForeignKey("tokens.id"), nullable=False, unique=True),
    Column("revoked_by", Textual, nullable=False),
    Column("revoked_at", Textual, nullable=False),
)

# When a token was used last, to the hour: a write for every request would be too many.
token_uses = Table(
    "token_uses",
    metadata,
    Column("token", Textual, ForeignKey("tokens.id"), primary_key=True),
    Column("used_at", Textual, nullable=False),
)

# The last row for (team, kind, value) holds. `kind`: `member` (a person) or `models` (a pattern of names).
team_changes = Table(
    "team_changes",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("team", Textual, nullable=False),
    Column("kind", Textual, nullable=False),
    Column("value", Textual, nullable=False),
    Column("change", Textual, nullable=False),
    Column("changed_by", Textual, nullable=False),
    Column("changed_at", Textual, nullable=False),
    Index("team_changes_by_team", "team", "kind", "value"),
)

# Who asked for a snapshot under a name: that person can't approve it.
requesters = Table(
    "requesters",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("name", Textual, nullable=False),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False),
    Column("person", Textual, nullable=False),
    Column("requested_at", Textual, nullable=False),
    UniqueConstraint("name", "snapshot_id", "person", name="requesters_once"),
)

# What the identity token said that a pipeline's token was exchanged for: canonical JSON of selected claims.
token_claims = Table(
    "token_claims",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("token", Textual, ForeignKey("tokens.id"), nullable=False, unique=True),
    Column("claims", Textual, nullable=False),
)

# Browser sessions, by the SHA-256 of the cookie. `csrf` is what a form must bring back; `token` is the access token
# that was typed in, whose end is the session's; empty after a login through a provider.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("person", Textual, nullable=False),
    Column("roles", Textual, nullable=False),
    Column("teams", Textual, nullable=False),
    Column("scopes", Textual, nullable=False),
    Column("token", Textual, nullable=False),
    Column("csrf", Textual, nullable=False),
    Column("created_at", Textual, nullable=False),
    Column("used_at", Textual, nullable=False),
    Column("expires_at", Textual, nullable=False),
    Index("sessions_by_person", "person"),
)

# Logins under way: `web` (state of an authorization request) and `device` (RFC 8628), by SHA-256 of their secret.
logins = Table(
    "logins",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("kind", Textual, nullable=False),
    Column("user_code", Textual, nullable=False),
    Column("body", Textual, nullable=False),
    Column("expires_at", Textual, nullable=False),
    Index("logins_by_user_code", "user_code"),
)
