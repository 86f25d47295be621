"""Every source of a bill of materials, each of which can be changed or taken away; and the leaves of a document."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.verdict import Decision
from assay.inspections.card_facts import CardFacts
from assay.inspections.runner import inspect
from assay.provenance.bom.build import KnownBase, build
from assay.provenance.bom.record import Record
from tests.support import admitted
from tests.support.boms import BODY, FILES, FRONT, LINE, card, snapshot_of
from tests.support.scan import Memory

BASE, REVISION, COMMIT = "org/base", "b" * 40, "a" * 40
BASES: dict[str, Any] = {"base_model": [BASE, "org/claimed"]}
TOLD: dict[str, Any] = {
    "source": "hub", "repository": "https://hub.test/org/model", "head": "a" * 40, "commits": 3, "complete": True,
    "authors": 2, "named": [["anna", 2], ["ben", 1]],
    "first": {"id": "1" * 40, "at": "2025-01-01T00:00:00Z", "author": "anna", "title": "first"},
    "last": {"id": "a" * 40, "at": "2026-01-03T00:00:00Z", "author": "anna", "title": "card"},
    "weights": {"first": None, "last": {"id": "2" * 40, "at": "2026-01-02T00:00:00Z", "author": "ben", "title": "tune"},
                "changes": None, "same": True, "problem": ""},
    "card": {"basis": "card",
             "last": {"id": "a" * 40, "at": "2026-01-03T00:00:00Z", "author": "anna", "title": "card"}},
}  # fmt: skip
HERE = {
    "revisions": 2,
    "first": "2026-01-01T00:00:00Z",
    "last": "2026-01-02T00:00:00Z",
    "uploads": 0,
    "uploaded_by": "",
}
HELD = LINE | {"metric": "f1", "verdict": "holds", "reason": "within the interval",
               "claim": LINE["claim"] | {"metric": "f1", "written": "f1: 0.8"}}  # fmt: skip


def front(body: str = BODY, **changes: Any) -> bytes:
    """The card with some of its front matter changed; None takes a line away."""
    return card(body, **{key: value for key, value in (FRONT | BASES | changes).items() if value is not None})


def adapter(**says: str) -> bytes:
    """An adapter's configuration."""
    return json.dumps(says).encode()


def finding(rule: str = "pickle-unknown-global", severity: Severity = Severity.LOW, message: str = "unknown: a.b",
            file: str = "config.json") -> Finding:  # fmt: skip
    """Something that a scan saw."""
    return Finding(rule, severity, Confidence.HIGH, message, Where(file))


REFUTED = Finding("base-refuted", Severity.HIGH, Confidence.HIGH, "no tensor is that of org/claimed",
                  Where("README.md"), {"base": "org/claimed"})  # fmt: skip
UNDECLARED = Finding("parent-undeclared", Severity.LOW, Confidence.HIGH, "the weights of known/model", Where(""),
                     {"names": ["known/model"], "snapshot": "3" * 64})  # fmt: skip


