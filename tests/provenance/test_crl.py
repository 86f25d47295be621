"""Revocation lists of a private CA in the trust file: what is listed does not count, and an old list tells nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.statement import Statement, StatementSubject
from assay.provenance import dsse
from assay.provenance.crl import read_crls
from assay.provenance.keys import SigningKey, new_private
from assay.provenance.trust import Trust
from tests.provenance import authority

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
AT = BEGINS + timedelta(days=100)
STATEMENT = Statement((StatementSubject("x", Digest.of(b"x")),), "urn:test", {})
HEAD = 'schema = "assay.trust/v1"\nmax_age_days = 30\n[[authorities]]\nroles = ["scanner"]\n'
DER = serialization.Encoding.DER


@pytest.fixture(scope="module")
def root():
    return authority.issuer(BEGINS)


@pytest.fixture(scope="module")
def signer():
    return SigningKey("scanner", new_private("scanner"))


@pytest.fixture(scope="module")
def leaf(root, signer) -> x509.Certificate:
    return authority.leaf(root, signer._private.public_key(), BEGINS, ["urn:assay:role:scanner"])


def counts(signer, chain, pem: str, *crls: str, now: datetime = AT) -> None:
    """The statement of the signer is verified at `now` with these lists in the trust file."""
    listed = f'crl = """\n{"".join(crls)}"""\n' if crls else ""
    text = f'{HEAD}{listed}pem = """\n{pem}"""\n'
    trust = Trust.parse(text).with_certificates([tuple(one.public_bytes(DER) for one in chain)], now)
    trust.signer(dsse.sign(STATEMENT, signer), ("scanner",), AT)


def test_what_is_not_listed_counts_and_what_is_does_not(root, signer, leaf):
    other = authority.leaf(root, signer._private.public_key(), BEGINS, ["urn:assay:role:scanner"])
    counts(signer, [leaf], root.pem, authority.crl(root, AT, other))
    with pytest.raises(TrustError, match=f"{leaf.serial_number:x} is revoked by CN=CA"):
        counts(signer, [leaf], root.pem, authority.crl(root, AT, leaf))


def test_what_an_older_list_revoked_stays_revoked(root, signer, leaf):
    lists = authority.crl(root, AT - timedelta(days=1), leaf), authority.crl(root, AT)
    with pytest.raises(TrustError, match="is revoked"):
        counts(signer, [leaf], root.pem, *lists)


@pytest.mark.parametrize(("days", "why"), [(8, "should have been renewed on"), (-1, "from the future")])
def test_a_list_that_is_not_current_tells_nothing(root, signer, leaf, days, why):
    crl = authority.crl(root, AT)
    counts(signer, [leaf], root.pem, crl, now=AT + timedelta(days=6))
    with pytest.raises(TrustError, match=why):
        counts(signer, [leaf], root.pem, crl, now=AT + timedelta(days=days))


def test_a_list_that_somebody_else_signed_is_none(root, signer, leaf):
    other = authority.issuer(BEGINS)  # of the same name
    with pytest.raises(TrustError, match="has no CRL of CN=CA"):
        counts(signer, [leaf], root.pem, authority.crl(other, AT))
    with pytest.raises(TrustError, match="has no CRL of CN=CA"):
        counts(signer, [leaf], root.pem, authority.crl(root, AT, key=other.key))


def test_every_issuer_of_a_chain_needs_one(root, signer):
    middle = authority.issuer(BEGINS, by=root, name="middle")
    chain = [
        authority.leaf(middle, signer._private.public_key(), BEGINS, ["urn:assay:role:scanner"]),
        middle.certificate,
    ]
    lists = authority.crl(root, AT), authority.crl(middle, AT)
    counts(signer, chain, root.pem, *lists)
    with pytest.raises(TrustError, match="has no CRL of CN=middle"):
        counts(signer, chain, root.pem, lists[0])
    with pytest.raises(TrustError, match="is revoked by CN=CA"):
        counts(signer, chain, root.pem, authority.crl(root, AT, middle.certificate), lists[1])


def test_partial_and_broken_lists_are_refused(root):
    with pytest.raises(TrustError, match="partial"):
        read_crls(authority.crl(root, AT, critical=True))
    with pytest.raises(TrustError, match="not a CRL"):
        read_crls(root.pem)
    with pytest.raises(TrustError, match="not a CRL"):
        read_crls(["x"])
    with pytest.raises(TrustError, match="broken CRL"):
        read_crls("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")


def test_by_openssl_as_an_administrator_would(tmp_path, signer):
    """`openssl ca -gencrl` with the CA of docs/howto/certificates.md."""
    pem = authority.by_openssl(tmp_path).read_text()
    (tmp_path / "scanner.pem").write_bytes(
        signer._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path = authority.certify_by_openssl(tmp_path, tmp_path / "scanner.pem", "URI:urn:assay:role:scanner")
    leaf = x509.load_pem_x509_certificate(path.read_bytes())
    (tmp_path / "index.txt").touch()
    (tmp_path / "ca.cnf").write_text("[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\n")
    issue = ["ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"]
    authority.openssl(tmp_path, *issue, "-gencrl", "-crldays", "7", "-out", "crl.pem")
    clean = (tmp_path / "crl.pem").read_text()
    authority.openssl(tmp_path, *issue, "-revoke", str(path))
    authority.openssl(tmp_path, *issue, "-gencrl", "-crldays", "7", "-out", "crl.pem")
    revoked = (tmp_path / "crl.pem").read_text()
    now = datetime.now(UTC)
    text = f"{HEAD}pem = {json.dumps(pem)}\ncrl = "
    for crl, keys in ((clean, 1), (revoked, 0)):
        trust = Trust.parse(text + json.dumps(crl))
        assert len(trust.with_certificates([(leaf.public_bytes(DER),)], now).keys) == keys
