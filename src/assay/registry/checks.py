"""What a statement must say before the registry acts on it. Signatures are checked by whoever holds the trust file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.errors import TrustError
from assay.provenance.statements import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.core.digest import Digest
    from assay.core.statement import Statement
    from assay.core.verdict import Verdict
    from assay.store.index import StoredStatement


def about(statement: StoredStatement, kind: str, snapshot_id: Digest) -> Statement:
    """The statement inside, when it is of `kind` and about the snapshot.

    Raises:
        TrustError: when it is of another kind or about something else.
    """
    inside = statement.envelope.statement()
    if statement.kind != kind or inside.predicate_type != KINDS[kind]:
        raise TrustError(f"needs a signed {kind!r} statement, not {statement.kind!r} ({inside.predicate_type[:100]})")
    if snapshot_id not in {subject.digest for subject in inside.subjects}:
        raise TrustError(f"the {kind!r} statement is about another snapshot than {snapshot_id}")
    return inside


def approval(statements: Sequence[StoredStatement], name: str, verdict: Verdict) -> StoredStatement:
    """The statement among `statements` that approves this verdict under this name.

    Raises:
        TrustError: when there is none: nothing is published without one.
    """
    for one in statements:
        if one.kind != "approved":
            continue
        predicate = about(one, "approved", verdict.subject).predicate
        if predicate.get("assay_verdict") == verdict.to_json() and predicate.get("assay_name") == name:
            return one
    raise TrustError(f"no signed approval of this verdict for {name!r} among the statements")


def ref_move(statement: StoredStatement, snapshot_id: Digest, expected: dict[str, Any]) -> None:
    """Check that a `ref` statement says exactly this move, from exactly where the ref points now.

    Naming where it moves from is what makes a statement good for one move: it can't be played back later.

    Raises:
        TrustError: when it says something else.
    """
    predicate = about(statement, "ref", snapshot_id).predicate
    for key, value in expected.items():
        if predicate.get(key) != value:
            said = str(predicate.get(key))[:100]
            raise TrustError(f"the signed ref statement says {key} {said!r}, the move needs {value!r}")
