"""What is signed in an admission. The signer takes nobody's word for the verdict: it decides again, then signs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.errors import TrustError
from assay.core.evidence import Outcome
from assay.core.verdict import Decision
from assay.policy.decide import decide
from assay.policy.people import SILENT
from assay.provenance.measured import behaviour, cyclonedx, evaluated, spdx
from assay.provenance.oms import oms_statement
from assay.provenance.statements import approved, fetched, ref, scanned
from assay.registry.records import MAIN
from assay.store.index import StoredStatement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from assay.core.digest import Digest
    from assay.core.evidence import Evidence
    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope, Statement
    from assay.core.verdict import Verdict
    from assay.policy.model import Policy
    from assay.policy.people import People
    from assay.provenance.keys import KeyRing

# Kind of statement: the inspector whose evidence it is about, and what makes it. In the order of the chain.
_MEASURED: tuple[tuple[str, str, Callable[..., Statement]], ...] = (
    ("evaluated", "evaluation", evaluated),
    ("behaviour", "behaviour", behaviour),
)
_BILLS: dict[str, Callable[..., Statement]] = {"cyclonedx": cyclonedx, "spdx": spdx}


def sign_admission(
    snapshot: Snapshot,
    evidence: Sequence[Evidence],
    verdict: Verdict,
    *,
    ring: KeyRing,
    policy: Policy,
    name: str,
    times: tuple[datetime, datetime, datetime],
    bills: Mapping[str, dict[str, Any]] | None = None,
    considered: Sequence[Envelope] = (),
    people: People = SILENT,
    environment: Digest | None = None,
) -> list[StoredStatement]:
    """The chain fetched → scanned → … → approved, each by its role's key, and for an ADMIT the model signature.

    Between scan and approval stand what was measured (evaluated, behaviour) when there is such evidence, and the bills
    of materials that are given.

    Deterministic: the same arguments give the same bytes. Without an ADMIT the approval is a summary that says FAILED.

    Args:
        snapshot: with the origin that is stated.
        evidence: as stored.
        verdict: as stored; believed only when deciding again gives the same.
        ring: keys of the roles.
        policy: in force.
        name: under which the model was judged.
        times: when fetching began, when it ended, when inspecting ended.
        bills: bills of materials, `cyclonedx` and `spdx`, as documents; each becomes a link of the chain.
        considered: signed decisions and waivers of people, and conversions, that the verdict rests on.
        people: what they say, as `decide` heard it.
        environment: digest of the bill of materials of what the evaluation ran in.

    Raises:
        TrustError: deciding again on this evidence, at the verdict's own time, gives something else.
    """
    again = decide(snapshot, evidence, policy, verdict.decided_at, people)
    if again.digest != verdict.digest:
        raise TrustError(
            f"the evidence does not bear out the stored verdict ({verdict.decision.value}): "
            f"deciding again gives {again.decision.value}",
            hint="nothing was signed; run `assay log verify` and vet it again",
        )
    started, finished, inspected = times
    first = _sign(ring, "fetched", "importer", fetched(snapshot, started=started, finished=finished))
    second = _sign(ring, "scanned", "scanner", scanned(snapshot, evidence, previous=first.envelope, at=inspected))
    chain = [first, second]
    for kind, inspector, made in _MEASURED:
        for one in evidence:
            if one.inspector == inspector and one.outcome is not Outcome.NOT_APPLICABLE:
                more = {"environment": environment} if kind == "evaluated" else {}
                statement = made(snapshot, one, previous=chain[-1].envelope, at=inspected, **more)
                chain.append(_sign(ring, kind, "evaluator", statement))
    for kind, bill in _BILLS.items():
        if bills and kind in bills:
            statement = bill(snapshot, bills[kind], previous=chain[-1].envelope, at=inspected)
            chain.append(_sign(ring, kind, "scanner", statement))
    inputs = [*considered, *(one.envelope for one in chain)]
    summary = approved(snapshot, verdict, policy_name=policy.name, inputs=inputs, name=name)
    chain.append(_sign(ring, "approved", "approver", summary))
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
    return StoredStatement(kind, role, envelope, ring.bundle(role, envelope))
