"""Sigstore bundles v0.3 with a public key hint: the second form in which every statement is published."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import TrustError
from assay.core.statement import Envelope
from assay.provenance.oms import OMS_TYPE

if TYPE_CHECKING:
    from assay.provenance.keys import PublicKey

MAX_CERTIFICATES = 16  # of one bundle; time-stamps as well
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclass(frozen=True, slots=True)
class Material:
    """What came with a signature to verify it by; none of it is believed as it stands.

    Attributes:
        certificates: DER, the signer's first.
        stamps: RFC 3161 responses, DER.
    """

    certificates: tuple[bytes, ...] = ()
    stamps: tuple[bytes, ...] = ()


def to_bundle(envelope: Envelope, key: PublicKey) -> dict[str, Any]:
    """Wrap an envelope.

    The hint is the SHA-256 of the PEM text, as `model_signing` computes and compares it. A key with certificates brings
    them in its place: in a model signature the whole chain, as `model_signing verify certificate` wants it, elsewhere
    its own alone, as bundles v0.3 hold it.
    """
    material: dict[str, Any] = {"publicKey": {"hint": hashlib.sha256(key.pem.encode("ascii")).hexdigest()}}
    if key.certificates:
        raw = [{"rawBytes": base64.b64encode(one).decode("ascii")} for one in key.certificates]
        whole = envelope.statement().predicate_type == OMS_TYPE
        material = {"x509CertificateChain": {"certificates": raw}} if whole else {"certificate": raw[0]}
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {**material, "tlogEntries": []},
        "dsseEnvelope": envelope.to_json(),
    }


def material_of(value: Any) -> Material:
    """Certificates and time-stamps in a bundle; nothing where it has none.

    Raises:
        TrustError: when they are there and not in base64.
    """
    held = value.get("verificationMaterial") if isinstance(value, dict) else None
    if not isinstance(held, dict):
        return Material()
    try:
        chain = held.get("x509CertificateChain") or {"certificates": []}
        listed = [held["certificate"]] if held.get("certificate") else chain["certificates"]
        stamps = (held.get("timestampVerificationData") or {}).get("rfc3161Timestamps") or []
        if len(listed) > MAX_CERTIFICATES or len(stamps) > MAX_CERTIFICATES:
            raise TrustError(f"a bundle with more than {MAX_CERTIFICATES} certificates or time-stamps")
        return Material(
            tuple(base64.b64decode(one["rawBytes"], validate=True) for one in listed),
            tuple(base64.b64decode(one["signedTimestamp"], validate=True) for one in stamps),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TrustError("the verification material of the bundle is broken") from error


def from_bundle(value: Any) -> Envelope:
    """The envelope inside a bundle. Verifies nothing, and takes no key from it.

    Raises:
        TrustError: when it is not a v0.3 bundle of a DSSE envelope.
    """
    if not isinstance(value, dict) or value.get("mediaType") != MEDIA_TYPE or "dsseEnvelope" not in value:
        raise TrustError(f"not a Sigstore bundle of type {MEDIA_TYPE} with a DSSE envelope")
    return Envelope.from_json(value["dsseEnvelope"])
