"""What the handlers share: the catalogue, the blobs, settings and a clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from anyio import CapacityLimiter

from assay.core.limits import GIB
from assay.registry.kept import Kept
from assay.registry.logins import Logins
from assay.registry.pulls import PullLedger
from assay.registry.recent import Recent
from assay.registry.sessions import Sessions
from assay.registry.teams import Teams
from assay.registry.tokens import Tokens
from assay.server.fresh import LogHead
from assay.server.integrity import Integrity
from assay.server.limits import BAD_TOKENS, Buckets, Refusals
from assay.server.session import cookie_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import Scope

    from assay.provenance.keys import KeyRing
    from assay.provenance.trust import Trust
    from assay.registry.catalog import Catalog
    from assay.registry.people import Actor
    from assay.registry.tokens import TokenRecord
    from assay.server.metrics import Metrics
    from assay.server.oidc import Issuers
    from assay.server.oidc_login import OidcLogin
    from assay.server.target import Target
    from assay.store.blobs import Blobs

_PATTERNS_SECONDS = 2.0  # that the models of teams are remembered; tokens and revocations are read each time
# A link into object storage knows nothing of a revocation after it: long enough to begin (and resume) a download. The
# check is at its beginning, so a file of any size is sent to its end.
LINK_SECONDS = 300
MAX_FILE = 200 * GIB  # bytes of one uploaded file
_TOKENS = 10_000  # remembered
_ASKING = 8  # threads that wait for others
_TRANSFERS = 32  # threads that read blobs, and as many that store them; other requests have threads of their own


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the registry answers.

    Attributes:
        hosts: host names that requests may name, besides those of loopback.
        accel_prefix: internal location of nginx that maps to the blob directory (`/_blobs`): files are then sent by
            nginx (X-Accel-Redirect), which does not hash them; `assay`'s scrub does. None: sent from here.
        presign_seconds: how long the link to a blob in object storage is good for.
        anonymous: whether models are read without a token. Only right when nobody but this machine gets here, or a
            proxy asks who is there.
        break_glass: whether the policy in force lets an admin decide alone.
        per_minute: requests of one address in a minute, on average; 0: any number.
        hub: whether a hub is configured, so that models can be asked for.
        vet_through: whether a pull of a model that was never vetted asks for it.
        upload_file: bytes that one file may have.
        upload_quota: bytes that one person may send in within 24 hours; 0: any number.
    """

    hosts: tuple[str, ...] = ()
    accel_prefix: str | None = None
    presign_seconds: int = LINK_SECONDS
    anonymous: bool = True
    break_glass: bool = False
    per_minute: int = 0
    hub: bool = False
    vet_through: bool = False
    upload_file: int = MAX_FILE
    upload_quota: int = 0


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Registry:
    """The state of one server.

    Attributes:
        catalog: what is served.
        blobs: the bytes.
        settings: how to answer.
        clock: the time; read once for each request.
        ring: holds the registry's key, that of the log where it lies beside it, and no other; None serves statements
            without a signed view, and with proofs as far as the newest checkpoint reaches.
        trust: keys of people; None: no decision is taken here.
        issuers: whose identity tokens pipelines may exchange; None: nobody's.
        login: through which provider people log in; None: they type an access token.
        integrity: what is known about the blobs' bytes.
        transfers: bounds the threads that read blobs.
        asking: bounds the threads that wait for a provider of identities.
        arrivals: bounds the threads that store what clients send, as slowly as they like.
        tokens: access tokens.
        sessions: of browsers.
        logins: under way.
        teams: who sees what.
        metrics: counters.
        limiter: how often one address may come; None: as often as it likes.
        refusals: refused calls by address, for the alarm about probing.
        ledger: who pulled what.
        log_head: tells whether anything was decided since.
        known_tokens: by the SHA-256 of a token: the head of the log at which it was good, and whose it is.
        bad_tokens: wrong tokens by address; too many are not looked at any more.
        kept: figures of pages.
    """

    catalog: Catalog
    blobs: Blobs
    settings: ServerSettings = ServerSettings()
    clock: Callable[[], datetime] = utc_now
    ring: KeyRing | None = None
    trust: Trust | None = None
    issuers: Issuers | None = None
    login: OidcLogin | None = None
    integrity: Integrity = field(init=False)
    transfers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_TRANSFERS))
    asking: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_ASKING))
    arrivals: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_TRANSFERS))
    tokens: Tokens = field(init=False)
    sessions: Sessions = field(init=False)
    logins: Logins = field(init=False)
    teams: Teams = field(init=False)
    metrics: Metrics = field(init=False)
    limiter: Buckets | None = field(init=False)
    ledger: PullLedger = field(init=False)
    log_head: LogHead = field(init=False)
    known_tokens: Recent[bytes, tuple[int, TokenRecord, Actor]] = field(default_factory=lambda: Recent(_TOKENS))
    refusals: Refusals = field(default_factory=Refusals)
    bad_tokens: Refusals = field(default_factory=lambda: Refusals(BAD_TOKENS))
    kept: Kept = field(default_factory=Kept)
    _patterns: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from assay.server.metrics import Metrics  # noqa: PLC0415 - it needs this module

        made = {
            "integrity": Integrity(self.blobs),
            "tokens": Tokens(self.catalog.index),
            "sessions": Sessions(self.catalog.index),
            "logins": Logins(self.catalog.index),
            "teams": Teams(self.catalog.index),
            "metrics": Metrics(self.catalog.index),
            "ledger": PullLedger(self.catalog.index),
            "log_head": LogHead(self.catalog.index.soon()),
            "limiter": Buckets(self.settings.per_minute) if self.settings.per_minute else None,
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def knows_patterns(self) -> bool:
        """Whether `team_patterns` answers without asking the index."""
        kept = self._patterns.get("at")
        return kept is not None and time.monotonic() - kept[0] <= _PATTERNS_SECONDS

    def team_patterns(self) -> tuple[tuple[str, str], ...]:
        """(pattern of model names, team), as it was at most `_PATTERNS_SECONDS` ago."""
        if not self.knows_patterns():
            self._patterns["at"] = (time.monotonic(), self.teams.patterns())
        found: tuple[tuple[str, str], ...] = self._patterns["at"][1]
        return found

    def session_actor(self, scope: Scope, now: datetime) -> Actor | None:
        """Whose browser session the request carries, or None; the session is then in `scope["assay.session"]`."""
        cookie = cookie_of(scope)
        session = self.sessions.find(cookie, now) if cookie else None
        if session is None:
            return None
        scope["assay.session"] = session
        teams = self.teams.of_person(session.actor.person)
        return replace(session.actor, teams=session.actor.teams | teams)


def registry_of(request: Request) -> Registry:
    """The registry that a request came to."""
    return cast("Registry", request.app.state.registry)


def target_of(request: Request) -> Target:
    """What the request asks for."""
    return cast("Target", request.scope["assay.target"])
