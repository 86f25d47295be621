"""X.509 with a private CA: what an authority of the trust file may say about a key, and what not."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.statement import Statement, StatementSubject
from assay.provenance import dsse
from assay.provenance.bundle import from_bundle, material_of, to_bundle
from assay.provenance.keys import KeyRing, PublicKey, SigningKey, new_private
from assay.provenance.oms import oms_statement
from assay.provenance.trust import Trust, trust_text
from tests.provenance import authority

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
AT = BEGINS + timedelta(days=100)
STATEMENT = Statement((StatementSubject("x", Digest.of(b"x")),), "urn:test", {})
DER = serialization.Encoding.DER
SCANNER = ["urn:assay:role:scanner"]


@pytest.fixture(scope="module")
def root():
    return authority.issuer(BEGINS)


def trust_of(pem: str, roles=("scanner", "reviewer"), **more: str) -> Trust:
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    listed = json.dumps(list(roles))
    return Trust.parse(
        f'schema = "assay.trust/v1"\nmax_age_days = 30\n[[authorities]]\nroles = {listed}\n{extra}pem = """\n{pem}"""\n'
    )


def key() -> SigningKey:
    return SigningKey("scanner", new_private("scanner"))


def signed_by(
    by, trust, uris=SCANNER, *, at=AT, roles=("scanner",), beside=(), begins=BEGINS, days=365, now=AT, **options
):
    """The key that a statement counts for; the certificate travels in the bundle."""
    signer = key()
    made = authority.leaf(by, signer._private.public_key(), begins, list(uris), days, **options)
    chain = (made.public_bytes(DER), *(one.public_bytes(DER) for one in beside))
    return trust.with_certificates([chain], now).signer(dsse.sign(STATEMENT, signer), roles, at)


def test_a_certified_key_signs_in_its_role_and_time(root):
    trust = trust_of(root.pem)
    found = signed_by(root, trust)
    assert (found.roles, found.person) == ({"scanner"}, "")
    assert (found.not_before, found.not_after) == (BEGINS, BEGINS + timedelta(days=365))
    with pytest.raises(TrustError, match="not as approver"):
        signed_by(root, trust, roles=("approver",))
    with pytest.raises(TrustError, match="expired"):
        signed_by(root, trust, at=BEGINS + timedelta(days=366))
    with pytest.raises(TrustError, match="not valid yet"):
        signed_by(root, trust, at=BEGINS - timedelta(days=1))
    assert signed_by(root, trust, [*SCANNER, "urn:assay:person:anna"]).person == "anna"


def test_a_key_that_no_authority_certified_is_unknown(root):
    with pytest.raises(TrustError, match="no key in the trust file"):
        trust_of(root.pem).signer(dsse.sign(STATEMENT, key()), ("scanner",), AT)


def test_an_unknown_authority_and_a_namesake_do_not_count(root):
    for other in (authority.issuer(BEGINS), authority.issuer(BEGINS, name="CA")):
        with pytest.raises(TrustError, match="not one of this authority"):
            signed_by(other, trust_of(root.pem))


@pytest.mark.parametrize(
    ("uris", "options", "says"),
    [
        (["urn:assay:person:anna"], {}, "names no role"),
        (["urn:assay:role:approver"], {}, "names approver"),
        ([], {}, "not one of this authority"),
        (SCANNER, {"purposes": [x509.ExtendedKeyUsageOID.SERVER_AUTH]}, "another purpose"),
        (SCANNER, {"usage": authority._usage(sign=True, both=True)}, "not for signatures"),
        ([*SCANNER, "urn:assay:person:anna", "urn:assay:person:bob"], {}, "several persons"),
        (SCANNER, {"begins": BEGINS + timedelta(days=4000)}, "not one of this authority"),  # outlives its issuer
    ],
)
def test_what_does_not_count_says_why(root, uris, options, says):
    with pytest.raises(TrustError, match=says):
        signed_by(root, trust_of(root.pem), uris, **options)


def test_a_revoked_key_and_bytes_that_are_no_certificate(root):
    signer = key()
    made = authority.leaf(root, signer._private.public_key(), BEGINS, SCANNER).public_bytes(DER)
    revoked = trust_of(root.pem, revoked_keys=json.dumps([signer.public.id])).with_certificates([(made,)], AT)
    broken = trust_of(root.pem).with_certificates([(b"0" * 40,)], AT)
    for trust, says in ((revoked, "revoked in the trust file"), (broken, "not a certificate")):
        with pytest.raises(TrustError, match=says):
            trust.signer(dsse.sign(STATEMENT, signer), ("scanner",), AT)


def test_intermediates_come_with_the_signature_or_stand_in_the_trust_file(root):
    middle = authority.issuer(BEGINS, 200, by=root, name="middle")
    with pytest.raises(TrustError, match="not one of this authority"):
        signed_by(middle, trust_of(root.pem))
    found = signed_by(middle, trust_of(root.pem), beside=[middle.certificate])
    assert found.not_after == BEGINS + timedelta(days=200), "the whole chain must be valid at the time of signing"
    assert signed_by(middle, trust_of(root.pem + middle.pem)) is not None
    with pytest.raises(TrustError, match="expired"):
        signed_by(middle, trust_of(root.pem + middle.pem), at=BEGINS + timedelta(days=201))


def test_an_intermediate_that_is_none_does_not_lend_its_trust(root):
    """A signer's key certifies another: basicConstraints say that it may not."""
    first = key()
    own = authority.leaf(root, first._private.public_key(), BEGINS, SCANNER)
    fake = authority.Issuer(own, first._private)
    with pytest.raises(TrustError, match="not one of this authority"):
        signed_by(fake, trust_of(root.pem), beside=[own])


