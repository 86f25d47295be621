"""Signed notes: a note signed by another implementation, and every way to spoil ours."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from assay.core.errors import TrustError
from assay.provenance.keys import PublicKey, SigningKey, new_private
from assay.provenance.notes import Checkpoint, Note, cosign, open_checkpoint, sign_note, verifier_key

# The example of golang.org/x/mod/sumdb/note: made by another implementation.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_of_another_implementation_verifies():
    raw = base64.b64decode(VKEY.split("+", 2)[2])[1:]
    key = PublicKey.of(ed25519.Ed25519PublicKey.from_public_bytes(raw))
    assert verifier_key("PeterNeumann", key) == VKEY
    note = Note.parse(NOTE)
    assert note.signed_by("PeterNeumann", key)
    assert str(note) == NOTE
    assert not Note.parse(NOTE.replace("problem", "question")).signed_by("PeterNeumann", key)
    assert not note.signed_by("Peter", key)


@pytest.fixture(scope="module")
def log():
    return SigningKey("log", new_private("log"))


@pytest.fixture(scope="module")
def witness():
    return SigningKey("witness", new_private("witness"))


def test_a_checkpoint_comes_back_and_a_witness_adds_its_time(log, witness, now):
    checkpoint = Checkpoint("example.org/log", 7, bytes(range(32)))
    note = sign_note(checkpoint.text(), checkpoint.origin, log)
    assert open_checkpoint(str(note), [witness.public, log.public]) == (note, checkpoint)
    seen = cosign(note, "example.org/witness", witness, now)
    again = cosign(seen, "example.org/witness", witness, now + timedelta(hours=1))
    assert open_checkpoint(str(again), [log.public])[1] == checkpoint
    assert (note.cosigned_by(witness.public), seen.cosigned_by(witness.public)) == (None, now)
    assert Note.parse(str(again)).cosigned_by(witness.public) == now + timedelta(hours=1)
    assert seen.cosigned_by(log.public) is None


def test_a_changed_checkpoint_is_refused(log, witness, now):
    note = str(sign_note(Checkpoint("o", 7, bytes(32)).text(), "o", log))
    for changed in (note.replace("\n7\n", "\n8\n"), note.replace("o\n7", "p\n7"), str(sign_note("o\n7\n", "o", log))):
        with pytest.raises(TrustError):
            open_checkpoint(changed, [log.public])
    with pytest.raises(TrustError):
        open_checkpoint(note, [witness.public])
    with pytest.raises(TrustError):
        open_checkpoint(note, [])
    moved = cosign(Note.parse(note), "w", witness, now)
    other = Note("o\n9\n\n", moved.signatures)
    assert other.cosigned_by(witness.public) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\nname AAAA\n",
        "text\n\n— name !!\n",
        "text\n\n— name AAAA\n",
        "a\tb\n\n— n AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(wrong):
    with pytest.raises(TrustError):
        Note.parse(wrong)


@pytest.mark.parametrize("text", ["o\n", "o\nx\nAAAA\n", "o\n07\n" + "A" * 43 + "=\n", "\n7\n" + "A" * 43 + "=\n"])
def test_what_is_no_checkpoint_is_refused(text, log):
    with pytest.raises(TrustError):
        Checkpoint.of(Note(text, ()))


def test_what_can_not_be_signed(log, ring):
    for text, name in (("no newline", "n"), ("x\n", "a b"), ("x\n", "a+b"), ("x\n", "")):
        with pytest.raises(TrustError):
            sign_note(text, name, log)
    with pytest.raises(TrustError, match="Ed25519"):
        sign_note("x\n", "n", ring.key("registry"))
