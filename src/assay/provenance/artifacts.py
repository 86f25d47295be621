"""What decides about models without being one: data sets, suites, scripts, container images; signed by digest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.statement import Statement, StatementSubject
from assay.core.verdict import format_time, parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from assay.core.statement import Envelope
    from assay.provenance.trust import Trust, TrustedKey

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


def check_artifact(
    envelope: Envelope, digest: Digest, trust: Trust, roles: tuple[str, ...], now: datetime
) -> TrustedKey:
    """Make sure that a trusted key signed a statement about this digest; returns the key.

    Any in-toto statement will do (cosign's own, a SLSA provenance): what counts is that the digest is a subject. The
    time is the statement's own where it is ours, else `now`.

    Raises:
        TrustError: when it is about something else, or no key of one of the `roles` signed it.
    """
    statement = envelope.statement()
    at = now
    if statement.predicate_type == ARTIFACT_TYPE:
        try:
            at = parse_time(str(statement.predicate.get("signedAt")))
        except ValueError as error:
            raise TrustError("the statement does not say when it was made") from error
    key = trust.signer(envelope, roles, at)
    if digest not in {subject.digest for subject in statement.subjects}:
        raise TrustError(f"the signature is about something else than {digest}")
    return key
