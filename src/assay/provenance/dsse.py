"""DSSE: sign and verify envelopes (https://github.com/secure-systems-lab/dsse, protocol v1.0.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import TrustError
from assay.core.statement import PAYLOAD_TYPE, Envelope, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.core.statement import Statement
    from assay.provenance.keys import PublicKey, SigningKey

MAX_SIGNATURES = 16  # of one envelope; each costs one verification per key


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding: the bytes that are signed (protocol.md, "Signature Definition")."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(statement: Statement, key: SigningKey) -> Envelope:
    """Sign a statement. The same statement and key give the same envelope (RFC 6979), so signing is idempotent."""
    payload = statement.payload()
    signature = Signature(key.public.id, key.sign(pae(PAYLOAD_TYPE, payload)))
    return Envelope(payload, PAYLOAD_TYPE, (signature,))


def verify(envelope: Envelope, keys: Iterable[PublicKey], *, threshold: int = 1) -> tuple[PublicKey, ...]:
    """The distinct keys, out of `keys`, that signed the envelope.

    The key ids in the envelope are hints that nobody signed: they are not read. A key counts once, however often its
    signature is repeated.

    Raises:
        TrustError: when fewer than `threshold` of the keys signed, when there are no keys to ask, or when the envelope
            carries more than `MAX_SIGNATURES` signatures.
    """
    distinct = {key.id: key for key in keys}
    if threshold < 1 or len(distinct) < threshold:
        raise TrustError(f"{threshold} signature(s) asked for, {len(distinct)} key(s) to check them with")
    if len(envelope.signatures) > MAX_SIGNATURES:
        raise TrustError(f"envelope with {len(envelope.signatures)} signatures, at most {MAX_SIGNATURES} are read")
    message = pae(envelope.payload_type, envelope.payload)
    signers = tuple(
        key for key in distinct.values() if any(key.verify(one.sig, message) for one in envelope.signatures)
    )
    if len(signers) < threshold:
        raise TrustError(f"signed by {len(signers)} of the trusted keys, {threshold} needed")
    return signers
