"""What each rule means, from `data/rules*.toml`: the source of the reference pages, of SARIF and of the HTML report."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FIELDS = ("title", "severity", "reports", "why", "acceptable", "blind", "references")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: as findings carry it.
        title: one line.
        severity: levels at which it is reported, in words.
        reports: what.
        why: why it matters.
        acceptable: what would make it acceptable.
        blind: what it cannot see.
        references: advisories and pages.
        source: data file that it stands in.
    """

    id: str
    title: str
    severity: str
    reports: str
    why: str
    acceptable: str
    blind: str
    references: tuple[str, ...]
    source: str


@cache
def rules() -> dict[str, Rule]:
    """Every documented rule by its id, sorted.

    Raises:
        KeyError: when a data file lacks a field (a test loads them all).
    """
    found: dict[str, Rule] = {}
    for entry in sorted((files("assay.inspections") / "data").iterdir(), key=lambda item: item.name):
        if not (entry.name.startswith("rules") and entry.name.endswith(".toml")):
            continue
        for rule_id, table in tomllib.loads(entry.read_text("utf-8")).items():
            values = {key: table[key] for key in FIELDS}
            values["references"] = tuple(values["references"])
            found[rule_id] = Rule(id=rule_id, source=entry.name, **values)
    return dict(sorted(found.items()))


def rules_digest() -> str:
    """SHA-256 over all data files of the inspectors: part of the key under which results are cached."""
    import hashlib  # noqa: PLC0415

    digest = hashlib.sha256()
    pending = [files("assay.inspections") / "data"]
    while pending:
        for entry in sorted(pending.pop().iterdir(), key=lambda item: item.name):
            if entry.is_dir():
                pending.append(entry)
            else:
                digest.update(entry.name.encode() + b"\0" + hashlib.sha256(entry.read_bytes()).digest())
    return digest.hexdigest()
