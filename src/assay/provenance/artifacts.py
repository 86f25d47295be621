"""What decides about models without being one: data sets, suites, scripts, container images; signed by digest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.statement import Statement, StatementSubject
from assay.core.verdict import format_time, parse_time
from assay.provenance.keyless import is_keyless, keyless_signer
from assay.provenance.origin import envelope_of, signer_of

if TYPE_CHECKING:
    from datetime import datetime

    from assay.provenance.trust import Trust

ARTIFACT_TYPE = "urn:assay:predicate:artifact:v1"
ARTIFACT_KINDS = ("dataset", "suite", "script", "image", "file")
ARTIFACT_ROLES = ("publisher", "reviewer", "evaluator", "builder")
_IMAGE = re.compile(r"[^@\s]+@sha256:(?P<hex>[0-9a-f]{64})")


def image_digest(reference: str) -> Digest | None:
    """The digest in a reference to a container image (`host/name@sha256:…`); None for anything else, tags included."""
    found = _IMAGE.fullmatch(reference)
    return Digest(found["hex"]) if found else None


def artifact(name: str, digest: Digest, *, kind: str, at: datetime) -> Statement:
    """A statement about one file or image.

    Args:
        name: of the file, or the image without its digest; informative.
        digest: of its bytes, or of the image.
        kind: one of `ARTIFACT_KINDS`.
        at: aware time.
    """
    predicate = {"kind": kind, "signedAt": format_time(at)}
    return Statement((StatementSubject(name, digest),), ARTIFACT_TYPE, predicate)


def check_artifact(value: Any, digest: Digest, trust: Trust, roles: tuple[str, ...], now: datetime) -> str:
    """Make sure that somebody of the trust file signed this digest; returns the id of the key, or the identity.

    Any in-toto statement will do (cosign's own, a SLSA provenance): what counts is that the digest is a subject. So
    does a bare signature in a keyless bundle (`cosign sign-blob`). The time is the statement's own where it is ours,
    that of the log for a keyless signature, else `now`.

    Args:
        value: the document, parsed JSON.
        digest: of the file, or of the image.
        trust: the verifier's own.
        roles: that would do.
        now: aware time.

    Raises:
        TrustError: when it is about something else, or nobody with one of the `roles` signed it.
    """
    if isinstance(value, dict) and "messageSignature" in value and is_keyless(value):
        return keyless_signer(value, trust.keyless, roles, digest).name
    envelope = envelope_of(value)
    statement = envelope.statement()
    at = now
    if statement.predicate_type == ARTIFACT_TYPE:
        try:
            at = parse_time(str(statement.predicate.get("signedAt")))
        except ValueError as error:
            raise TrustError("the statement does not say when it was made") from error
    signer = signer_of(value, envelope, trust, roles, at)
    if digest not in {subject.digest for subject in statement.subjects}:
        raise TrustError(f"the signature is about something else than {digest}")
    return signer
