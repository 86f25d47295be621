"""Sigstore bundles v0.3 with a public key hint: the second form in which every statement is published."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from assay.core.errors import TrustError
from assay.core.statement import Envelope

if TYPE_CHECKING:
    from assay.provenance.keys import PublicKey

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def to_bundle(envelope: Envelope, key: PublicKey) -> dict[str, Any]:
    """Wrap an envelope. The hint is the SHA-256 of the PEM text, as `model_signing` computes and compares it."""
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": hashlib.sha256(key.pem.encode("ascii")).hexdigest()},
            "tlogEntries": [],
        },
        "dsseEnvelope": envelope.to_json(),
    }


def from_bundle(value: Any) -> Envelope:
    """The envelope inside a bundle. Verifies nothing, and takes no key from it.

    Raises:
        TrustError: when it is not a v0.3 bundle of a DSSE envelope.
    """
    if not isinstance(value, dict) or value.get("mediaType") != MEDIA_TYPE or "dsseEnvelope" not in value:
        raise TrustError(f"not a Sigstore bundle of type {MEDIA_TYPE} with a DSSE envelope")
    return Envelope.from_json(value["dsseEnvelope"])
