"""What an inspector found, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Self


class Severity(IntEnum):
    """How bad it is if the finding is what it looks like."""

    NOTE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """Lower-case name, as in JSON and policy files."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Severity:
        """Read a label.

        Raises:
            KeyError: for an unknown one.
        """
        return cls[text.upper()]


class Confidence(IntEnum):
    """How sure the inspector is that it is what it looks like."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2

    @property
    def label(self) -> str:
        """Lower-case name."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Confidence:
        """Read a label (KeyError for an unknown one)."""
        return cls[text.upper()]


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a snapshot. A finding can't be built without one.

    Attributes:
        file: path in the snapshot; empty only for a finding about the snapshot as a whole (its name, say).
        inner: path inside nested containers, outermost first.
        offset: byte offset in the innermost stream.
        line: 1-based line in the innermost text.
    """

    file: str
    inner: tuple[str, ...] = ()
    offset: int | None = None
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As in `interface.md`."""
        return {"file": self.file, "inner": list(self.inner), "offset": self.offset, "line": self.line}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(value["file"], tuple(value["inner"]), value["offset"], value["line"])


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation of an inspector.

    Attributes:
        rule: stable kebab-case id; the reference page has the same name.
        severity: how bad.
        confidence: how sure.
        message: one sentence for people. May hold text from the model: escape it before it reaches a terminal or page.
        where: the place.
        facts: JSON-compatible details (`call`, `imports`, …), machine-readable.
    """

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    where: Where
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As in `interface.md`, without the `help` link (the front end adds it)."""
        return {
            "rule": self.rule,
            "severity": self.severity.label,
            "confidence": self.confidence.label,
            "message": self.message,
            "where": self.where.to_json(),
            "facts": self.facts,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            value["rule"],
            Severity.parse(value["severity"]),
            Confidence.parse(value["confidence"]),
            value["message"],
            Where.from_json(value["where"]),
            value["facts"],
        )
