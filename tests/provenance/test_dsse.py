from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.statement import PAYLOAD_TYPE, Envelope, Signature, Statement, StatementSubject
from assay.provenance import dsse
from assay.provenance.keys import PublicKey

STATEMENT = Statement((StatementSubject("x", Digest.of(b"x")),), "urn:test", {"text": "ünï \u202e"})
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def their_key(public, keyid=None):
    key = serialization.load_pem_public_key(public.pem.encode())
    return SSlibKey.from_crypto(key, keyid=keyid or public.id)


def test_the_encoding_of_the_specification():
    # https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, "Test Vectors"
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_securesystemslib_verifies_ours(ring):
    theirs = TheirEnvelope.from_dict(ring.sign("scanner", STATEMENT).to_json())
    assert theirs.verify([their_key(ring.public("scanner"))], 1)
    with pytest.raises(VerificationError):
        theirs.verify([their_key(ring.public("importer"), ring.public("scanner").id)], 1)


def test_we_verify_securesystemslib_s():
    private = ec.generate_private_key(ec.SECP256R1())
    signer = CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))
    theirs = TheirEnvelope(STATEMENT.payload(), PAYLOAD_TYPE, {})
    theirs.sign(signer)
    envelope = Envelope.from_json(theirs.to_dict())
    assert dsse.verify(envelope, [PublicKey.of(private.public_key())])
    assert envelope.statement() == STATEMENT


def test_signing_twice_gives_the_same_envelope(ring):
    assert ring.sign("scanner", STATEMENT).digest == ring.sign("scanner", STATEMENT).digest


def test_the_key_id_in_the_envelope_is_not_believed(ring):
    envelope = ring.sign("scanner", STATEMENT)
    lying = replace(envelope, signatures=(Signature(ring.public("importer").id, envelope.signatures[0].sig),))
    assert dsse.verify(lying, [ring.public("scanner")]) == (ring.public("scanner"),)
    with pytest.raises(TrustError):
        dsse.verify(lying, [ring.public("importer")])


@pytest.mark.parametrize(
    "change",
    [
        lambda e: replace(e, payload=e.payload + b" "),
        lambda e: replace(e, payload_type="application/json"),
        lambda e: replace(e, signatures=(Signature("", b""),)),
        lambda e: replace(e, signatures=(Signature("", e.signatures[0].sig[:-1]),)),
        lambda e: replace(e, signatures=(Signature("", b"\x30\x06\x02\x01\x00\x02\x01\x00"),)),
    ],
)
def test_a_changed_envelope_does_not_verify(ring, change):
    with pytest.raises(TrustError, match="signed by 0"):
        dsse.verify(change(ring.sign("scanner", STATEMENT)), [ring.public("scanner")])


def test_a_repeated_signature_counts_once(ring):
    envelope = ring.sign("scanner", STATEMENT)
    r, s = decode_dss_signature(envelope.signatures[0].sig)
    # ECDSA is malleable: (r, n - s) verifies as well and has other bytes.
    mirrored = Signature("other", encode_dss_signature(r, P256_ORDER - s))
    tripled = replace(envelope, signatures=(*envelope.signatures, *envelope.signatures, mirrored))
    keys = [ring.public("scanner"), ring.public("importer")]
    assert dsse.verify(tripled, keys) == (ring.public("scanner"),)
    with pytest.raises(TrustError, match="signed by 1"):
        dsse.verify(tripled, keys, threshold=2)


def test_a_key_given_twice_counts_once(ring):
    with pytest.raises(TrustError, match="2 signature"):
        dsse.verify(ring.sign("scanner", STATEMENT), [ring.public("scanner")] * 2, threshold=2)


def test_two_keys_make_a_threshold_of_two(ring):
    one, two = ring.sign("scanner", STATEMENT), ring.sign("importer", STATEMENT)
    both = replace(one, signatures=one.signatures + two.signatures)
    assert len(dsse.verify(both, [ring.public("scanner"), ring.public("importer")], threshold=2)) == 2


def test_no_keys_and_no_threshold_prove_nothing(ring):
    envelope = ring.sign("scanner", STATEMENT)
    with pytest.raises(TrustError):
        dsse.verify(envelope, [])
    with pytest.raises(TrustError):
        dsse.verify(envelope, [ring.public("scanner")], threshold=0)


def test_a_flood_of_signatures_is_not_read(ring):
    envelope = ring.sign("scanner", STATEMENT)
    flood = replace(envelope, signatures=envelope.signatures * (dsse.MAX_SIGNATURES + 1))
    with pytest.raises(TrustError, match="at most"):
        dsse.verify(flood, [ring.public("scanner")])
