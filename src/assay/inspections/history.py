"""Where the files have been before: the repository's history, and this registry's own.

What it reads: what the hub answered about commits and files, or the commits in the `.git` folder of a checkout (without
running git); what this registry recorded under the name.
What it reports: facts for the bill of materials: age of the repository, authors, first and last change of the weights,
who made it, whether the weights changed after the card's evaluation; revisions and uploads here.
Why it matters: an incident begins with the question who touched the weights last, and since when.
What it cannot see: whether names and dates are true: whoever writes a commit chooses them. A hub names the last change
of each file, not the first. Histories can be rewritten.
References: https://git-scm.com/docs/gitformat-pack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from assay.core.evidence import Evidence, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.core.digest import Digest
    from assay.core.inspector import Subject


class Past(Protocol):
    """What this registry recorded."""

    def of(self, name: str, snapshot_id: Digest) -> Mapping[str, Any]:
        """Of a name, until now; as plain JSON."""
        ...


class History:
    """The inspector `history`."""

    name = "history"
    version = "1"

    def __init__(self, past: Past | None = None) -> None:
        self._past = past

    def inspect(self, subject: Subject) -> Evidence:
        """Turn what was told and recorded into facts."""
        facts: dict[str, Any] = {}
        if subject.told:
            facts["told"] = dict(subject.told)
        if self._past is not None and (name := subject.snapshot.origin.name):
            facts["registry"] = dict(self._past.of(name, subject.snapshot.id))
        outcome = Outcome.CLEAN if facts else Outcome.NOT_APPLICABLE
        return Evidence(subject.snapshot.id, self.name, self.version, {}, outcome, facts=facts)


def told_before(evidence: tuple[Evidence, ...], name: str) -> dict[str, Any]:
    """What a source told about the snapshot when it was fetched under this name, by evidence of then; may be empty."""
    for one in reversed(evidence):
        if one.inspector == History.name and (told := one.facts.get("told")) and told.get("name") == name:
            return dict(told)
    return {}


def converted_from(told: Mapping[str, Any]) -> dict[str, Any]:
    """What was told of a model, for one that was converted from it: its weights have no history of their own."""
    history = told.get("history", {})
    if "weights" not in history:
        return dict(told)
    why = {"first": None, "last": None, "changes": None, "same": False, "problem": "the weights were converted here"}
    return {**told, "history": {**history, "weights": why}}
