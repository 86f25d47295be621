"""An OIDC provider on loopback: discovery, keys, and identity tokens really signed with RS256 or ES256."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from urllib.parse import unquote, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route


class Provider:
    def __init__(self) -> None:
        self.url = ""
        self.keys = {"RS256": self._key(RSAKey, 2048, "r"), "ES256": self._key(ECKey, "P-256", "e")}
        self.says = None  # another issuer in the discovery document
        self.asked = 0
        self.person = {"sub": "u-1", "preferred_username": "anna", "groups": ["ml-research", "staff"]}
        self.spoil = {}  # claims of the next ID tokens that are not as they should be
        self.client = ("assay", "s3cret:+")
        self.codes = {}
        routes = [
            Route("/.well-known/openid-configuration", self._about),
            Route("/keys", self._keys),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    @staticmethod
    def _key(kind, size, kid):
        return kind.generate_key(size, {"kid": kid, "use": "sig"})

    def rotate(self):
        self.keys["RS256"] = self._key(RSAKey, 2048, "r2")

    def token(self, audience, algorithm="RS256", key=None, **claims):
        now = int(time.time())
        body = {"iss": self.url, "aud": audience, "sub": "repo:acme/app", "repository": "acme/app"}
        body |= {"iat": now, "exp": now + 600} | claims
        signer = key or self.keys[algorithm]
        header = {"alg": algorithm, "kid": signer.kid}
        return jwt.encode(header, {k: v for k, v in body.items() if v is not None}, signer, algorithms=[algorithm])

    def _about(self, _request):
        about = {"issuer": self.says or self.url, "jwks_uri": f"{self.url}/keys"}
        about |= {"authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token"}
        return JSONResponse(about)

    def _authorize(self, request):
        """The person is logged in already and agrees at once."""
        query = dict(request.query_params)
        assert (query["response_type"], query["client_id"]) == ("code", self.client[0])
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe()
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"], "iss": self.url})
        return RedirectResponse(f"{query['redirect_uri']}?{back}", 303)

    async def _token(self, request):
        """RFC 6749, 4.1.3, with the verifier of RFC 7636 and the client's secret; a code works once."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        who = tuple(unquote(part) for part in base64.b64decode(basic).decode().split(":", 1))
        asked = self.codes.pop(form.get("code"), None)
        if scheme != "Basic" or who != self.client or asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if challenge.rstrip("=") != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = {"nonce": asked["nonce"]} | self.person | self.spoil
        return JSONResponse({"id_token": self.token(claims.pop("aud", self.client[0]), **claims)})

    def _keys(self, _request):
        self.asked += 1
        return JSONResponse(KeySet(list(self.keys.values())).as_dict(private=False))