@dataclass(frozen=True)
class Sources:
    """What a bill of materials is made from. `said`, `found`: facts and findings by inspector, besides card-facts."""

    files: dict[str, bytes] = field(
        default_factory=lambda: (
            FILES
            | {"README.md": front(), "adapter_config.json": adapter(base_model_name_or_path=BASE, revision=REVISION)}
        )
    )
    said: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "publisher": {"verified": True, "account_age_days": 400},
            "history": {"told": {"history": TOLD}, "registry": HERE},
            "behaviour": {"flip_rate": 0.1},
            "pickle": {},
            "evaluation": {"metrics": [LINE, HELD], "runs": [1]},
            "tensors": {"bases": {BASE: "proven"}},
            "load": {},
        }
    )
    found: dict[str, tuple[Finding, ...]] = field(
        default_factory=lambda: {"pickle": (finding(),), "tensors": (REFUTED, UNDECLARED)}
    )
    unread: tuple[Unread, ...] = ()
    inspected: bool = True
    name: str = "org/model"
    origin: dict[str, str] = field(
        default_factory=lambda: {"kind": "hub", "uri": "https://hub.test/org/model", "commit": COMMIT}
    )
    known: dict[str, KnownBase] = field(
        default_factory=lambda: {BASE: KnownBase("1" * 64, "mit", {"model.safetensors": "2" * 64})}
    )
    environment: str = "f" * 64
    decision: Decision = Decision.ADMIT
    at: datetime = admitted.NOW

    def record(self) -> Record:
        """The record, from files that are really inspected."""
        snapshot = snapshot_of(self.files, self.name, **self.origin)
        subject = Subject(snapshot, Memory(self.files), Limits())
        evidence = [*inspect(subject, (CardFacts,))] if self.inspected else []
        for inspector, facts in self.said.items():
            findings = self.found.get(inspector, ())
            outcome = Outcome.FOUND if findings else Outcome.CLEAN
            unread = self.unread if inspector == "pickle" else ()
            evidence.append(
                Evidence(snapshot.id, inspector, "1", {}, outcome, facts=facts, findings=findings, unread=unread)
            )
        verdict = admitted.verdict(snapshot, self.decision, self.at)
        return build(snapshot, evidence, verdict, name=self.name, known=self.known, environment=self.environment)

    def file(self, path: str, data: bytes | None) -> Sources:
        """With another file, or without it."""
        kept = {key: value for key, value in self.files.items() if key != path}
        return replace(self, files=kept if data is None else kept | {path: data})

    def says(self, inspector: str, **facts: Any) -> Sources:
        """With other facts of an inspector; none at all: without that inspector."""
        kept = {key: value for key, value in self.said.items() if key != inspector}
        return replace(self, said=kept | {inspector: self.said[inspector] | facts} if facts else kept)

    def told(self, **changes: Any) -> Sources:
        """With another history; without any when nothing is given."""
        told = {"told": {"history": TOLD | changes}} if changes else {}
        return replace(self, said=self.said | {"history": {"registry": HERE} | told})

    def finds(self, inspector: str, *findings: Finding) -> Sources:
        """With other findings of an inspector."""
        return replace(self, found=self.found | {inspector: findings})

    def line(self, **changes: Any) -> Sources:
        """With every line of the evaluation changed."""
        return self.says("evaluation", metrics=[one | changes for one in self.said["evaluation"]["metrics"]])


def leaves(document: dict[str, Any]) -> dict[str, Counter[str]]:
    """Values of a document by the path of their field. What tells things of one list apart is part of the path.

    Ids in SPDX begin with the digest of the record: that part is left out.
    """
    found: dict[str, Counter[str]] = {}
    _walk(document, "", found)
    return found


def _walk(value: Any, path: str, found: dict[str, Counter[str]]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _walk(inner, f"{path}.{key}" if path else key, found)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, f"{path}[{_kind(inner)}]", found)
    else:
        found.setdefault(path, Counter())[re.sub(r"urn:assay:bom:[0-9a-f]{64}", "", json.dumps(value))] += 1


def _kind(value: Any) -> str:
    """What tells a thing from others of its list: its name, its reference up to the first colon, what it is about."""
    if not isinstance(value, dict):
        return ""
    name = str(value.get("name", ""))
    ref = value.get("spdxId", "").removeprefix("urn:assay:bom:").partition(":")[2] or value.get("bom-ref", "")
    kind = value.get("type", "")
    told = {
        "DictionaryEntry": "metric" if " on " in value.get("key", "") else value.get("key"),
        "Annotation": f"note {_about(value.get('statement', ''))}",
        "Relationship": value.get("relationshipType"),
    }.get(kind)
    reference = f"{kind} {value.get('comment', '').partition(' ')[0]}".strip() if "url" in value else ""
    licence = value.get("license", {}).get("acknowledgement")
    return str(told or (name if name.startswith("assay:") else "") or licence or reference or ref.partition(":")[0])


def _about(statement: str) -> str:
    first, _, rest = statement.partition(" ")
    if first in {"verified", "declared", "unknown"}:
        name = rest.partition(":")[0]
        return name if " " not in name else "refuted"
    return first if first in {"claim", "finding"} else "summary"
