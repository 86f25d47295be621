"""Signed notes and checkpoints of the log: C2SP signed-note, tlog-checkpoint and tlog-cosignature, v1.

A checkpoint is the text `origin`, number of entries, root in base64, each on a line of its own; the log's Ed25519 key
signs the text, a witness's key signs the text and a time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from assay.core.errors import TrustError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.provenance.keys import PublicKey, SigningKey

ED25519 = 1  # signature types of signed-note
COSIGNATURE = 4
MAX_NOTE_BYTES = 1 << 16
MAX_SIGNATURES = 100
_ID = 4  # bytes of a key id
_ROOT = 32
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A line below a note: a key's name, and the key id with what the signature holds. Nothing is verified."""

    name: str
    blob: bytes


@dataclass(frozen=True)
class Note:
    """A text with signatures.

    Attributes:
        text: with its final newline.
        signatures: never empty once it was read.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, data: str) -> Self:
        """Read a signed note; verifies nothing.

        Raises:
            TrustError: when it is none.
        """
        body, mark, lines = data.rpartition("\n\n")
        if len(data) > MAX_NOTE_BYTES or not mark or not lines.endswith("\n"):
            raise TrustError("not a signed note: no text, blank line and signatures")
        if any(ord(character) < ord(" ") and character != "\n" for character in data):
            raise TrustError("not a signed note: control characters")
        found = []
        for line in lines.splitlines():
            name, _, blob = line.removeprefix(_DASH).partition(" ")
            try:
                raw = base64.b64decode(blob, validate=True)
            except (binascii.Error, ValueError) as error:
                raise TrustError("not a signed note: a signature is not base64") from error
            if not line.startswith(_DASH) or not name or len(raw) <= _ID:
                raise TrustError("not a signed note: a line below it is no signature")
            found.append(NoteSignature(name, raw))
        if len(found) > MAX_SIGNATURES:
            raise TrustError(f"a note with more than {MAX_SIGNATURES} signatures")
        return cls(body + "\n", tuple(found))

    def __str__(self) -> str:
        """As it is written into a file."""
        lines = (f"{_DASH}{one.name} {base64.b64encode(one.blob).decode()}\n" for one in self.signatures)
        return f"{self.text}\n{''.join(lines)}"

    def signed_by(self, name: str, key: PublicKey) -> bool:
        """Whether an Ed25519 signature of this key under this name is among the signatures."""
        identity = key_id(name, key, ED25519)
        message = self.text.encode("utf-8")
        return any(
            one.name == name and one.blob[:_ID] == identity and key.verify(one.blob[_ID:], message)
            for one in self.signatures
        )

    def cosigned_by(self, key: PublicKey) -> datetime | None:
        """The newest time at which a witness with this key, under whatever name, cosigned; None when it did not."""
        times = []
        for one in self.signatures:
            if one.blob[:_ID] != key_id(one.name, key, COSIGNATURE) or len(one.blob) != _ID + 8 + 64:
                continue
            (seconds,) = struct.unpack(">Q", one.blob[_ID : _ID + 8])
            if key.verify(one.blob[_ID + 8 :], _cosigned(seconds, self.text)):
                times.append(seconds)
        try:
            return datetime.fromtimestamp(max(times), UTC) if times else None
        except (ValueError, OverflowError, OSError):
            return None


def key_id(name: str, key: PublicKey, kind: int) -> bytes:
    """Key id of signed-note: first 4 bytes of SHA-256(name, newline, type, key)."""
    if key.raw is None:
        raise TrustError("notes are signed with Ed25519 keys", hint="`assay init` makes one for the role log")
    return hashlib.sha256(name.encode("utf-8") + b"\n" + bytes([kind]) + key.raw).digest()[:_ID]


def verifier_key(name: str, key: PublicKey) -> str:
    """The key as other tools take it (`vkey`): name, key id and base64 of type and key."""
    encoded = base64.b64encode(bytes([ED25519]) + (key.raw or b"")).decode()
    return f"{name}+{key_id(name, key, ED25519).hex()}+{encoded}"


def sign_note(text: str, name: str, key: SigningKey) -> Note:
    """Sign a text under a name (TrustError for a text without a final newline or a name with a space or plus)."""
    if not text.endswith("\n") or not name or any(one.isspace() or one == "+" for one in name):
        raise TrustError("a note is a text that ends in a newline, signed under a name without spaces and plus")
    blob = key_id(name, key.public, ED25519) + key.sign(text.encode("utf-8"))
    return Note(text, (NoteSignature(name, blob),))


def cosign(note: Note, name: str, key: SigningKey, at: datetime) -> Note:
    """Add a witness's signature. The witness must have checked before that the log only grew since it last looked."""
    seconds = int(at.timestamp())
    blob = key_id(name, key.public, COSIGNATURE) + struct.pack(">Q", seconds) + key.sign(_cosigned(seconds, note.text))
    return Note(note.text, (*note.signatures, NoteSignature(name, blob)))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log at one moment.

    Attributes:
        origin: which log.
        size: number of entries.
        root: root of the Merkle tree over them.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def of(cls, note: Note) -> Self:
        """Read the text of a note (TrustError when it is no checkpoint; further lines are allowed and ignored)."""
        lines = note.text.split("\n")
        try:
            origin, size, root = lines[0], lines[1], base64.b64decode(lines[2], validate=True)
        except (IndexError, binascii.Error, ValueError) as error:
            raise TrustError("not a checkpoint of a log") from error
        if not origin or not size.isdecimal() or str(int(size)) != size or len(root) != _ROOT:
            raise TrustError("not a checkpoint of a log")
        return cls(origin, int(size), root)


def open_checkpoint(data: str, keys: Iterable[PublicKey]) -> tuple[Note, Checkpoint]:
    """Read a checkpoint that one of the log's `keys` signed.

    Raises:
        TrustError: when none of them did, or it is no checkpoint.
    """
    note = Note.parse(data)
    checkpoint = Checkpoint.of(note)
    if not any(note.signed_by(checkpoint.origin, key) for key in keys):
        raise TrustError("the checkpoint is not signed by a trusted key of the log")
    return note, checkpoint


def _cosigned(seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
