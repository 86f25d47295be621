"""What is signed in an admission. The signer takes nobody's word for the verdict: it decides again, then signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import TrustError
from assay.core.verdict import Decision
from assay.policy.decide import decide
from assay.provenance.bundle import to_bundle
from assay.provenance.oms import oms_statement
from assay.provenance.statements import approved, fetched, ref, scanned
from assay.registry.records import MAIN
from assay.store.index import StoredStatement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from assay.core.evidence import Evidence
    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope, Statement
    from assay.core.verdict import Verdict
    from assay.policy.model import Policy
    from assay.provenance.keys import KeyRing


def sign_admission(
    snapshot: Snapshot,
    evidence: Sequence[Evidence],
    verdict: Verdict,
    *,
    ring: KeyRing,
    policy: Policy,
    name: str,
    times: tuple[datetime, datetime, datetime],
) -> list[StoredStatement]:
    """The chain fetched → scanned → approved, each by its role's key, and for an ADMIT the model signature.

    Deterministic: the same arguments give the same bytes. Without an ADMIT the third is a summary that says FAILED.

    Args:
        snapshot: with the origin that is stated.
        evidence: as stored.
        verdict: as stored; believed only when deciding again gives the same.
        ring: keys of the roles.
        policy: in force.
        name: under which the model was judged.
        times: when fetching began, when it ended, when inspecting ended.

    Raises:
        TrustError: deciding again on this evidence, at the verdict's own time, gives something else.
    """
    again = decide(snapshot, evidence, policy, verdict.decided_at)
    if again.digest != verdict.digest:
        raise TrustError(
            f"the evidence does not bear out the stored verdict ({verdict.decision.value}): "
            f"deciding again gives {again.decision.value}",
            hint="nothing was signed; run `assay log verify` and vet it again",
        )
    started, finished, inspected = times
    first = _sign(ring, "fetched", "importer", fetched(snapshot, started=started, finished=finished))
    second = _sign(ring, "scanned", "scanner", scanned(snapshot, evidence, previous=first.envelope, at=inspected))
    inputs = [first.envelope, second.envelope]
    summary = approved(snapshot, verdict, policy_name=policy.name, inputs=inputs, name=name)
    chain = [first, second, _sign(ring, "approved", "approver", summary)]
    if verdict.decision is Decision.ADMIT:
        chain.append(_sign(ring, "oms", "registry", oms_statement(snapshot, name)))
    return chain


def sign_first_ref(
    snapshot: Snapshot, approval: Envelope, ring: KeyRing, *, name: str, revision: str, at: datetime
) -> StoredStatement:
    """The statement by which the first admitted revision of a name becomes its `main`."""
    statement = ref(
        snapshot,
        name=name,
        ref=MAIN,
        revision=revision,
        previous_revision="",
        previous=approval,
        at=at,
        reason="the first admitted revision of the name",
    )
    return _sign(ring, "ref", "registry", statement)


def _sign(ring: KeyRing, kind: str, role: str, statement: Statement) -> StoredStatement:
    envelope = ring.sign(role, statement)
    return StoredStatement(kind, role, envelope, to_bundle(envelope, ring.public(role)))
