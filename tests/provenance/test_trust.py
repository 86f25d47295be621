from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.statement import Statement, StatementSubject
from assay.core.verdict import format_time
from assay.provenance.keys import ROLES, KeyRing, PublicKey, SigningKey
from assay.provenance.trust import KEY_LIFETIME, Trust, TrustedKey, trust_text

STATEMENT = Statement((StatementSubject("x", Digest.of(b"x")),), "urn:test", {})


@pytest.fixture
def text(ring, now):
    return trust_text({role: ring.public(role) for role in ROLES}, now=now)


def test_what_init_writes_is_read_back(text, ring, now):
    trust = Trust.parse(text)
    assert trust.max_age == timedelta(days=30)
    assert trust.accepted_policies is None
    assert trust.keys == tuple(
        TrustedKey(ring.public(role), frozenset({role}), now, now + KEY_LIFETIME) for role in ROLES
    )


def test_accepted_policies_and_other_time_zones_are_read(text, now):
    digest = Digest.of(b"policy")
    changed = text.replace('# accepted_policies = ["sha256:…"]', f'accepted_policies = ["{digest}"]')
    changed = changed.replace(format_time(now), "2026-03-01T14:00:00+02:00")
    trust = Trust.parse(changed)
    assert trust.accepted_policies == {digest}
    assert trust.keys[0].not_before == now
    assert trust.keys[0].not_before.tzinfo is UTC


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("assay.trust/v1", "assay.trust/v2", "schema"),
        ("max_age_days = 30", "max_age_days = 0", "max_age_days"),
        ("max_age_days = 30", 'max_age_days = "30"', "max_age_days"),
        ("max_age_days = 30", "max_age_days = true", "max_age_days"),
        ("max_age_days = 30", "", "lacks 'max_age_days'"),
        ("max_age_days = 30", "max_age_days = 30\nmax_age = 3", "unknown key 'max_age'"),
        ("max_age_days = 30", "max_age_days = 30\naccepted_policies = []", "accepted_policies"),
        ("max_age_days = 30", 'max_age_days = 30\naccepted_policies = ["x"]', "accepted_policies"),
        ('roles = ["importer"]', 'roles = ["importer"]\nrole = "approver"', "unknown key 'role'"),
        ('roles = ["importer"]', "roles = []", "roles must be"),
        ('roles = ["importer"]', 'roles = ["root"]', "roles must be"),
        ('roles = ["importer"]', 'roles = "importer"', "roles must be"),
        ('roles = ["importer"]', "", "lacks 'roles'"),
        ("not_before = 2026-03-01T12:00:00Z", "not_before = 2026-03-01T12:00:00", "zone"),
        ("not_before = 2026-03-01T12:00:00Z", 'not_before = "2026"', "zone"),
        ("not_before = 2026-03-01T12:00:00Z", "not_before = 2099-01-01T00:00:00Z", "ends before"),
        ("revoked = false", 'revoked = "no"', "revoked must be"),
        ("[[keys]]", "[[key]]", "unknown key 'key'"),
        ("-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC-----", "PEM"),
    ],
)
def test_a_wrong_trust_file_is_refused(text, old, new, says):
    assert old in text
    with pytest.raises(TrustError) as raised:
        Trust.parse(text.replace(old, new, 1))
    assert says in str(raised.value)


def test_an_id_of_another_key_is_refused(text, ring):
    ids = [ring.public(role).id for role in ROLES]
    with pytest.raises(TrustError, match="is not the id of its key"):
        Trust.parse(text.replace(ids[0], ids[1], 1))


def test_a_key_twice_is_refused(ring, now):
    key = ring.public("importer")
    with pytest.raises(TrustError, match="twice"):
        Trust.parse(trust_text({"importer": key, "approver": key}, now=now))


def test_no_keys_is_no_trust(text):
    with pytest.raises(TrustError, match="trusts no key"):
        Trust.parse(text[: text.index("[[keys]]")] + "keys = []\n")


def test_files_are_missed_and_refused_by_name(tmp_path, text):
    path = tmp_path / "trust.toml"
    with pytest.raises(TrustError, match="assay init"):
        Trust.load(path)
    path.write_text("nonsense")
    with pytest.raises(TrustError, match=r"trust\.toml: not TOML"):
        Trust.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TrustError, match=r"trust\.toml"):
        Trust.load(path)
    path.write_bytes(b"#" * 2_000_000)
    with pytest.raises(TrustError, match="larger"):
        Trust.load(path)
    path.write_text(text, encoding="utf-8")
    assert Trust.load(path).keys


def test_the_signer_is_found_by_its_signature(text, ring, now):
    trust = Trust.parse(text)
    assert trust.signer(ring.sign("scanner", STATEMENT), {"scanner"}, now).public == ring.public("scanner")


def test_the_first_key_that_may_sign_is_enough(text, ring, now):
    one, two = ring.sign("importer", STATEMENT), ring.sign("scanner", STATEMENT)
    both = replace(one, signatures=one.signatures + two.signatures)
    assert Trust.parse(text).signer(both, {"scanner"}, now).public == ring.public("scanner")


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (({"approver"}, 1, False), "is trusted as scanner, not as approver"),
        (({"scanner"}, -1, False), "not valid yet"),
        (({"scanner"}, 1096, False), "expired"),
        (({"scanner"}, 1, True), "revoked"),
    ],
)
def test_a_key_signs_in_its_role_and_time_only(text, ring, now, case, says):
    roles, days, revoked = case
    trust = Trust.parse(text.replace("revoked = false", f"revoked = {str(revoked).lower()}"))
    with pytest.raises(TrustError, match=says):
        trust.signer(ring.sign("scanner", STATEMENT), roles, now + timedelta(days=days))


def test_a_foreign_key_is_no_signer_whatever_id_it_claims(text, ring, now):
    stranger = SigningKey("scanner", ec.generate_private_key(ec.SECP256R1()))
    envelope = KeyRing([stranger]).sign("scanner", STATEMENT)
    claiming = replace(envelope, signatures=(replace(envelope.signatures[0], keyid=ring.public("scanner").id),))
    for one in (envelope, claiming):
        with pytest.raises(TrustError, match="no key in the trust file"):
            Trust.parse(text).signer(one, {"scanner"}, now)
    assert isinstance(stranger.public, PublicKey)
