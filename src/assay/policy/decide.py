"""Decide about a snapshot: pure, one `now`, and empty is never true."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from assay.core.errors import PolicyError
from assay.core.escape import printable
from assay.core.evidence import Outcome
from assay.core.verdict import Decision, Reason, Verdict, format_time
from assay.policy.model import Action
from assay.policy.people import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from assay.core.evidence import Evidence
    from assay.core.finding import Finding
    from assay.core.snapshot import Snapshot
    from assay.policy.model import Policy
    from assay.policy.people import Opinion, People, Waiver

_NOT_TOLD = {Outcome.ERROR: "ended in an error", Outcome.INCONCLUSIVE: "could not come to a conclusion"}

_Spoken = list[tuple[Action, Reason]]


def decide(
    snapshot: Snapshot, evidence: Iterable[Evidence], policy: Policy, now: datetime, people: People = SILENT
) -> Verdict:
    """Judge `snapshot` by all of `evidence`.

    ADMIT needs every required inspector to have ended well, every file of the snapshot covered by a required
    inspector, nothing unread and no finding at the policy's levels. A REJECT outweighs a HOLD. Reasons name the clause
    that spoke, one for each clause and rule or inspector, escaped for display.

    A live waiver sets its finding aside where the policy lets it; the verdict then ends with the waiver. Nobody's
    approval stands in for evidence: what is missing, unread or inconclusive holds whatever people say.

    Args:
        snapshot: the listing that is judged.
        evidence: of one run; the same evidence twice counts once.
        policy: the thresholds.
        now: aware time; the verdict is dated with it.
        people: what was decided by people, with their signatures checked.

    Raises:
        PolicyError: when evidence is about another snapshot, or one inspector speaks twice with different words.
            There is no verdict then.
    """
    heard = _unambiguous(snapshot, evidence)
    waivers = _Waivers(policy, people, now)
    spoken = [
        *_required(heard, policy),
        *(item for one in heard.values() for item in _findings(one, policy, waivers)),
        *(item for one in heard.values() for item in _told(one, policy)),
        *_coverage(snapshot, heard, policy),
        *_opinions(policy, people),
    ]
    decision, reasons = _weigh(spoken)
    if decision is Decision.ADMIT:
        text = (
            f"all {len(policy.required)} required inspectors read all {len(snapshot.files)} files; "
            f"nothing found at or above {policy.hold_at.label}{waivers.said()}, nothing left unread"
        )
        reasons = (Reason("admit", text), *waivers.reasons())
    decided_at = now.replace(microsecond=0)
    return Verdict(
        subject=snapshot.id,
        decision=decision,
        reasons=reasons,
        policy=policy.digest,
        evidence=tuple(sorted(one.digest for one in heard.values())),
        decided_at=decided_at,
        expires_at=min([decided_at + timedelta(days=policy.lifetime_days), *(one.until for one in waivers.used)]),
        people=tuple(sorted({*(one.statement for one in waivers.used), *(o.statement for o in _counting(people))})),
    )


class _Waivers:
    """The waivers that are live, and which of them were needed."""

    def __init__(self, policy: Policy, people: People, now: datetime) -> None:
        longest = timedelta(days=policy.people.waiver_days)
        self._strongest = policy.people.waive
        self._live = [one for one in people.waivers if one.at <= now < one.until <= one.at + longest]
        self.used: list[Waiver] = []

    def waived(self, finding: Finding, action: Action) -> bool:
        """Whether a live waiver sets the finding aside."""
        if action is Action.REJECT and self._strongest is not Action.REJECT:
            return False
        found = next((one for one in self._live if one.covers(finding)), None)
        if found is None or self._strongest is Action.ACCEPT:
            return False
        if found not in self.used:
            self.used.append(found)
        return True

    def said(self) -> str:
        return f" but what {len(self.used)} waiver(s) set aside" if self.used else ""

    def reasons(self) -> tuple[Reason, ...]:
        return tuple(
            Reason(
                f"waived.{one.rule}",
                f"{printable(one.person)} set {one.rule} aside until {format_time(one.until)}: "
                f"{printable(one.reason, limit=500)}",
            )
            for one in self.used
        )


def _counting(people: People) -> list[Opinion]:
    """The newest opinion of each person."""
    return list({one.person: one for one in people.opinions}.values())


def _opinions(policy: Policy, people: People) -> _Spoken:
    """What people decided: a rejection rejects; a policy may ask for approvals."""
    opinions = _counting(people)
    spoken: _Spoken = [
        (Action.REJECT, Reason("people.rejected", f"{printable(one.person)} rejected it: {printable(one.reason)}"))
        for one in opinions
        if not one.approves
    ]
    approving = [one for one in opinions if one.approves]
    urgent = policy.people.break_glass and any(one.urgent for one in approving)
    if len(approving) < policy.people.approvals and not urgent:
        text = f"{len(approving)} of {policy.people.approvals} persons approved it"
        spoken.append((Action.HOLD, Reason("people.approvals", text)))
    return spoken


def _unambiguous(snapshot: Snapshot, evidence: Iterable[Evidence]) -> dict[str, Evidence]:
    heard: dict[str, Evidence] = {}
    for one in evidence:
        if one.subject != snapshot.id:
            raise PolicyError(
                f"evidence of {one.inspector!r} is about {one.subject}, not about {snapshot.id}",
                hint="inspect this snapshot",
            )
        earlier = heard.setdefault(one.inspector, one)
        if earlier.digest != one.digest:
            raise PolicyError(
                f"two different pieces of evidence of inspector {one.inspector!r}",
                hint="decide on the evidence of one run; the older one is stale",
            )
    return heard


def _required(heard: dict[str, Evidence], policy: Policy) -> _Spoken:
    if not policy.required:
        return [(Action.HOLD, Reason("required.none", "the policy requires no inspector, so nothing can be admitted"))]
    return [
        (Action.HOLD, Reason("required.missing", f"inspector {name} did not look"))
        for name in policy.required
        if name not in heard
    ]


def _told(one: Evidence, policy: Policy) -> _Spoken:
    spoken: _Spoken = []
    if how := _NOT_TOLD.get(one.outcome):
        clause = f"{'required' if one.inspector in policy.required else 'inspector'}.{one.outcome.value}"
        spoken.append((Action.HOLD, Reason(clause, f"inspector {one.inspector} {how}")))
    if one.unread:
        first = one.unread[0]
        text = f"{one.inspector} left unread: {printable(first.path, limit=200)}: {printable(first.reason, limit=200)}"
        spoken.append((policy.unread, Reason("unread", _more(text, len(one.unread)))))
    return spoken


def _findings(one: Evidence, policy: Policy, waivers: _Waivers) -> _Spoken:
    grouped: dict[tuple[Action, str, str], list[Finding]] = {}
    for finding in one.findings:
        action, clause = _judge(finding, policy)
        if action is not Action.ACCEPT and not waivers.waived(finding, action):
            grouped.setdefault((action, clause, finding.rule), []).append(finding)
    spoken: _Spoken = []
    for (action, clause, rule), found in grouped.items():
        worst = max(found, key=lambda finding: finding.severity)
        place = "!/".join((worst.where.file, *worst.where.inner))
        where = f" in {printable(place, limit=200)}" if place else ""
        text = f"{rule} ({worst.severity.label}){where}: {printable(worst.message)}"
        spoken.append((action, Reason(clause, _more(text, len(found)))))
    return spoken


def _judge(finding: Finding, policy: Policy) -> tuple[Action, str]:
    if finding.rule in policy.rules:
        return policy.rules[finding.rule], f"rules.{finding.rule}"
    if finding.severity >= policy.reject_at:
        return Action.REJECT, "reject.severity"
    if finding.severity >= policy.hold_at:
        return Action.HOLD, "hold.severity"
    return Action.ACCEPT, "accept"


def _coverage(snapshot: Snapshot, heard: dict[str, Evidence], policy: Policy) -> _Spoken:
    covered = {path for name, one in heard.items() if name in policy.required for path in one.covered}
    missed = [entry.path for entry in snapshot.files if entry.path not in covered]
    if not missed:
        return []
    text = f"no required inspector covered {printable(missed[0], limit=200)}"
    return [(Action.HOLD, Reason("coverage", _more(text, len(missed))))]


def _weigh(spoken: _Spoken) -> tuple[Decision, tuple[Reason, ...]]:
    rejecting = tuple(reason for action, reason in spoken if action is Action.REJECT)
    holding = tuple(reason for action, reason in spoken if action is Action.HOLD)
    if rejecting:
        return Decision.REJECT, rejecting + holding
    return (Decision.HOLD if holding else Decision.ADMIT), holding


def _more(text: str, count: int) -> str:
    return text if count == 1 else f"{text} (and {count - 1} more)"
