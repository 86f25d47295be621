"""RFC 3161 time-stamps: an authority that is not us says that a signature existed at a time.

What is stamped is the signature itself, as in a Sigstore bundle (`timestampVerificationData`). A stamp is asked for
where `tsa_url` is set, and believed where the verifier's trust file lists its authority.

References: RFC 3161; RFC 5816; https://github.com/sigstore/protobuf-specs (TimestampVerificationData).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from assay.core.errors import EnvironmentFault, TrustError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography import x509

    from assay.core.statement import Envelope

SECONDS: Final = 30.0  # wall time of one request
MAX_STAMP_BYTES: Final = 64 << 10  # with its certificates a response has 2 to 6 KiB
MAX_STAMPS: Final = 8  # of one statement
_EXTRA = "install assay-models[timestamps]"


def stamp(envelope: Envelope, url: str) -> bytes:
    """Ask for a time-stamp of the envelope's signature.

    Args:
        envelope: signed.
        url: of the authority (RFC 3161, section 3.4).

    Returns:
        The response, in DER.

    Raises:
        EnvironmentFault: the authority can't be reached or refuses.
    """
    client = _client()
    import httpx  # noqa: PLC0415 - only where a stamp is asked for

    request = client.TimestampRequestBuilder().data(envelope.signatures[0].sig).cert_request(cert_request=True).build()
    headers = {"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"}
    try:
        answer = httpx.post(url, content=request.as_bytes(), headers=headers, timeout=SECONDS)
        answer.raise_for_status()
        response = client.decode_timestamp_response(answer.content)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        hint = "check tsa_url; what is signed carries on from here with the next try"
        raise EnvironmentFault(f"no time-stamp from {url}: {error}", hint=hint) from error
    if response.status != client.PKIStatus.GRANTED or response.tst_info.nonce != request.nonce:
        raise EnvironmentFault(f"no time-stamp from {url}: refused with status {response.status}", hint="check tsa_url")
    return bytes(answer.content)


def with_stamp(bundle: dict[str, Any], response: bytes) -> dict[str, Any]:
    """A bundle with one more time-stamp in its verification material."""
    material = dict(bundle["verificationMaterial"])
    held = dict(material.get("timestampVerificationData") or {"rfc3161Timestamps": []})
    one = {"signedTimestamp": base64.b64encode(response).decode("ascii")}
    held["rfc3161Timestamps"] = [*held["rfc3161Timestamps"], one]
    return bundle | {"verificationMaterial": material | {"timestampVerificationData": held}}


def stamped_at(envelope: Envelope, stamps: Iterable[bytes], authorities: Iterable[x509.Certificate]) -> datetime | None:
    """The earliest time that a trusted authority stamped the envelope's first signature at; None without such a stamp.

    Args:
        envelope: as it was found.
        stamps: responses in DER, as they came with it.
        authorities: root certificates of time-stamp authorities, of the trust file.

    Raises:
        TrustError: a stamp is there and none of them is valid: broken, of another authority, or of other bytes.
    """
    roots, stamps = tuple(authorities), tuple(stamps)
    if not roots or not stamps or not envelope.signatures:
        return None
    client = _client()
    times, problem = [], "too long"
    for data in stamps[:MAX_STAMPS]:
        if len(data) > MAX_STAMP_BYTES:
            continue
        try:
            response = client.decode_timestamp_response(data)
        except ValueError as error:
            problem = f"not a time-stamp: {error}"
            continue
        for root in roots:
            verifier = client.VerifierBuilder(roots=[root]).build()
            try:
                verifier.verify_message(response, envelope.signatures[0].sig)
                times.append(response.tst_info.gen_time)
            except client.VerificationError as error:
                problem = str(error)
    if not times:
        raise TrustError(f"its time-stamp is not valid: {problem}"[:500])
    earliest: datetime = min(times)
    return earliest


def _client() -> Any:
    try:
        import rfc3161_client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise EnvironmentFault("rfc3161-client is not installed", hint=_EXTRA) from error
    return rfc3161_client
