"""A verdict: what policy decided about a snapshot, on which evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from typing import Any, Self

from assay.core.canonical import json_digest
from assay.core.digest import Digest
from assay.core.errors import UsageError

VERDICT_SCHEMA = "assay.verdict/v1"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def format_time(moment: datetime) -> str:
    """UTC time to the second, RFC 3339 (`2026-01-31T12:00:00Z`).

    Raises:
        UsageError: for a naive datetime.
    """
    if moment.tzinfo is None:
        msg = "a time without time zone is not a time"
        raise UsageError(msg)
    return moment.astimezone(UTC).strftime(_TIME)


def parse_time(text: str) -> datetime:
    """Read what `format_time` wrote (ValueError otherwise)."""
    if not _WRITTEN.fullmatch(text):
        raise ValueError(f"not a time as RFC 3339 in UTC to the second: {text[:40]!r}")
    return datetime.fromisoformat(text)


class Decision(Enum):
    """What happens to the snapshot."""

    ADMIT = "ADMIT"
    HOLD = "HOLD"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: the policy clause that spoke, and a sentence for people."""

    clause: str
    text: str

    def to_json(self) -> dict[str, str]:
        """As in `interface.md`."""
        return {"clause": self.clause, "text": self.text}


@dataclass(frozen=True)
class Verdict:
    """What policy decided.

    Attributes:
        subject: id of the snapshot.
        decision: ADMIT, HOLD or REJECT.
        reasons: never empty.
        policy: digest of the policy that decided.
        evidence: digests of all evidence considered, sorted; never empty for ADMIT.
        decided_at: UTC.
        expires_at: UTC; after it the verdict is not live.
        people: digests of the signed decisions and waivers of people that were considered, sorted.
    """

    subject: Digest
    decision: Decision
    reasons: tuple[Reason, ...]
    policy: Digest
    evidence: tuple[Digest, ...]
    decided_at: datetime
    expires_at: datetime
    people: tuple[Digest, ...] = ()

    def __post_init__(self) -> None:
        if not self.reasons or (self.decision is Decision.ADMIT and not self.evidence):
            msg = "a verdict needs reasons, and an ADMIT needs evidence"
            raise UsageError(msg)

    def live(self, now: datetime) -> bool:
        """Whether it is an ADMIT that holds at `now`."""
        return self.decision is Decision.ADMIT and self.decided_at <= now < self.expires_at

    def to_json(self) -> dict[str, Any]:
        """As stored and signed; `people` only where there are any, as in the verdicts of earlier releases."""
        said = {"people": [str(d) for d in self.people]} if self.people else {}
        return said | {
            "schema": VERDICT_SCHEMA,
            "subject": str(self.subject),
            "decision": self.decision.value,
            "reasons": [r.to_json() for r in self.reasons],
            "policy": str(self.policy),
            "evidence": [str(d) for d in self.evidence],
            "decided_at": format_time(self.decided_at),
            "expires_at": format_time(self.expires_at),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote (UsageError for another schema)."""
        if value.get("schema") != VERDICT_SCHEMA:
            msg = f"not a verdict of schema {VERDICT_SCHEMA}: {value.get('schema')!r}"
            raise UsageError(msg)
        return cls(
            Digest.parse(value["subject"]),
            Decision(value["decision"]),
            tuple(Reason(r["clause"], r["text"]) for r in value["reasons"]),
            Digest.parse(value["policy"]),
            tuple(Digest.parse(d) for d in value["evidence"]),
            parse_time(value["decided_at"]),
            parse_time(value["expires_at"]),
            tuple(Digest.parse(d) for d in value.get("people", ())),
        )

    @cached_property
    def digest(self) -> Digest:
        """Digest of the canonical JSON."""
        return json_digest(self.to_json())
