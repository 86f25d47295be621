"""Certificate revocation lists of a private CA, offline: PEM in the trust file, checked for signature and for age.

An authority that has any must have one for every issuer of a chain, and none may be past its `nextUpdate`: what can't
be told to stand is refused. A certificate that is listed never counts, whatever time its signature claims. Lists that
are partial, indirect or deltas are refused. OCSP is not asked: a verification is offline.

References: RFC 5280, sections 5 and 6.3.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from assay.core.errors import TrustError
from assay.core.verdict import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_BEGIN, _END = "-----BEGIN X509 CRL-----", "-----END X509 CRL-----"
_KEYS = (EllipticCurvePublicKey, Ed25519PublicKey, RSAPublicKey)
_SKEW = timedelta(minutes=5)


def read_crls(pem: Any) -> tuple[x509.CertificateRevocationList, ...]:
    """The lists of a PEM text, at least one.

    Raises:
        TrustError: when it holds none, or one that is not a whole list of its own issuer.
    """
    parts = pem.split(_BEGIN)[1:] if isinstance(pem, str) else []
    try:
        found = [x509.load_pem_x509_crl((_BEGIN + part).encode("ascii")) for part in parts]
        partial = [one for one in found if any(extension.critical for extension in one.extensions)]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustError(f"broken CRL: {error}") from error
    if not found:
        raise TrustError("not a CRL in PEM form", hint=f"expected {_BEGIN}")
    if partial:
        raise TrustError(
            "a CRL with critical extensions (partial, indirect, or a delta) can't be used", hint="a full one"
        )
    if any(one.next_update_utc is None for one in found):
        raise TrustError("a CRL that does not say when the next one is due can't be used")
    return tuple(found)


def check_revocation(
    chain: Sequence[x509.Certificate], lists: Sequence[x509.CertificateRevocationList], now: datetime
) -> None:
    """Make sure that no certificate of a chain is revoked.

    Args:
        chain: the signer's first, its authority last; each issued by the next.
        lists: of the authority's entry; empty: nothing is looked at.
        now: aware time of the verification.

    Raises:
        TrustError: when one is revoked, or when it can't be told.
    """
    for certificate, issuer in pairwise(chain) if lists else ():
        name = issuer.subject.rfc4514_string()
        mine = [one for one in lists if _is_of(one, issuer)]
        if not mine:
            raise TrustError(f"the trust file has no CRL of {name}, and has CRLs", hint="add its CRL")
        newest = max(mine, key=lambda one: one.last_update_utc)
        due = newest.next_update_utc
        if newest.last_update_utc > now + _SKEW or due is None or due <= now:
            told = (
                "is from the future" if due is None or due > now else f"should have been renewed on {format_time(due)}"
            )
            raise TrustError(f"the CRL of {name} {told}", hint="put the newest into the trust file")
        if any(one.get_revoked_certificate_by_serial_number(certificate.serial_number) for one in mine):
            raise TrustError(f"the certificate {certificate.serial_number:x} is revoked by {name}")


def _is_of(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    if crl.issuer != issuer.subject or not isinstance(key, _KEYS):
        return False
    return crl.is_signature_valid(key)
