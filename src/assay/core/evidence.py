"""Evidence: what one inspector saw of one snapshot, and what it did not look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Self

from assay.core.canonical import json_digest
from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.finding import Finding

EVIDENCE_SCHEMA = "assay.evidence/v1"


class Outcome(Enum):
    """How an inspection ended."""

    CLEAN = "clean"
    FOUND = "found"
    NOT_APPLICABLE = "not-applicable"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True, order=True)
class Unread:
    """Something that was not looked at, as a value with a reason.

    Attributes:
        path: path in the snapshot; inner parts after `!/`.
        reason: one sentence.
    """

    path: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """As in `interface.md`."""
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True)
class Evidence:
    """What one inspector saw.

    Attributes:
        subject: id of the snapshot.
        inspector: its name; policy requires inspectors by it.
        version: version of the inspector's rules and lists.
        settings: what it was run with (limits, …), JSON-compatible.
        outcome: how it ended. FOUND needs a finding; CLEAN allows neither unread files nor, by itself, a finding
            above NOTE.
        covered: paths of the snapshot that it read to the end, sorted.
        unread: what it should have read and did not, sorted.
        findings: in order of discovery.
        facts: JSON-compatible measurements.
    """

    subject: Digest
    inspector: str
    version: str
    settings: dict[str, Any]
    outcome: Outcome
    covered: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    findings: tuple[Finding, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outcome is Outcome.FOUND and not self.findings:
            msg = f"evidence of {self.inspector!r}: FOUND without a finding"
            raise UsageError(msg)
        if self.outcome is Outcome.CLEAN and (self.unread or any(f.severity > 0 for f in self.findings)):
            msg = f"evidence of {self.inspector!r}: CLEAN with something unread or found"
            raise UsageError(msg)

    def to_json(self) -> dict[str, Any]:
        """As stored and signed; every field present."""
        return {
            "schema": EVIDENCE_SCHEMA,
            "subject": str(self.subject),
            "inspector": self.inspector,
            "version": self.version,
            "settings": self.settings,
            "outcome": self.outcome.value,
            "covered": list(self.covered),
            "unread": [u.to_json() for u in self.unread],
            "findings": [f.to_json() for f in self.findings],
            "facts": self.facts,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            UsageError: for another schema.
        """
        if value.get("schema") != EVIDENCE_SCHEMA:
            msg = f"not evidence of schema {EVIDENCE_SCHEMA}: {value.get('schema')!r}"
            raise UsageError(msg)
        return cls(
            subject=Digest.parse(value["subject"]),
            inspector=value["inspector"],
            version=value["version"],
            settings=value["settings"],
            outcome=Outcome(value["outcome"]),
            covered=tuple(value["covered"]),
            unread=tuple(Unread(u["path"], u["reason"]) for u in value["unread"]),
            findings=tuple(Finding.from_json(f) for f in value["findings"]),
            facts=value["facts"],
        )

    @cached_property
    def digest(self) -> Digest:
        """Digest of the canonical JSON; verdicts name evidence by it."""
        return json_digest(self.to_json())
