"""Identity tokens of an OIDC provider: discovery, keys, and the checks of one token (OpenID Connect Core 1.0, 3.1.3.7).

Only the issuers that the settings name are asked, over TLS unless they are on loopback, without redirects.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from assay.core.errors import EnvironmentFault, TrustError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

ALGORITHMS = ("RS256", "ES256")
LEEWAY = 60  # seconds that clocks may differ
LONGEST = 24 * 3600  # seconds that an identity token may live at most
KEYS_SECONDS = 600.0  # that keys of an issuer are kept; an unknown key id asks again, at most each `AGAIN_SECONDS`
AGAIN_SECONDS = 10.0
# Of GitHub's and GitLab's identity tokens; 10 values of 80 characters at most go into each row of the pull ledger.
KEPT_CLAIMS = (
    "repository",
    "workflow",
    "ref",
    "sha",
    "run_id",
    "run_attempt",
    "actor",
    "project_path",
    "pipeline_id",
    "job_id",
    "user_login",
)
_MOST_VALUE = 80
_TIMEOUT = 10.0
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may exchange an identity token, and what for.

    Attributes:
        issuer: URL, exactly as in the tokens.
        claim: that names the pipeline (`repository`, `project_path`, `sub`).
        pattern: of its value (`acme/*`).
        scopes: that the access token gets.
    """

    issuer: str
    claim: str
    pattern: str
    scopes: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ISSUER CLAIM=PATTERN SCOPE+SCOPE`.

        Raises:
            UsageError: for anything else, a plain-text issuer that is not on loopback, or no scope.
        """
        parts = text.split()
        if len(parts) != 3 or "=" not in parts[1]:  # noqa: PLR2004
            raise UsageError(f"not a rule for CI: {text[:100]!r}", hint="ISSUER CLAIM=PATTERN SCOPE+SCOPE")
        issuer, condition, scopes = parts
        claim, _, pattern = condition.partition("=")
        if not claim or not pattern or pattern == "*":
            raise UsageError(f"a rule for CI that lets everybody in: {text[:100]!r}", hint="name the pipelines")
        check_url(issuer)
        return cls(issuer, claim, pattern, tuple(scopes.split("+")))


class Issuer:
    """One provider; thread-safe."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._about: dict[str, Any] = {}
        self._read_at = 0.0
        self._failed_at = -AGAIN_SECONDS

    def claims(self, token: str, audience: str, now: datetime, nonce: str | None = None) -> dict[str, Any]:
        """The claims of an identity token that is good for `audience` now; of a login, it also brings its `nonce`.

        Raises:
            TrustError: signature, algorithm, issuer, audience or time do not hold.
            EnvironmentFault: the provider can't be reached.
        """
        try:
            claims = self._decoded(token)
            required: dict[str, Any] = {
                "iss": {"essential": True, "value": self.url},
                "aud": {"essential": True, "value": audience},
                "exp": {"essential": True},
                "iat": {"essential": True},
                "sub": {"essential": True},
            }
            if nonce is not None:
                required["nonce"] = {"essential": True, "value": nonce}
            seconds = int(now.timestamp())
            jwt.JWTClaimsRegistry(now=seconds, leeway=LEEWAY, **required).validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise TrustError(f"the identity token does not hold: {error}") from error
        if claims["exp"] - claims["iat"] > LONGEST:
            raise TrustError("the identity token does not hold: it lives for longer than a day")
        if claims.get("azp", audience) != audience and nonce is not None:
            raise TrustError("the identity token does not hold: it was made for another client")
        return claims

    def endpoint(self, name: str) -> str:
        """A URL that the discovery document names.

        Raises:
            TrustError: it is another issuer's document.
            EnvironmentFault: it can't be read, or names no such URL.
        """
        self._keyset(fresh=False)
        url = str(self._about.get(name, ""))
        try:
            check_url(url)
        except UsageError as error:
            raise EnvironmentFault(f"{self.url} names no {name}", hint="is the issuer's URL right?") from error
        return url

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return dict(jwt.decode(token, self._keyset(fresh=False), algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError):
            return dict(jwt.decode(token, self._keyset(fresh=True), algorithms=ALGORITHMS).claims)

    def _keyset(self, *, fresh: bool) -> KeySet:
        with self._lock:
            now = time.monotonic()
            if self._keys is not None and now - self._read_at <= (AGAIN_SECONDS if fresh else KEYS_SECONDS):
                return self._keys
            if now - self._failed_at < AGAIN_SECONDS:  # whoever waited for the same answer does not wait again
                raise EnvironmentFault(f"{self.url} did not answer just now", hint="is the issuer's URL right?")
            try:
                self._keys = self._read()
            except EnvironmentFault:
                self._failed_at = time.monotonic()
                raise
            self._read_at = time.monotonic()
            return self._keys

    def _read(self) -> KeySet:
        about = ask("GET", f"{self.url.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer") != self.url:
            raise TrustError(f"{self.url} says that it is another issuer")
        where = str(about.get("jwks_uri", ""))
        check_url(where)
        try:
            keys = KeySet.import_key_set(ask("GET", where))  # type: ignore[arg-type]  # checked by it
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise TrustError(f"the keys of {self.url} can't be read") from error
        self._about = about
        return keys


class Issuers:
    """All rules, and the providers they name."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._issuers = {rule.issuer: Issuer(rule.issuer) for rule in rules}

    def said(self) -> tuple[str, ...]:
        """The rules, as an access review shows them."""
        said = ((one.issuer, f"{one.claim}={one.pattern} {'+'.join(one.scopes)}") for one in self.rules)
        return tuple(f"pipelines of {issuer}: {text}" for issuer, text in said)

    def exchange(self, token: str, audience: str, now: datetime) -> tuple[str, tuple[str, ...], dict[str, str]]:
        """Name of the pipeline (`ci:acme/app`), scopes, and claims to keep, that an identity token stands for.

        Raises:
            TrustError: no rule lets it in, or the token does not hold.
        """
        named = _issuer_of(token)
        if named not in self._issuers:
            raise TrustError("the identity token is of an issuer that is not known here")
        claims = self._issuers[named].claims(token, audience, now)
        for rule in self.rules:
            value = claims.get(rule.claim)
            if rule.issuer == named and isinstance(value, str) and fnmatchcase(value, rule.pattern):
                return f"ci:{value}", rule.scopes, _kept(claims)
        raise TrustError("no rule lets this pipeline in")


def _kept(claims: dict[str, Any]) -> dict[str, str]:
    """The claims that tell one run of a pipeline from another: what an incident asks for."""
    found = {key: str(claims[key]) for key in KEPT_CLAIMS if isinstance(claims.get(key), str | int)}
    return {key: value for key, value in found.items() if len(value) <= _MOST_VALUE and value.isprintable()}


def _issuer_of(token: str) -> str:
    """Which issuer a token says it is of: picks the keys to try, and is believed only when one of them signed it."""
    from base64 import urlsafe_b64decode  # noqa: PLC0415
    from json import loads  # noqa: PLC0415

    try:
        body = token.split(".")[1]
        return str(loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))["iss"])
    except (IndexError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrustError("not an identity token") from error


def check_url(url: str) -> None:
    """Over TLS, unless it is on loopback (UsageError)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not host or parts.scheme not in ({"https", "http"} if local else {"https"}):
        raise UsageError(f"not a URL of an issuer: {url[:100]!r}", hint="https://…")


def ask(method: str, url: str, **more: Any) -> dict[str, Any]:
    """The JSON object that a provider answers (EnvironmentFault when it does not)."""
    try:
        answer = httpx.request(method, url, timeout=_TIMEOUT, follow_redirects=False, **more)
        if answer.status_code != httpx.codes.OK or len(answer.content) > _MOST_BYTES:
            raise EnvironmentFault(f"{url} answers {answer.status_code}", hint="is the issuer's URL right?")
        found = answer.json()
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        raise EnvironmentFault(f"{url} can't be read: {error}", hint="is the issuer's URL right?") from error
    if not isinstance(found, dict):
        raise EnvironmentFault(f"{url} is no JSON object", hint="is the issuer's URL right?")
    return found
