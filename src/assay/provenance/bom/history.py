"""Fields of the record about the past: the repository, its weights, and what this registry recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.provenance.bom.record import DECLARED, VERIFIED, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.core.evidence import Evidence

_SOURCES = {"hub": "the hub's list of commits", "git": "the commits of the checkout"}


def history_fields(mine: Mapping[str, Evidence]) -> dict[str, Field]:
    """`repository`, `weights_changed` and `registry_history`, from the evidence of the inspector `history`."""
    facts = mine["history"].facts if "history" in mine else {}
    told = facts.get("told", {}).get("history", {})
    if not told or "problem" in told:
        unknown = Field.unknown(told.get("problem") or "the source tells nothing about its history")
        return {"repository": unknown, "weights_changed": unknown, "registry_history": _here(facts)}
    source = _SOURCES[told["source"]]
    first, last = told["first"], told["last"]
    value = {
        "source": told["source"],
        "address": told["repository"],
        "commits": told["commits"],
        "complete": told["complete"],
        "authors": told["authors"],
        "named": told["named"],
        "first": first,
        "last": last,
    }
    return {
        "repository": Field(value, DECLARED, source),
        "weights_changed": _weights(told["weights"], told["card"], source),
        "registry_history": _here(facts),
    }


def _weights(weights: dict[str, Any], card: dict[str, Any], source: str) -> Field:
    last = weights["last"]
    if weights["problem"]:
        return Field.unknown(weights["problem"])
    if last is None:
        return Field.unknown(f"{source} name no change of weights")
    if weights["same"] is False:
        return Field.unknown(f"the weights are not those of the last change that {source} name")
    value = {"first": weights["first"], "last": last, "changes": weights["changes"]}
    said = card["last"]
    if said and said["at"] and last["at"]:
        value[f"after_{card['basis']}"] = last["at"] > said["at"]
        value[card["basis"]] = said
    return Field(value, DECLARED, source)


def _here(facts: dict[str, Any]) -> Field:
    recorded = facts.get("registry")
    if recorded is None:
        return Field.unknown("nothing was recorded under a name")
    told = {key: value for key, value in recorded.items() if value not in ("", None, [])}
    return Field(told, VERIFIED, "recorded here")


def commits_of(repository: dict[str, Any] | None, weights: dict[str, Any] | None) -> list[dict[str, str]]:
    """The commits that the fields name, each once, oldest first; with the address of each where the source has one."""
    named = [(repository or {}).get("first"), (repository or {}).get("last")]
    named += [(weights or {}).get("first"), (weights or {}).get("last")]
    found = {one["id"]: one for one in named if one}
    base = (repository or {}).get("address", "")
    return [one | {"url": f"{base}/commit/{one['id']}" if base else ""} for one in sorted(
        found.values(), key=lambda one: (one["at"], one["id"]))]  # fmt: skip
