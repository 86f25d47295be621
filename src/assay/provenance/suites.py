"""A signed suite: who stands behind an evaluation, and on which data. A file of its own beside the suite.

The statement's subjects are the digests of the suite's file and of its data, so that neither can be exchanged. It is
signed by whoever the organisation lets decide what is measured: a reviewer on their side, or the approver's key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.core.errors import TrustError
from assay.core.statement import Envelope, Statement, StatementSubject
from assay.core.verdict import format_time, parse_time
from assay.provenance.trust import MAX_SKEW

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from assay.core.digest import Digest
    from assay.provenance.trust import Trust, TrustedKey

SUITE_TYPE = "urn:assay:predicate:suite:v1"
SUITE_SIGNERS = ("reviewer", "approver")
SUFFIX = ".dsse.json"  # behind the name of the suite's file
SUITE_NAME, DATA_NAME = "suite", "data"
MAX_ENVELOPE_BYTES = 1 << 20


def suite_statement(
    suite: Digest, data: Digest, *, name: str, task: str, metrics: tuple[str, ...], at: datetime
) -> Statement:
    """State that this suite on this data is what is to be measured.

    Args:
        suite: of the bytes of the suite's file.
        data: of the bytes of its data.
        name: of the suite.
        task: that it measures.
        metrics: of it.
        at: when it was signed, by the signer's clock.
    """
    predicate: dict[str, Any] = {
        "tool": {"name": "assay", "version": __version__},
        "name": name,
        "task": task,
        "metrics": list(metrics),
        "signedAt": format_time(at),
    }
    subjects = (StatementSubject(SUITE_NAME, suite), StatementSubject(DATA_NAME, data))
    return Statement(subjects, SUITE_TYPE, predicate)


def verify_suite(envelope: Envelope, suite: Digest, data: Digest, trust: Trust, now: datetime) -> TrustedKey:
    """The trusted key that signed this suite with this data.

    1. The payload is a statement of this kind.
    2. It is about exactly this suite and this data.
    3. Its time is not ahead of `now`.
    4. A key of the trust file signed it, as a reviewer or approver, valid at that time and now.

    Raises:
        TrustError: naming the first step that does not hold.
    """
    statement = envelope.statement()
    if statement.predicate_type != SUITE_TYPE:
        raise TrustError(f"not a statement about a suite: {statement.predicate_type!r}")
    wanted = {(SUITE_NAME, suite), (DATA_NAME, data)}
    if {(one.name, one.digest) for one in statement.subjects} != wanted:
        raise TrustError("the signature is about another suite, or about other data", hint="sign it again")
    try:
        signed_at = parse_time(str(statement.predicate.get("signedAt", "")))
    except ValueError as error:
        raise TrustError("the suite's signature has no time") from error
    if signed_at > now + MAX_SKEW:
        raise TrustError(f"the suite was signed in the future: {format_time(signed_at)}")
    key = trust.signer(envelope, SUITE_SIGNERS, signed_at)
    key.check(SUITE_SIGNERS, now)
    return key


def envelope_beside(suite: Path) -> Envelope | None:
    """The envelope that lies beside a suite's file; None when there is none.

    Raises:
        TrustError: when there is a file, and it is no envelope.
    """
    path = suite.with_name(suite.name + SUFFIX)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrustError(f"can't read {path}: {error.strerror}") from error
    if len(data) > MAX_ENVELOPE_BYTES:
        raise TrustError(f"{path}: longer than {MAX_ENVELOPE_BYTES} bytes")
    try:
        return Envelope.from_json(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise TrustError(f"{path}: not an envelope") from error
