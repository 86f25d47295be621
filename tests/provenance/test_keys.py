import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.statement import Statement, StatementSubject
from assay.provenance import dsse
from assay.provenance.keys import ROLES, KeyRing, PublicKey, read_public_keys

STATEMENT = Statement((StatementSubject("x", Digest.of(b"x")),), "urn:test", {"a": 1})


def pem(key):
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_every_role_gets_a_key_of_its_own_that_only_the_owner_reads(tmp_path):
    ring = KeyRing.create(tmp_path / "keys")
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == sorted(
        f"{role}.{suffix}" for role in ROLES for suffix in ("pem", "pub")
    )
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").glob("*.pem")} == {0o600}
    assert len({ring.public(role).id for role in ROLES}) == len(ROLES)
    assert not KeyRing.encrypted(tmp_path / "keys")
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_load_reads_what_create_wrote(tmp_path):
    ring = KeyRing.create(tmp_path / "keys")
    again = KeyRing.load(tmp_path / "keys")
    assert {role: again.public(role) for role in ROLES} == {role: ring.public(role) for role in ROLES}
    assert read_public_keys(tmp_path / "keys") == {role: ring.public(role) for role in ROLES}
    # Deterministic: a step that signs twice writes the same envelope.
    assert again.sign("scanner", STATEMENT) == ring.sign("scanner", STATEMENT)


def test_keys_are_never_overwritten(tmp_path):
    before = KeyRing.create(tmp_path / "keys").public("importer")
    with pytest.raises(TrustError, match="never overwritten"):
        KeyRing.create(tmp_path / "keys")
    assert KeyRing.load(tmp_path / "keys").public("importer") == before


def test_a_passphrase_encrypts_the_private_keys(tmp_path):
    ring = KeyRing.create(tmp_path / "keys", "correct horse")
    assert KeyRing.encrypted(tmp_path / "keys")
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "keys" / "approver.pem").read_bytes()
    assert KeyRing.load(tmp_path / "keys", "correct horse").public("approver") == ring.public("approver")
    with pytest.raises(TrustError, match=r"wrong passphrase.*ASSAY_KEY_PASSPHRASE"):
        KeyRing.load(tmp_path / "keys", "battery staple")
    for nothing in (None, ""):
        with pytest.raises(TrustError, match="needs its passphrase"):
            KeyRing.load(tmp_path / "keys", nothing)


def test_a_passphrase_that_is_not_needed_does_no_harm(tmp_path):
    KeyRing.create(tmp_path / "keys")
    assert KeyRing.load(tmp_path / "keys", "whatever").public("scanner")


def test_only_the_roles_asked_for_are_read(tmp_path):
    KeyRing.create(tmp_path / "keys")
    for role in ("importer", "scanner", "approver"):
        (tmp_path / "keys" / f"{role}.pem").unlink()
    ring = KeyRing.load(tmp_path / "keys", roles=["registry"])
    assert ring.sign("registry", STATEMENT)
    with pytest.raises(TrustError, match="no key for the role 'approver'"):
        ring.sign("approver", STATEMENT)
    with pytest.raises(TrustError, match="assay init"):
        KeyRing.load(tmp_path / "keys")


def test_a_private_key_open_to_everybody_is_refused(tmp_path):
    KeyRing.create(tmp_path / "keys")
    (tmp_path / "keys" / "scanner.pem").chmod(0o644)
    with pytest.raises(TrustError, match="chmod 600"):
        KeyRing.load(tmp_path / "keys")


@pytest.mark.parametrize(
    "text",
    [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff\xfe"],
)
def test_a_broken_private_key_is_one_clear_error(tmp_path, text):
    KeyRing.create(tmp_path / "keys")
    (tmp_path / "keys" / "importer.pem").write_bytes(text)
    with pytest.raises(TrustError, match="not a private key"):
        KeyRing.load(tmp_path / "keys")


def test_a_private_key_of_another_curve_is_refused(tmp_path):
    KeyRing.create(tmp_path / "keys")
    other = ec.generate_private_key(ec.SECP384R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "keys" / "importer.pem").write_bytes(other.private_bytes(*form))
    with pytest.raises(TrustError, match="P-256"):
        KeyRing.load(tmp_path / "keys")


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_public_keys_of_the_three_curves_are_read(curve):
    key = ec.generate_private_key(curve).public_key()
    assert PublicKey.parse(pem(key)) == PublicKey.of(key)


@pytest.mark.parametrize(
    "key",
    [
        b"garbage",
        pem(rsa.generate_private_key(65537, 2048).public_key()),
        pem(ed448.Ed448PrivateKey.generate().public_key()),
        pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
    ],
)
def test_other_public_keys_are_refused(key):
    with pytest.raises(TrustError):
        PublicKey.parse(key)


def test_the_key_id_is_the_digest_of_the_der_form():
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert PublicKey.of(key).id == Digest.of(der).hex


def test_public_keys_are_missed_clearly(tmp_path):
    with pytest.raises(TrustError, match="assay init"):
        read_public_keys(tmp_path)


def test_the_envelope_carries_the_key_id_as_a_hint(ring):
    envelope = ring.sign("scanner", STATEMENT)
    assert [one.keyid for one in envelope.signatures] == [ring.public("scanner").id]
    assert dsse.verify(envelope, [ring.public("scanner")]) == (ring.public("scanner"),)
