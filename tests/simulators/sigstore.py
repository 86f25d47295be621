"""A private Sigstore on loopback: Fulcio with its CT log, and Rekor (v1). The cryptography is real, the services small.

What they answer is what sigstore-python asks for: certificates with an embedded SCT for whoever brings a token (whose
signature nobody checks here), and entries with an inclusion promise, an inclusion proof and a signed checkpoint.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from assay.core.merkle import leaf_hash, prove_inclusion, root_of

SCT = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
ECDSA = ec.ECDSA(hashes.SHA256())
LOG = "rekor.test"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def token(identity: str, issuer: str) -> str:
    """An identity token as a provider gives it."""
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": issuer, "sub": identity, "aud": "sigstore", "iat": now, "exp": now + 600}
    return jwt.encode({"alg": "HS256"}, claims, jwk.OctKey.import_key(b"k" * 32))


def _new() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Sigstore:
    """The services' keys and what they have noted. `ahead`: how far their clocks are off."""

    ca: ec.EllipticCurvePrivateKey = field(default_factory=_new)
    ct: ec.EllipticCurvePrivateKey = field(default_factory=_new)
    rekor: ec.EllipticCurvePrivateKey = field(default_factory=_new)
    ahead: timedelta = timedelta()
    bodies: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fulcio.test")])
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.ca.public_key())
        begins = datetime.now(UTC) - timedelta(days=1)
        self.root = (
            x509.CertificateBuilder(name, name, self.ca.public_key(), x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(identifier, critical=False)
            .sign(self.ca, hashes.SHA256())
        )

    def application(self) -> Starlette:
        """Both services."""
        return Starlette(
            routes=[
                Route("/api/v2/signingCert", self._certify, methods=["POST"]),
                Route("/api/v1/log/entries", self._note, methods=["POST"]),
                Route("/.well-known/openid-configuration", _provider),
            ]
        )

    def trusted_root(self, url: str) -> dict[str, Any]:
        """What a verifier believes."""
        valid = {"start": "2020-01-01T00:00:00Z"}
        authority = {
            "subject": {"organization": "test", "commonName": "fulcio.test"},
            "uri": url,
            "certChain": {"certificates": [{"rawBytes": b64(self.root.public_bytes(DER))}]},
            "validFor": valid,
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_log(self.rekor, url, valid)],
            "certificateAuthorities": [authority],
            "ctlogs": [_log(self.ct, url, valid)],
            "timestampAuthorities": [],
        }

    def client_config(self, url: str) -> str:
        """What a signer needs: where to ask, and whom to believe."""
        service = {"url": url, "majorApiVersion": 1, "validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": "test"}
        signing = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            **{name: [service] for name in ("caUrls", "oidcUrls", "rekorTlogUrls")},
            "tsaUrls": [],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        }
        media = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
        return json.dumps({"mediaType": media, "trustedRoot": self.trusted_root(url), "signingConfig": signing})

    async def _certify(self, request: Request) -> JSONResponse:
        bearer = request.headers["authorization"].removeprefix("Bearer ")
        payload = bearer.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        pem = base64.b64decode((await request.json())["certificateSigningRequest"])
        asked = x509.load_pem_x509_csr(pem)
        if not asked.is_signature_valid:
            return JSONResponse({"message": "bad request"}, 400)
        leaf = self.certificate(asked.public_key(), claims["sub"], claims["iss"])
        chain = [one.public_bytes(PEM).decode() for one in (leaf, self.root)]
        return JSONResponse({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}, 201)

    def certificate(self, key: Any, identity: str, issuer: str) -> x509.Certificate:
        """For ten minutes, with the word of the CT log inside (RFC 6962, 3.2 and 3.3)."""
        now = datetime.now(UTC) + self.ahead
        name: x509.GeneralName = x509.RFC822Name(identity)
        if "://" in identity:
            name = x509.UniformResourceIdentifier(identity)
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.public_key())
        builder = (
            x509.CertificateBuilder(self.root.subject, x509.Name([]), key, x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(minutes=9))
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(aki, critical=False)
            .add_extension(x509.UnrecognizedExtension(ISSUER, issuer.encode()), critical=False)
        )
        before = builder.sign(self.ca, hashes.SHA256()).tbs_certificate_bytes
        when = struct.pack(">Q", int(now.timestamp() * 1000))
        entry = hashlib.sha256(spki(self.ca)).digest() + len(before).to_bytes(3, "big") + before
        signature = self.ct.sign(b"\0\0" + when + b"\0\1" + entry + b"\0\0", ECDSA)
        sct = b"\0" + hashlib.sha256(spki(self.ct)).digest() + when + b"\0\0\4\3" + _sized(signature)
        listed = _sized(_sized(sct))
        octets = b"\x04" + (bytes([len(listed)]) if len(listed) < 128 else b"\x81" + bytes([len(listed)])) + listed
        return builder.add_extension(x509.UnrecognizedExtension(SCT, octets), critical=False).sign(
            self.ca, hashes.SHA256()
        )

    async def _note(self, request: Request) -> JSONResponse:
        asked = await request.json()
        if asked["kind"] == "dsse":
            content = asked["spec"]["proposedContent"]
            envelope = json.loads(content["envelope"])
            payload = base64.b64decode(envelope["payload"])
            signatures = [{"signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0]}]
            digests = {"envelopeHash": content["envelope"].encode(), "payloadHash": payload}
            hashed = {key: hashlib.sha256(data).hexdigest() for key, data in digests.items()}
            spec = {key: {"algorithm": "sha256", "value": value} for key, value in hashed.items()}
            asked = {"apiVersion": "0.0.1", "kind": "dsse", "spec": spec | {"signatures": signatures}}
        return JSONResponse(self.entry(rfc8785.dumps(asked)), 201)

    def entry(self, body: bytes) -> dict[str, Any]:
        """Append and prove."""
        self.bodies.append(body)
        leaves, index = [leaf_hash(one) for one in self.bodies], len(self.bodies) - 1
        root = root_of(leaves)
        path = prove_inclusion(index, len(leaves), lambda low, high: root_of(leaves[low:high]))
        key_id = hashlib.sha256(spki(self.rekor)).digest()
        text = f"{LOG}\n{len(leaves)}\n{b64(root)}\n"
        mark = b64(key_id[:4] + self.rekor.sign(text.encode(), ECDSA))
        promised = {
            "body": b64(body),
            "integratedTime": int((datetime.now(UTC) + self.ahead).timestamp()),
            "logID": key_id.hex(),
            "logIndex": index,
        }
        proof = {
            "checkpoint": f"{text}\n— {LOG} {mark}\n",
            "hashes": [one.hex() for one in path],
            "logIndex": index,
            "rootHash": root.hex(),
            "treeSize": len(leaves),
        }
        promise = b64(self.rekor.sign(rfc8785.dumps(promised), ECDSA))
        verification = {"inclusionProof": proof, "signedEntryTimestamp": promise}
        return {leaves[-1].hex(): promised | {"verification": verification}}


async def _provider(request: Request) -> JSONResponse:
    """model_signing asks for it before it looks at the token that it was given."""
    url = str(request.base_url)
    return JSONResponse({"issuer": url, "authorization_endpoint": f"{url}auth", "token_endpoint": f"{url}token"})


def _log(key: ec.EllipticCurvePrivateKey, url: str, valid: dict[str, str]) -> dict[str, Any]:
    raw = spki(key)
    public = {"rawBytes": b64(raw), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid}
    log_id = {"keyId": b64(hashlib.sha256(raw).digest())}
    return {"baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": log_id}


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
