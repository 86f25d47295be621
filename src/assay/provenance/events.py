"""Statements about what happens besides an admission: conversions, people's decisions, deployments, lifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from assay import __version__
from assay.core.errors import TrustError
from assay.core.statement import Statement
from assay.core.verdict import format_time
from assay.provenance.oms import oms_root
from assay.provenance.statements import (
    CONVERTED_TYPE,
    DECIDED_TYPE,
    DEPLOYED_TYPE,
    LIFTED_TYPE,
    WAIVED_TYPE,
    subjects_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from assay.core.digest import Digest
    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope


def converted(
    snapshot: Snapshot,
    source: Snapshot,
    *,
    files: Mapping[str, Sequence[str]],
    proof: dict[str, Any],
    previous: Envelope,
    at: datetime,
) -> Statement:
    """`snapshot` was made from `source`, and what proves that it is the same model. Both digests are in it.

    Args:
        snapshot: the result; the subjects are its.
        source: what it was made from.
        files: path in the result to the paths in the source that it was made from; never empty.
        proof: what was compared, JSON (tensors, bytes, outputs of the probe input).
        previous: the envelope before it: how the source or the result came in.
        at: when it was made.

    Raises:
        TrustError: for a file that one of the two does not hold, or for none.
    """
    if not files or any(not origins for origins in files.values()):
        raise TrustError("a conversion of nothing can't be stated")
    made = []
    for path, origins in sorted(files.items()):
        made.append(_entry(snapshot, path) | {"from": [_entry(source, origin) for origin in sorted(origins)]})
    predicate = {
        "tool": {"name": "assay", "version": __version__},
        "source": {"manifest": _digest(source.id), "omsRoot": _digest(oms_root(source)), "uri": source.origin.uri},
        "files": made,
        "proof": proof,
        "convertedAt": format_time(at),
        "previous": str(previous.digest),
    }
    return Statement(subjects_of(snapshot), CONVERTED_TYPE, predicate)


def decided(
    snapshot: Snapshot,
    *,
    name: str,
    decision: Literal["approve", "reject"],
    person: str,
    reason: str,
    policy: Digest,
    previous: Envelope,
    at: datetime,
) -> Statement:
    """A person approves or rejects the model under a name. Signed with that person's own key, on their side.

    Args:
        snapshot: what was decided about.
        name: `org/name`.
        decision: approve or reject.
        person: who says so; the key is what counts.
        reason: in their words; never empty.
        policy: digest of the policy in force, which says what a person may decide.
        previous: the verdict (a verification summary) that lay before them.
        at: when.

    Raises:
        TrustError: without a reason or a person.
    """
    _said(reason=reason, person=person)
    predicate = {
        "name": name,
        "decision": decision,
        "person": person,
        "reason": reason,
        "policy": _digest(policy),
        "decidedAt": format_time(at),
        "previous": str(previous.digest),
    }
    return Statement(subjects_of(snapshot), DECIDED_TYPE, predicate)


def waived(
    snapshot: Snapshot,
    *,
    name: str,
    finding: dict[str, Any],
    person: str,
    reason: str,
    until: datetime,
    previous: Envelope,
    at: datetime,
) -> Statement:
    """A finding about this very snapshot is set aside until a day.

    Args:
        snapshot: the only one that it holds for.
        name: `org/name`.
        finding: which finding: `rule`, and `file` or `id` where one rule speaks several times.
        person: who says so; the key is what counts.
        reason: never empty.
        until: the end; it must come after `at`.
        previous: the verdict that holds the finding.
        at: when.

    Raises:
        TrustError: without a reason, a person or a rule, or when it ends before it begins.
    """
    _said(reason=reason, person=person, rule=str(finding.get("rule", "")))
    if until <= at:
        raise TrustError("a waiver must end after it begins", hint="give a later day with --until")
    predicate = {
        "name": name,
        "finding": finding,
        "person": person,
        "reason": reason,
        "until": format_time(until),
        "waivedAt": format_time(at),
        "previous": str(previous.digest),
    }
    return Statement(subjects_of(snapshot), WAIVED_TYPE, predicate)


def deployed(
    snapshot: Snapshot, *, name: str, environment: str, steps: Sequence[str], previous: Envelope, at: datetime
) -> Statement:
    """The model was verified and handed over to an environment.

    Args:
        snapshot: what was verified, byte by byte.
        name: `org/name` that it was approved as.
        environment: where it goes (`production`, a cluster, a pipeline).
        steps: titles of the steps that passed; never empty.
        previous: the approval that the verification rested on.
        at: when.

    Raises:
        TrustError: without an environment or steps.
    """
    _said(environment=environment, steps=" ".join(steps))
    predicate = {
        "name": name,
        "environment": environment,
        "verifier": {"name": "assay", "version": __version__},
        "steps": list(steps),
        "deployedAt": format_time(at),
        "previous": str(previous.digest),
    }
    return Statement(subjects_of(snapshot), DEPLOYED_TYPE, predicate)


def lifted(snapshot: Snapshot, *, name: str, reason: str, revocation: Envelope, at: datetime) -> Statement:
    """The revocation does not hold any more.

    Counts when a key with the role *lift* signed it that did not sign the revocation.

    Raises:
        TrustError: without a reason.
    """
    _said(reason=reason)
    predicate = {"name": name, "reason": reason, "liftedAt": format_time(at), "previous": str(revocation.digest)}
    return Statement(subjects_of(snapshot), LIFTED_TYPE, predicate)


def _entry(snapshot: Snapshot, path: str) -> dict[str, Any]:
    entry = snapshot.entry(path)
    if entry is None:
        raise TrustError(f"a conversion names {path!r}, which the snapshot does not hold")
    return {"name": path, "digest": _digest(entry.digest)}


def _digest(value: Digest) -> dict[str, str]:
    return {"sha256": value.hex}


def _said(**texts: str) -> None:
    for name, value in texts.items():
        if not value.strip():
            raise TrustError(f"a statement without {name} can't be signed")
