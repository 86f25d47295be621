"""in-toto statements (attestation spec v1) and DSSE envelopes, as values."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.errors import TrustError

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True, order=True)
class StatementSubject:
    """A ResourceDescriptor with a name and a SHA-256."""

    name: str
    digest: Digest

    def to_json(self) -> dict[str, Any]:
        """As in the specification."""
        return {"name": self.name, "digest": {"sha256": self.digest.hex}}


@dataclass(frozen=True)
class Statement:
    """An in-toto statement v1.

    Attributes:
        subjects: what it is about; never empty.
        predicate_type: URI.
        predicate: JSON object.
    """

    subjects: tuple[StatementSubject, ...]
    predicate_type: str
    predicate: dict[str, Any]

    def __post_init__(self) -> None:
        if not self.subjects:
            msg = "a statement about nothing states nothing"
            raise TrustError(msg)

    def to_json(self) -> dict[str, Any]:
        """As in the specification."""
        return {
            "_type": STATEMENT_TYPE,
            "subject": [s.to_json() for s in self.subjects],
            "predicateType": self.predicate_type,
            "predicate": self.predicate,
        }

    def payload(self) -> bytes:
        """Canonical JSON: the DSSE payload."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a statement.

        Raises:
            TrustError: when it is not an in-toto statement v1 with SHA-256 subjects.
        """
        try:
            if value["_type"] != STATEMENT_TYPE:
                msg = f"not an in-toto statement v1: {value['_type']!r}"
                raise TrustError(msg)
            subjects = tuple(StatementSubject(str(s["name"]), Digest(s["digest"]["sha256"])) for s in value["subject"])
            predicate_type, predicate = value["predicateType"], value["predicate"]
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"broken in-toto statement: {error!r}"
            raise TrustError(msg) from error
        if not isinstance(predicate_type, str) or not isinstance(predicate, dict):
            msg = "broken in-toto statement: predicate"
            raise TrustError(msg)
        return cls(subjects, predicate_type, predicate)


@dataclass(frozen=True, slots=True)
class Signature:
    """One DSSE signature: key id (hint only, never trusted) and raw signature bytes."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A DSSE envelope (https://github.com/secure-systems-lab/dsse/blob/master/envelope.md).

    Attributes:
        payload: raw bytes, as signed.
        payload_type: media type.
        signatures: never empty.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not self.signatures:
            msg = "a DSSE envelope without signatures proves nothing"
            raise TrustError(msg)

    def to_json(self) -> dict[str, Any]:
        """As in the specification (standard base64)."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": s.keyid, "sig": base64.b64encode(s.sig).decode()} for s in self.signatures],
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read an envelope (TrustError when broken). Verifies nothing."""
        try:
            signatures = tuple(
                Signature(str(s.get("keyid", "")), base64.b64decode(s["sig"], validate=True))
                for s in value["signatures"]
            )
            return cls(base64.b64decode(value["payload"], validate=True), str(value["payloadType"]), signatures)
        except (KeyError, TypeError, AttributeError, binascii.Error, ValueError) as error:
            msg = f"broken DSSE envelope: {error!r}"
            raise TrustError(msg) from error

    def statement(self) -> Statement:
        """The in-toto statement inside (TrustError when it is none). Verify the signature first."""
        if self.payload_type != PAYLOAD_TYPE:
            msg = f"payload is {self.payload_type!r}, not {PAYLOAD_TYPE!r}"
            raise TrustError(msg)
        try:
            return Statement.from_json(json.loads(self.payload))
        except (ValueError, RecursionError) as error:
            msg = "payload is not JSON"
            raise TrustError(msg) from error

    @cached_property
    def digest(self) -> Digest:
        """Digest of the canonical JSON of the envelope; the next statement of the chain names it."""
        return Digest.of(canonical_json(self.to_json()))
