"""Log in through an OpenID Connect provider: authorization code with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636).

1. The browser gets a random `state` as a cookie; its SHA-256 is the key under which nonce and verifier wait.
2. The provider sends the browser back with `state` and a code. The state must be the cookie's (RFC 6749, 10.12), and
   works once; an `iss` must be the provider's (RFC 9207).
3. The code is exchanged with the verifier, and with the client's secret where there is one.
4. The ID token must be signed by the provider, for this client, now, with our nonce.
5. Rules over its claims give roles. Whoever has none is not let in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from assay.core.errors import EnvironmentFault, TrustError, UsageError
from assay.registry.people import ROLES, Actor
from assay.registry.sessions import SESSION
from assay.server.oidc import Issuer, ask, check_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from assay.registry.logins import Logins

WEB = "web"  # kind of login under way
LIFETIME = timedelta(minutes=10)  # that a person may take at the provider
_MOST_TEXT = 100  # characters of a person's or team's name


@dataclass(frozen=True, slots=True)
class RoleRule:
    """Which roles a claim gives.

    Attributes:
        claim: of the ID token; a text, or a list of texts (`groups`).
        pattern: of its value, or one of them.
        roles: out of `people.ROLES`.
    """

    claim: str
    pattern: str
    roles: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `CLAIM=PATTERN ROLE+ROLE` (UsageError for anything else)."""
        condition, _, words = text.strip().rpartition(" ")
        claim, _, pattern = condition.strip().partition("=")
        roles = tuple(words.split("+"))
        if not claim or not pattern or not all(role in ROLES for role in roles):
            raise UsageError(f"not a rule for logins: {text[:100]!r}", hint=f"CLAIM=PATTERN {'+'.join(ROLES[:2])}")
        return cls(claim, pattern, roles)

    def fits(self, claims: dict[str, Any]) -> bool:
        """Whether the claims have it."""
        return any(fnmatchcase(value, self.pattern) for value in _texts(claims.get(self.claim)))


class OidcLogin:
    """Logins through one provider; thread-safe.

    Args:
        issuer: URL of the provider.
        client: id of the registry at the provider.
        secret: of the client; empty for a public one.
        rules: who gets which roles.
        person: claim that names a person. `sub` is the only one that a provider never gives to somebody else.
        teams: claim whose values are teams; empty: none.
    """

    def __init__(
        self, issuer: str, client: str, secret: str, rules: Sequence[RoleRule], *, person: str = "sub", teams: str = ""
    ) -> None:
        check_url(issuer)
        if not client or not rules:
            raise UsageError("a login needs oidc_client_id and oidc_roles", hint='like ["groups=ml-* developer"]')
        self._issuer = Issuer(issuer)
        self._client = client
        self._secret = secret
        self._rules = tuple(rules)
        self._person = person
        self._teams = teams

    def rules(self) -> tuple[str, ...]:
        """Who is let in, as an access review shows it."""
        said = [f"{one.claim}={one.pattern} {'+'.join(one.roles)}" for one in self._rules]
        return tuple(f"logins by {self._issuer.url}: {one}" for one in said)

    def begin(self, logins: Logins, redirect: str, back: str, now: datetime) -> tuple[str, str]:
        """The `state` for the cookie, and where the browser goes; `back`: the path that it comes back to."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        where = self._issuer.endpoint("authorization_endpoint")
        logins.put(
            WEB, state, {"nonce": nonce, "verifier": verifier, "back": back, "redirect": redirect}, now, LIFETIME
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": redirect,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return state, f"{where}{'&' if '?' in where else '?'}{urlencode(query)}"

    def finish(self, logins: Logins, cookie: str, query: dict[str, str], now: datetime) -> tuple[Actor, str]:
        """Who logged in, and the path to go back to.

        Raises:
            TrustError: the answer is not to this browser's question, the provider refused, or no rule fits.
            EnvironmentFault: the provider can't be reached.
        """
        state = query.get("state", "")
        if not cookie or not hmac.compare_digest(state.encode(), cookie.encode()):
            raise TrustError("this login was not begun in this browser")
        waiting = logins.take(WEB, state, now)
        if waiting is None:
            raise TrustError("this login is over: begin again")
        if query.get("iss", self._issuer.url) != self._issuer.url:
            raise TrustError("the answer is of another provider")
        if "error" in query or "code" not in query:
            raise TrustError(f"the provider refused: {query.get('error', 'it sent no code')[:100]}")
        claims = self._issuer.claims(self._redeem(query["code"], waiting), self._client, now, waiting["nonce"])
        return self.actor(claims), str(waiting["back"])

    def _redeem(self, code: str, waiting: dict[str, Any]) -> str:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": waiting["redirect"],
            "client_id": self._client,
            "code_verifier": waiting["verifier"],
        }
        # RFC 6749, 2.3.1: both halves are form-encoded first.
        auth = (quote(self._client, safe=""), quote(self._secret, safe="")) if self._secret else None
        try:
            answer = ask("POST", self._issuer.endpoint("token_endpoint"), data=fields, auth=auth)
        except EnvironmentFault as error:
            raise TrustError(f"the provider takes the code for no token: {error}") from error
        return str(answer.get("id_token", ""))

    def actor(self, claims: dict[str, Any]) -> Actor:
        """Whom the claims name, with the roles that the rules give (TrustError when none fits)."""
        person = claims.get(self._person)
        if not isinstance(person, str) or not _is_name(person):
            raise TrustError(f"the ID token names nobody in {self._person!r}")
        if self._person == "email" and claims.get("email_verified") is not True:
            raise TrustError("the provider has not verified this e-mail address")
        roles = {role for rule in self._rules if rule.fits(claims) for role in rule.roles}
        if not roles:
            raise TrustError(f"no rule lets {person} in")
        teams = {team for team in _texts(claims.get(self._teams)) if _is_name(team) and not set(team) & set(" \t")}
        return Actor(person, frozenset(roles), frozenset(teams if self._teams else ()), kind=SESSION)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MOST_TEXT and text.isprintable()


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]