def test_the_entry_of_the_trust_file_wins_over_a_certificate(root):
    signer = key()
    text = trust_text({"scanner": signer.public}, now=BEGINS).replace("revoked = false", "revoked = true")
    pem = f'[[authorities]]\nroles = ["scanner"]\npem = """\n{root.pem}"""\n'
    trust = Trust.parse(text + pem)
    made = authority.leaf(root, signer._private.public_key(), BEGINS, SCANNER)
    offered = trust.with_certificates([(made.public_bytes(DER),)], AT)
    with pytest.raises(TrustError, match="revoked"):
        offered.signer(dsse.sign(STATEMENT, signer), ("scanner",), AT)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('["scanner", "reviewer"]', "[]", "roles of an authority"),
        ('["scanner", "reviewer"]', '["log"]', "roles of an authority"),
        ("roles", "rules", "an entry of authorities"),
        ("BEGIN CERTIFICATE", "BEGIN NOTHING", "not a certificate"),
        ("[[authorities]]", "[authorities]", "list of tables"),
        ("[[authorities]]", "[[authorities]]\nrevoked_keys = 3", "revoked_keys"),
    ],
)
def test_a_broken_authority_is_refused(root, old, new, says):
    head = 'schema = "assay.trust/v1"\nmax_age_days = 30\n[[authorities]]\nroles = ["scanner", "reviewer"]\n'
    text = f'{head}pem = """\n{root.pem}"""\n'
    with pytest.raises(TrustError, match=says):
        Trust.parse(text.replace(old, new))


def test_an_openssl_authority_a_key_ring_and_the_real_verifier(folder, snapshot, tmp_path, now):
    """As an administrator does it: openssl certifies our keys, what we sign carries it, `model_signing` agrees."""
    ca = authority.by_openssl(tmp_path)
    KeyRing.create(tmp_path / "keys")
    authority.certify_by_openssl(tmp_path, tmp_path / "keys" / "registry.pem", "URI:urn:assay:role:registry")
    ring = KeyRing.load(tmp_path / "keys", roles=["registry"])
    envelope = ring.sign("registry", oms_statement(snapshot, "name"))
    bundle = to_bundle(envelope, ring.public("registry"))
    (folder / ".assay").mkdir()
    (folder / ".assay" / "model.sig").write_text(json.dumps(bundle))
    command = [sys.executable, "-m", "model_signing", "verify", "certificate", "--signature"]
    command += [str(folder / ".assay" / "model.sig"), "--certificate_chain", str(ca), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    trust = trust_of(ca.read_text(), ("registry",))
    offered = trust.with_certificates([material_of(bundle).certificates], AT)
    at = datetime.now(UTC) + timedelta(minutes=1)
    assert offered.signer(from_bundle(bundle), ("registry",), at).public == ring.public("registry")
    plain = to_bundle(ring.sign("registry", STATEMENT), ring.public("registry"))
    assert set(plain["verificationMaterial"]) == {"certificate", "tlogEntries"}
    (tmp_path / "keys" / "importer.crt").write_bytes((tmp_path / "keys" / "registry.crt").read_bytes())
    with pytest.raises(TrustError, match="another key"):
        KeyRing.load(tmp_path / "keys", roles=["importer"])


def test_the_public_key_is_the_same_with_and_without_certificates(root):
    signer = key()
    made = authority.leaf(root, signer._private.public_key(), BEGINS, SCANNER).public_bytes(DER)
    assert PublicKey(signer.public.pem, (made,)) == signer.public
