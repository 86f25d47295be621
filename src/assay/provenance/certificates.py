"""X.509 with a private CA: an authority of the trust file says, by a certificate, which key may sign in which role.

A signer's certificate comes with its signatures and is believed for nothing but what an authority of the verifier's own
trust file signed: the role (`urn:assay:role:ROLE`) and, for people, the name (`urn:assay:person:NAME`) stand in URI
names of its subjectAltName, and hold where the authority's entry allows the role. A key counts in the time that every
certificate of its chain was valid. A verification is offline: revocation lists stand in the trust file (`crl.py`), or
the id of a key that went wrong does; OCSP is not asked.

References: RFC 5280 (sections 4.1.2.5, 4.2.1.3, 4.2.1.6, 6.1); RFC 8141 (URN).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from assay.core.errors import TrustError
from assay.provenance.crl import check_revocation, read_crls
from assay.provenance.keys import ALL_ROLES, NOTE_ROLES, PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

ROLE_URN = "urn:assay:role:"
PERSON_URN = "urn:assay:person:"
MAX_DEPTH = 4  # intermediates between a signer and its authority
MAX_CERTIFICATE_BYTES = 64 << 10  # of one; usual ones have 1 to 2 KiB
_KEYS = {"roles", "pem", "revoked_keys", "crl"}


@dataclass(frozen=True)
class Certified:
    """What a chain of certificates says about a key.

    Attributes:
        public: the key.
        roles: what it may sign; never empty.
        not_before: from when on every certificate of the chain was valid.
        not_after: until when.
        person: whose key it is; empty for a machine's.
    """

    public: PublicKey
    roles: frozenset[str]
    not_before: datetime
    not_after: datetime
    person: str


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the trust file.

    Attributes:
        anchor: its certificate, believed because it stands in the trust file.
        intermediates: certificates between it and signers, where they do not bring them.
        roles: what its certificates may say.
        revoked: ids of keys that do not count whatever is certified.
        crls: revocation lists of it and its intermediates; with any, a current one must cover every certificate.
    """

    anchor: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    roles: frozenset[str]
    revoked: frozenset[str]
    crls: tuple[x509.CertificateRevocationList, ...] = ()

    @classmethod
    def parse(cls, entry: Any) -> Self:
        """Read an entry of `authorities`.

        Raises:
            TrustError: for anything that is not exactly one.
        """
        if not isinstance(entry, dict) or set(entry) - _KEYS or not {"roles", "pem"} <= set(entry):
            raise TrustError("an entry of authorities has roles, pem and perhaps revoked_keys and crl")
        roles, revoked = entry["roles"], entry.get("revoked_keys", [])
        usable = [role for role in ALL_ROLES if role not in NOTE_ROLES]
        if not isinstance(roles, list) or not roles or any(role not in usable for role in roles):
            raise TrustError(f"roles of an authority must be a list out of {', '.join(usable)}: {roles!r}")
        if not isinstance(revoked, list) or not all(isinstance(one, str) for one in revoked):
            raise TrustError("revoked_keys must be a list of ids of keys")
        anchor, *others = read_certificates(entry["pem"])
        crls = read_crls(entry["crl"]) if "crl" in entry else ()
        return cls(anchor, tuple(others), frozenset(roles), frozenset(revoked), crls)

    def certifies(self, leaf: x509.Certificate, others: Iterable[x509.Certificate], now: datetime) -> Certified:
        """What this authority says about the key of `leaf`.

        Args:
            leaf: the signer's certificate.
            others: certificates that came with it.
            now: when it is verified; revocation lists must be current then.

        Raises:
            TrustError: with the reason.
        """
        try:
            public = PublicKey.of(leaf.public_key())
            chain = self._chain(leaf, [*others, *self.intermediates])
            check_revocation(chain, self.crls, now)
            _may_sign(leaf)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
            raise TrustError(f"broken certificate: {error}") from error
        if public.id in self.revoked:
            raise TrustError(f"key {public.id[:12]} is revoked in the trust file")
        said = {uri.removeprefix(ROLE_URN) for uri in uris if uri.startswith(ROLE_URN)}
        if not (roles := said & self.roles):
            wanted = ", ".join(sorted(said)) or "no role"
            raise TrustError(f"the certificate names {wanted}; its authority may say {', '.join(sorted(self.roles))}")
        people = [uri.removeprefix(PERSON_URN) for uri in uris if uri.startswith(PERSON_URN)]
        if len(people) > 1:
            raise TrustError("the certificate names several persons")
        begins = max(one.not_valid_before_utc for one in chain)
        return Certified(
            public, frozenset(roles), begins, min(one.not_valid_after_utc for one in chain), *(people or [""])
        )

    def _chain(self, leaf: x509.Certificate, others: list[x509.Certificate]) -> list[x509.Certificate]:
        """The chain, valid at some time of the leaf's life: when it is used is checked against all of its dates."""
        anyone = ExtensionPolicy.permit_all()
        named = anyone.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        issuers = ExtensionPolicy.webpki_defaults_ca()
        problem = "no time at which the whole chain was valid"
        begins = {one.not_valid_before_utc for one in (leaf, self.anchor, *others)}
        for at in sorted(begins):
            if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
                continue
            builder = PolicyBuilder().store(Store([self.anchor])).time(at).max_chain_depth(MAX_DEPTH)
            verifier = builder.extension_policies(ca_policy=issuers, ee_policy=named).build_client_verifier()
            try:
                return list(verifier.verify(leaf, others).chain)
            except VerificationError as error:
                problem = str(error)
        raise TrustError(f"the certificate is not one of this authority: {problem}"[:500])


def certify(
    certificates: Iterable[bytes], authorities: Iterable[Authority], now: datetime
) -> tuple[list[Certified], list[str]]:
    """What authorities say about the first of some certificates, the others being its chain.

    Args:
        certificates: DER, as they came with a signature.
        authorities: of the trust file.
        now: when it is verified.

    Returns:
        What is certified, and why each authority that does not certify it does not.
    """
    try:
        parsed = [x509.load_der_x509_certificate(data) for data in certificates if len(data) <= MAX_CERTIFICATE_BYTES]
    except ValueError as error:
        return [], [f"not a certificate: {error}"]
    found, problems = [], []
    for authority in authorities if parsed else ():
        try:
            found.append(authority.certifies(parsed[0], parsed[1:], now))
        except TrustError as error:
            problems.append(str(error))
    return found, problems


def read_certificates(pem: Any) -> list[x509.Certificate]:
    """The certificates of a PEM text, at least one.

    Raises:
        TrustError: when it holds none.
    """
    try:
        return x509.load_pem_x509_certificates(pem.encode("ascii"))
    except (ValueError, AttributeError) as error:
        raise TrustError("not a certificate in PEM form", hint="expected -----BEGIN CERTIFICATE-----") from error


def _may_sign(leaf: x509.Certificate) -> None:
    """RFC 5280, 4.2.1.3: a key of signatures says so; and no key of an authority signs statements."""
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    if not usage.digital_signature or usage.key_cert_sign:
        raise TrustError("the certificate is not for signatures (keyUsage digitalSignature alone)")
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise TrustError("the certificate is for another purpose than code signing")
