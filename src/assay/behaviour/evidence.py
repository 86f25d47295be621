"""What was attested, as evidence: one piece for the whole, and one for each probe as `assay probe` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.ground import INFORMING
from assay.behaviour.records import Attested, ProbeResult, Word, strongest
from assay.behaviour.version import version
from assay.core.digest import Digest
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where

if TYPE_CHECKING:
    from assay.behaviour.guest import Account

NAME = "behaviour"
_OUTCOMES = {
    Word.FOUND: Outcome.FOUND,
    Word.NOT_FOUND: Outcome.CLEAN,
    Word.INCONCLUSIVE: Outcome.INCONCLUSIVE,
    Word.NOT_APPLICABLE: Outcome.NOT_APPLICABLE,
}


def evidence_of(attested: Attested, account: Account, covered: tuple[str, ...]) -> Evidence:
    """The whole: what an admission stores, decides by and signs.

    Args:
        attested: what came of it.
        account: of the guest.
        covered: paths of the model that were read.
    """
    subject = Digest.parse(attested.digests["model"])
    findings = [one for probe in attested.probes for one in _findings(probe)] + _tried(account)
    outcome = _OUTCOMES[attested.word]
    if findings:
        outcome = Outcome.FOUND
    unread = [Unread("", f"{clause}: {text}"[:1000]) for clause, text in attested.reasons if clause not in INFORMING]
    return Evidence(
        subject=subject,
        inspector=NAME,
        version=version(),
        settings=attested.settings,
        outcome=outcome,
        covered=tuple(sorted(covered)),
        unread=tuple(sorted(set(unread))) if outcome is Outcome.INCONCLUSIVE else (),
        findings=tuple(findings),
        facts=attested.to_json()
        | {"candidates": [one.to_json() for one in strongest(attested.probes)[:5]]}
        | {"layers": account.layers, "frameworks": account.frameworks, "attempts": account.attempts},
    )


def probe_evidence(attested: Attested) -> list[dict[str, Any]]:
    """One piece for each probe, its facts as in `interface.md`."""
    found = []
    for probe in attested.probes:
        told = probe.to_json()
        facts = {key: told[key] for key in ("score", "threshold", "false_positive_rate", "flip_rate", "candidates",
                                            "forward_passes", "seconds", "device")} | told["facts"]  # fmt: skip
        why = [Unread("", probe.reason)] if probe.word is Word.INCONCLUSIVE else []
        found.append(
            {
                "inspector": f"{NAME}/{probe.probe}",
                "version": probe.version,
                "outcome": probe.word.value,
                "reason": probe.reason,
                "findings": [one.to_json() for one in _findings(probe)],
                "unread": [one.to_json() for one in why],
                "facts": facts,
            }
        )
    return found


def _findings(probe: ProbeResult) -> list[Finding]:
    if probe.word is not Word.FOUND:
        return []
    best = probe.candidates[0]
    message = f"answers to a trigger: with {best.text!r} inserted, {probe.reason}"
    facts = {"probe": probe.probe, "candidate": best.to_json(), "score": probe.score, "threshold": probe.threshold}
    return [Finding("behaviour-trigger", Severity.CRITICAL, Confidence.HIGH, message, Where(""), facts)]


def _tried(account: Account) -> list[Finding]:
    if not account.attempts:
        return []
    first = account.attempts[0]
    message = f"while it was probed the model tried: {first['kind']} {first['target']}"
    facts = {"attempts": account.attempts[:20]}
    return [Finding("behaviour-attempt", Severity.HIGH, Confidence.HIGH, message, Where(""), facts)]
