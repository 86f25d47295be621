"""The gate with others' word for key and time: a private CA, and RFC 3161 time-stamps by the real `openssl ts`."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from assay.core.errors import EnvironmentFault, TrustError
from assay.gate.verify import verify_folder
from assay.provenance.bundle import material_of
from assay.provenance.certificates import read_certificates
from assay.provenance.keys import NOTE_ROLES, ROLES, KeyRing
from assay.provenance.trust import Trust
from tests.gate.admitted import Admission, outcome, trust_of
from tests.provenance import authority, stampers

SIGNING = tuple(role for role in ROLES if role not in NOTE_ROLES)


@pytest.fixture(scope="module")
def stamper(tmp_path_factory):
    with stampers.running(tmp_path_factory.mktemp("tsa")) as made:
        yield made


@pytest.fixture(scope="module")
def stamping(stamper, tmp_path_factory):
    """A ring whose signatures are stamped."""
    ring = KeyRing.create(tmp_path_factory.mktemp("stamping") / "keys")
    ring.tsa_url = stamper.url
    return ring


@pytest.fixture(scope="module")
def today():
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=10)


@pytest.fixture(scope="module")
def admission(stamping, today):
    return Admission(stamping, start=today).run()


def believing(stamping, stamper, today, **changes):
    return trust_of(stamping, today, stampers=tuple(read_certificates(stamper.root)), stamps_required=True, **changes)


@pytest.fixture
def believed(stamping, stamper, today):
    return believing(stamping, stamper, today)


def test_a_stamped_chain_is_verified_and_the_real_tool_agrees(admission, stamping, stamper, today, tmp_path):
    folder = admission.write(tmp_path / "model")
    report = verify_folder(folder, believing(stamping, stamper, today))
    assert report.verified, report.refusal
    assert "4 of them time-stamped" in report.steps[1].detail
    bundle = json.loads((folder / ".assay" / "01-fetched.sigstore.json").read_text())
    (response,) = material_of(bundle).stamps
    envelope = admission.envelopes["fetched"][0]
    assert stampers.openssl_agrees(stamper, response, envelope.signatures[0].sig)
    assert not stampers.openssl_agrees(stamper, response, envelope.signatures[0].sig + b"x")


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("without", "no time-stamp of an authority"),
        ("of another statement", "time-stamp is not valid"),
        ("garbage", "not a time-stamp"),
        ("another authority", "time-stamp is not valid"),
    ],
)
def test_a_chain_without_its_stamps_does_not_count(admission, believed, tmp_path, case, says):
    folder = admission.write(tmp_path / "model")
    trust = believed
    path = folder / ".assay" / "02-scanned.sigstore.json"
    bundle = json.loads(path.read_text())
    material = bundle["verificationMaterial"]
    other = json.loads((folder / ".assay" / "01-fetched.sigstore.json").read_text())["verificationMaterial"]
    match case:
        case "without":
            del material["timestampVerificationData"]
        case "of another statement":
            material["timestampVerificationData"] = other["timestampVerificationData"]
        case "garbage":
            stamp = base64.b64encode(b"\x30\x03\x02\x01\x00").decode()
            material["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": stamp}]}
        case "another authority":
            trust = replace(trust, stampers=(authority.issuer(admission.start).certificate,))
    path.write_text(json.dumps(bundle))
    report = verify_folder(folder, trust)
    assert outcome(report) == (2, False)
    assert says in report.refusal.detail


def test_the_stamp_decides_whether_the_key_was_valid_not_the_signer(stamping, stamper, today, tmp_path):
    """A leaked key that expired is used to date a statement back: only the stamp tells."""
    past = today - timedelta(days=400)
    folder = Admission(stamping, start=past).run().write(tmp_path / "model")
    trust = believing(stamping, stamper, today)
    ended = tuple(replace(key, not_before=past, not_after=today - timedelta(days=300)) for key in trust.keys)
    believed = replace(trust, keys=ended, stampers=(), stamps_required=False)
    assert verify_folder(folder, believed, now=past + timedelta(days=1)).verified, "without stamps nobody can tell"
    report = verify_folder(folder, replace(trust, keys=ended), now=datetime.now(UTC))
    assert outcome(report) == (2, False)
    assert "expired" in report.refusal.detail
    future = replace(trust, keys=tuple(replace(key, not_before=past) for key in trust.keys))
    later = Admission(stamping, start=today + timedelta(days=2)).run().write(tmp_path / "later")
    report = verify_folder(later, future, now=today + timedelta(days=3))
    assert "before the time that it says" in report.refusal.detail


def test_without_an_answer_nothing_is_signed_unstamped(stamping, stamper, today):
    stamper.broken = True
    try:
        with pytest.raises(EnvironmentFault, match="no time-stamp"):
            Admission(stamping, start=today).run()
    finally:
        stamper.broken = False


def test_a_chain_by_certified_keys_needs_no_key_in_the_trust_file(today, tmp_path):
    """Keys change, the verifiers' files do not: the authority alone stands in them."""
    root = authority.issuer(today - timedelta(days=1))
    KeyRing.create(tmp_path / "keys")
    plain = KeyRing.load(tmp_path / "keys")
    for role in SIGNING:
        public = serialization.load_pem_public_key(plain.public(role).pem.encode())
        made = authority.leaf(root, public, today - timedelta(hours=1), [f"urn:assay:role:{role}"], days=30)
        (tmp_path / "keys" / f"{role}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    ring = KeyRing.load(tmp_path / "keys")
    text = f'schema = "assay.trust/v1"\nmax_age_days = 90\n[[authorities]]\nroles = {json.dumps(list(SIGNING))}\n'
    trust = Trust.parse(f'{text}pem = """\n{root.pem}"""\n')
    folder = Admission(ring, start=today).run().write(tmp_path / "model")
    report = verify_folder(folder, trust)
    assert report.verified, report.refusal
    stranger = Admission(plain, start=today).run().write(tmp_path / "unknown")
    assert outcome(verify_folder(stranger, trust)) == (2, False)
    late = Admission(ring, start=today + timedelta(days=31)).run().write(tmp_path / "late")
    report = verify_folder(late, trust, now=today + timedelta(days=32))
    assert outcome(report) == (2, False)
    assert "expired" in report.refusal.detail
    swapped = Admission(ring, start=today, roles={"approved": "scanner"}).run().write(tmp_path / "swapped")
    report = verify_folder(swapped, trust)
    assert "not as approver" in report.refusal.detail


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("required = 3\npem = '''x'''", "true or false"),
        ("required = true", "pem"),
        ("pem = '''x'''", "not a certificate"),
        ("pem = '''x'''\nurl = ''", "perhaps required"),
    ],
)
def test_a_broken_table_of_stamps_is_refused(ring, table, says):
    from assay.provenance.trust import trust_text

    text = trust_text({"scanner": ring.public("scanner")}, now=datetime.now(UTC))
    with pytest.raises(TrustError, match=says):
        Trust.parse(text + f"[timestamps]\n{table}\n")
