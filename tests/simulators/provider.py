"""An OIDC provider on loopback: discovery, keys, and identity tokens really signed with RS256 or ES256."""

from __future__ import annotations

import time

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


class Provider:
    def __init__(self) -> None:
        self.url = ""
        self.keys = {"RS256": self._key(RSAKey, 2048, "r"), "ES256": self._key(ECKey, "P-256", "e")}
        self.says = None  # another issuer in the discovery document
        self.asked = 0
        routes = [Route("/.well-known/openid-configuration", self._about), Route("/keys", self._keys)]
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
        return JSONResponse({"issuer": self.says or self.url, "jwks_uri": f"{self.url}/keys"})

    def _keys(self, _request):
        self.asked += 1
        return JSONResponse(KeySet(list(self.keys.values())).as_dict(private=False))
