"""Keys in a token: a real SoftHSM of this machine, from the URI to a statement that everybody verifies."""

import subprocess
from pathlib import Path

import pytest

from assay.core.errors import AssayError, EnvironmentFault, TrustError, UsageError
from assay.provenance import dsse
from assay.provenance.backends import PIN, TokenKey, open_key
from assay.provenance.keys import KeyRing
from assay.provenance.statements import fetched

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A token with an ECDSA key `approver` and an RSA key `rsa`."""
    import os

    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    home = tmp_path_factory.mktemp("softhsm")
    (home / "tokens").mkdir()
    (home / "softhsm2.conf").write_text(f"directories.tokendir = {home}/tokens\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(home / "softhsm2.conf")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "assay", "--pin", "1234", "--so-pin", "5678"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with pkcs11.lib(str(MODULE)).get_token(token_label="assay").open(rw=True, user_pin="1234") as session:
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        parameters.generate_keypair(store=True, label="approver")
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label="rsa")
    (home / "pin").write_text("1234\n")
    yield home
    del os.environ["SOFTHSM2_CONF"]


def uri(label="approver", name="assay", **options):
    query = "&".join(f"{key}={value}" for key, value in {"module-path": str(MODULE), **options}.items())
    return f"pkcs11:token={name};object={label}?{query}"


def test_a_key_in_a_token_signs_what_everybody_verifies(token, snapshot, now, monkeypatch):
    monkeypatch.setenv(PIN, "1234")
    key = open_key(uri(), "approver")
    assert isinstance(key, TokenKey)
    envelope = dsse.sign(fetched(snapshot, started=now, finished=now), key)
    assert dsse.verify(envelope, [key.public]) == (key.public,)
    assert not hasattr(key, "_private"), "the private key stays in the token"
    with pytest.raises(TrustError):
        dsse.verify(dsse.sign(fetched(snapshot, started=now, finished=now), key), [])


def test_a_ring_takes_a_role_from_a_token_and_the_others_from_files(token, tmp_path):
    KeyRing.create(tmp_path / "keys")
    (tmp_path / "keys" / "approver.pem").unlink()
    (tmp_path / "keys" / "approver.uri").write_text(uri(**{"pin-source": f"file:{token}/pin"}) + "\n")
    ring = KeyRing.load(tmp_path / "keys")
    assert isinstance(ring.key("approver"), TokenKey)
    assert not isinstance(ring.key("scanner"), TokenKey)
    assert ring.public("approver").verify(ring.key("approver").sign(b"x"), b"x")


@pytest.mark.parametrize(
    ("where", "error"),
    [
        (uri("none"), TrustError),
        (uri(name="none"), TrustError),
        (uri("rsa"), TrustError),
        ("pkcs11:object=approver", UsageError),
        ("vault:transit/approver", UsageError),
        (uri(**{"module-path": "/none.so"}), EnvironmentFault),
        (uri(**{"pin-source": "file:/none"}), EnvironmentFault),
    ],
)
def test_what_is_not_there_is_one_clear_line(token, monkeypatch, where, error):
    monkeypatch.setenv(PIN, "1234")
    with pytest.raises(error):
        open_key(where, "approver")


def test_a_wrong_or_missing_pin(token, monkeypatch):
    monkeypatch.delenv(PIN, raising=False)
    with pytest.raises(TrustError, match="PIN"):
        open_key(uri(), "approver")


def test_a_path_and_a_file_uri_are_the_same_key(tmp_path):
    KeyRing.add(tmp_path, "lift")
    ids = {open_key(where, "lift").public.id for where in (f"{tmp_path}/lift.pem", f"file:{tmp_path}/lift.pem")}
    assert len(ids) == 1
    with pytest.raises(AssayError):
        open_key("file:/none.pem", "lift")
