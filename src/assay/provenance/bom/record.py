"""The one internal record that every bill of materials is written from.

A field says how its value is known. *Verified*: we read or measured it ourselves. *Declared*: the model or its source
says so, and nothing contradicts it. *Unknown*: nobody said, or what was said is contradicted; then there is no value,
and the reason stands in its place. There is no score.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from assay.core.canonical import json_digest
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.core.digest import Digest

RECORD_SCHEMA = "assay.bom-record/v1"
VERIFIED, DECLARED, UNKNOWN = "verified", "declared", "unknown"
# Every field that a record has, in the order they are counted and shown.
FIELDS = (
    "name",
    "source",
    "files",
    "publisher",
    "publisher_verification",
    "account_age_days",
    "repository",
    "weights_changed",
    "registry_history",
    "licence",
    "licence_concluded",
    "bases",
    "datasets",
    "evaluation_data",
    "training_commit",
    "architecture",
    "parameters",
    "types",
    "task",
    "languages",
    "tokenizer",
    "preprocessing",
    "chat_template",
    "evaluations",
    "behaviour",
    "scan",
)


@dataclass(frozen=True)
class Field:
    """One fact.

    Attributes:
        value: JSON-compatible; None when unknown.
        standing: `verified`, `declared` or `unknown`.
        source: what says so: a file of the snapshot, an inspector, `origin`; for an unknown the reason.
    """

    value: Any
    standing: str
    source: str

    @classmethod
    def unknown(cls, why: str) -> Field:
        """No value, and why."""
        return cls(None, UNKNOWN, why)


@dataclass(frozen=True)
class FileFact:
    """A file of the snapshot: path, size in bytes, SHA-256 in hex, what it is for."""

    path: str
    size: int
    sha256: str
    role: str


@dataclass(frozen=True)
class Parent:
    """A model that this one was made from.

    Attributes:
        name: as declared, or as found.
        relation: finetune, adapter, merge, quantized or distillation.
        standing: `declared`, or `verified` when the weights bear it out.
        source: what says so.
        revision: as declared; may be empty.
        snapshot: id of the manifest of that model in the inventory; empty when it was never judged here.
        weights: path to SHA-256 of its weight files, as known to the inventory.
    """

    name: str
    relation: str
    standing: str
    source: str
    revision: str = ""
    snapshot: str = ""
    weights: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """A finding of the scan: rule, severity, file and one sentence."""

    rule: str
    severity: str
    file: str
    message: str


@dataclass(frozen=True)
class EvidenceRef:
    """Evidence that the record rests on: inspector, version, outcome and digest of what is stored."""

    inspector: str
    version: str
    outcome: str
    sha256: str


@dataclass(frozen=True)
class Record:
    """Everything that a bill of materials says.

    Attributes:
        name: `org/name` it was judged under.
        snapshot: hex id of the manifest.
        made_at: RFC 3339, the time of the verdict.
        decision: ADMIT, HOLD or REJECT.
        fields: by name, every one of `FIELDS`; an older record may lack newer ones.
        files: of the snapshot, sorted by path.
        parents: bases that nothing contradicts.
        refuted: bases that the evidence contradicts, with the reason in `source`.
        evaluations: lines of the comparison of claims with measurements.
        observations: findings of the scan above a note.
        evidence: what everything rests on.
        environment: digest of the SBOM of the evaluation environment; empty when nothing was evaluated.
    """

    name: str
    snapshot: str
    made_at: str
    decision: str
    fields: dict[str, Field]
    files: tuple[FileFact, ...]
    parents: tuple[Parent, ...]
    refuted: tuple[Parent, ...]
    evaluations: tuple[dict[str, Any], ...]
    observations: tuple[Observation, ...]
    evidence: tuple[EvidenceRef, ...]
    environment: str = ""

    def value(self, name: str) -> Any:
        """Value of a field; None when unknown, or when the record is older than the field."""
        return self.fields[name].value if name in self.fields else None

    def counts(self) -> tuple[int, int, int]:
        """How many fields are verified, declared, unknown."""
        standings = [one.standing for one in self.fields.values()]
        return standings.count(VERIFIED), standings.count(DECLARED), standings.count(UNKNOWN)

    def summary(self) -> str:
        """The count in words, in place of a score."""
        verified, declared, unknown = self.counts()
        return f"{verified} verified, {declared} declared, {unknown} unknown of {len(self.fields)}"

    def unknowns(self) -> dict[str, str]:
        """Names of the unknown fields, with the reason."""
        return {name: one.source for name, one in self.fields.items() if one.standing == UNKNOWN}

    def to_json(self) -> dict[str, Any]:
        """As stored in the inventory."""
        return {"schema": RECORD_SCHEMA, **asdict(self), "summary": self.summary()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            UsageError: for another schema.
        """
        if value.get("schema") != RECORD_SCHEMA:
            raise UsageError(f"not a record of schema {RECORD_SCHEMA}: {str(value.get('schema'))[:100]!r}")
        return cls(
            value["name"],
            value["snapshot"],
            value["made_at"],
            value["decision"],
            {name: Field(**one) for name, one in value["fields"].items()},
            tuple(FileFact(**one) for one in value["files"]),
            tuple(Parent(**one) for one in value["parents"]),
            tuple(Parent(**one) for one in value["refuted"]),
            tuple(value["evaluations"]),
            tuple(Observation(**one) for one in value["observations"]),
            tuple(EvidenceRef(**one) for one in value["evidence"]),
            value["environment"],
        )

    @cached_property
    def digest(self) -> Digest:
        """Digest of the canonical JSON."""
        return json_digest(self.to_json())
