"""Evidence to record. Only stored evidence is read here, never the model's bytes.

Evidence is taken by the inspector's name: `card-facts` (what is declared, what the weights say), `origin` (what came
signed), `publisher`, `history`, `evaluation`, `behaviour`, `tensors` (weights compared with those of known models).
What is not there makes a field unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from assay.core.evidence import Outcome
from assay.core.finding import Severity
from assay.core.verdict import format_time
from assay.provenance.bom.history import history_fields
from assay.provenance.bom.record import (
    DECLARED,
    FIELDS,
    VERIFIED,
    EvidenceRef,
    Field,
    FileFact,
    Observation,
    Parent,
    Record,
)
from assay.provenance.statements import WEIGHT_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assay.core.evidence import Evidence
    from assay.core.snapshot import Snapshot
    from assay.core.verdict import Verdict

NOT_DECLARED = "not declared"
_REFUTING, _UNDECLARED = "base-refuted", "parent-undeclared"
_CONTRADICTED = frozenset(("weights-contradict-config",))
_SCAN = frozenset(
    ("evaluation", "behaviour", "publisher", "history", "tensors", "card-facts", "card-copy", "load", "origin")
)


@dataclass(frozen=True)
class KnownBase:
    """What the inventory knows of a model of some name: id of its manifest, licence, weight files by path."""

    snapshot: str
    licence: str = ""
    weights: dict[str, str] = field(default_factory=dict)


def build(
    snapshot: Snapshot,
    evidence: Sequence[Evidence],
    verdict: Verdict,
    *,
    name: str,
    known: Mapping[str, KnownBase] | None = None,
    environment: str = "",
) -> Record:
    """Write the record.

    Args:
        snapshot: with the origin of this admission.
        evidence: as stored; of other snapshots it is ignored.
        verdict: about the snapshot.
        name: `org/name` it was judged under.
        known: models of the inventory by name, for the digests of declared bases.
        environment: digest of the SBOM of the evaluation environment.
    """
    mine = {one.inspector: one for one in evidence if one.subject == snapshot.id}
    facts = mine["card-facts"].facts if "card-facts" in mine else {}
    files = tuple(FileFact(e.path, e.size, e.digest.hex, _role(e.path, facts)) for e in snapshot.files)
    parents, refuted = _parents(facts, mine, known or {})
    evaluations = tuple(mine["evaluation"].facts.get("metrics", [])) if "evaluation" in mine else ()
    fields = {
        "name": Field(name, DECLARED, "the name it was judged under"),
        "source": _source(snapshot),
        "files": Field(len(files), VERIFIED, "hashed when it was fetched"),
        **_publisher(name, mine),
        **history_fields(mine),
        **_licence(facts, mine),
        "bases": _bases(parents, refuted),
        "datasets": _listed(facts.get("datasets", []), "name"),
        "evaluation_data": _evaluation_data(mine),
        "training_commit": _commit(facts, mine),
        **_weights(facts, mine),
        "task": _card(facts, "pipeline_tag"),
        "languages": _card(facts, "language"),
        "tokenizer": _held(files, "tokenizer", facts.get("tokenizer", {}).get("class", "")),
        "preprocessing": _held(files, "preprocessing", ""),
        "chat_template": _template(facts),
        "evaluations": _evaluations(evaluations),
        "behaviour": _behaviour(mine),
        "scan": _scan(mine),
    }
    return Record(
        name=name,
        snapshot=snapshot.id.hex,
        made_at=format_time(verdict.decided_at),
        decision=verdict.decision.value,
        fields={key: fields[key] for key in FIELDS},
        files=files,
        parents=parents,
        refuted=refuted,
        evaluations=evaluations,
        observations=tuple(
            Observation(f.rule, f.severity.label, f.where.file, f.message[:500])
            for one in mine.values()
            for f in one.findings
            if f.severity > Severity.NOTE
        ),
        evidence=tuple(
            EvidenceRef(one.inspector, one.version, one.outcome.value, one.digest.hex)
            for one in sorted(mine.values(), key=lambda one: one.inspector)
        ),
        environment=environment if evaluations else "",
    )


def _role(path: str, facts: dict[str, Any]) -> str:
    if path in facts.get("tokenizer", {}).get("files", []):
        return "tokenizer"
    if path in facts.get("preprocessing", []):
        return "preprocessing"
    if path.lower().endswith(WEIGHT_SUFFIXES):
        return "weights"
    base = path.rsplit("/", 1)[-1].lower()
    if base.startswith("readme"):
        return "card"
    if base.startswith("chat_template"):
        return "chat-template"
    return "configuration" if base.endswith((".json", ".yaml", ".yml", ".toml")) else "file"


def _source(snapshot: Snapshot) -> Field:
    origin = snapshot.origin
    return Field({"uri": origin.uri, "kind": origin.kind, "commit": origin.commit}, DECLARED, "origin")


def _parents(
    facts: dict[str, Any], mine: Mapping[str, Evidence], known: Mapping[str, KnownBase]
) -> tuple[tuple[Parent, ...], tuple[Parent, ...]]:
    """Declared bases, sorted into those that stand and those that our evidence contradicts."""
    against = {
        str(finding.facts.get("base", "")): finding.message
        for one in mine.values()
        for finding in one.findings
        if finding.rule == _REFUTING
    }
    compared = mine["tensors"].facts.get("bases", {}) if "tensors" in mine else {}
    stand: dict[str, Parent] = {}
    refuted: dict[str, Parent] = {}
    for entry in facts.get("parents", []):
        parent = Parent(entry["name"], entry["relation"], DECLARED, entry["source"], entry.get("revision", ""))
        if why := against.get(parent.name):
            refuted.setdefault(parent.name, replace(parent, source=why))
            continue
        if base := known.get(parent.name):
            parent = replace(parent, snapshot=base.snapshot, weights=base.weights)
        if compared.get(parent.name) == "proven":
            parent = replace(parent, standing=VERIFIED, source="its weights share tensors with this base")
        stand.setdefault(parent.name, parent)
    for finding in mine["tensors"].findings if "tensors" in mine else ():
        seen = finding.facts
        if finding.rule == _UNDECLARED and (names := seen.get("names")) and not seen.get("siblings_of"):
            found = Parent(names[0], "undeclared", VERIFIED, finding.message, "", str(seen["snapshot"]))
            stand.setdefault(found.name, found)
    return tuple(stand.values()), tuple(refuted.values())


def _bases(parents: tuple[Parent, ...], refuted: tuple[Parent, ...]) -> Field:
    if parents:
        standing = VERIFIED if all(parent.standing == VERIFIED for parent in parents) else DECLARED
        return Field([parent.name for parent in parents], standing, parents[0].source)
    return Field.unknown(refuted[0].source if refuted else NOT_DECLARED)


def _publisher(name: str, mine: Mapping[str, Evidence]) -> dict[str, Field]:
    owner = name.rpartition("/")[0]
    found = {"publisher": Field(owner, DECLARED, "the name") if owner else Field.unknown("the name has no owner")}
    facts = mine["publisher"].facts if "publisher" in mine else {}
    verified, age = facts.get("verified"), facts.get("account_age_days")
    why = facts.get("problem") or ("the hub does not say" if facts else "the source tells nothing about accounts")
    said = (
        f"what the hub said of the account on {facts['asked_at'][:10]}"
        if facts.get("asked_at")
        else "what the hub says"
    )
    if signed := _signed(mine, "signature"):
        who = {"signed_by": signed["key"]}
        found["publisher_verification"] = Field(who, VERIFIED, f"{signed['path']}: signed by a trusted publisher")
    elif verified is not None:
        found["publisher_verification"] = Field(verified, DECLARED, said)
    else:
        found["publisher_verification"] = Field.unknown(why)
    found["account_age_days"] = Field.unknown(why) if age is None else Field(age, DECLARED, said)
    return found


def _signed(mine: Mapping[str, Evidence], kind: str) -> dict[str, Any]:
    """What came signed by a trusted key, as `origin` verified it: `signature` or `provenance`; empty for nothing."""
    documents = mine["origin"].facts.get("documents", []) if "origin" in mine else []
    held = (one for one in documents if one["kind"] == kind and one["key"] and not one["problem"])
    return next(held, {})


def _licence(facts: dict[str, Any], mine: Mapping[str, Evidence]) -> dict[str, Field]:
    card = facts.get("card", {})
    declared = card.get("license", "") or next(
        (g["general"]["license"] for g in facts.get("gguf", {}).values() if g.get("general", {}).get("license")), ""
    )
    if declared == "other" and card.get("license_name"):
        declared = card["license_name"]
    text = {path: found for path, found in facts.get("licence_texts", {}).items() if found}
    conflict = next(
        (f for one in mine.values() for f in one.findings if f.rule in {"licence-conflict", "licence-of-base"}), None
    )
    stated = Field(declared, DECLARED, card.get("path", "")) if declared else Field.unknown(NOT_DECLARED)
    if conflict is not None:
        concluded = Field.unknown(f"conflict: {conflict.message[:300]}")
    elif text:
        path = min(text)
        concluded = Field(text[path], VERIFIED, f"the text of {path}")
    else:
        concluded = Field.unknown("no licence text that is known came with it")
    return {"licence": stated, "licence_concluded": concluded}


def _listed(entries: list[dict[str, Any]], key: str) -> Field:
    names = [entry[key] for entry in entries]
    return Field(names, DECLARED, entries[0].get("source", "")) if names else Field.unknown(NOT_DECLARED)


def _evaluation_data(mine: Mapping[str, Evidence]) -> Field:
    metrics = mine["evaluation"].facts.get("metrics", []) if "evaluation" in mine else []
    measured = {line["dataset"]: line.get("suite") or "" for line in metrics if line.get("dataset")}
    if measured:
        return Field(measured, VERIFIED, "the digest of the data that was run")
    named = [line["claim"]["dataset"] for line in metrics if (line.get("claim") or {}).get("dataset")]
    if named:
        return Field(dict.fromkeys(named, ""), DECLARED, "the claims of the model")
    return Field.unknown("nothing was evaluated here, and no claim names its data")


def _commit(facts: dict[str, Any], mine: Mapping[str, Evidence]) -> Field:
    built = _signed(mine, "provenance")
    if built.get("commit"):
        repository = built["source"].removeprefix("git+").partition("@")[0]
        value = {"repository": repository, "commit": built["commit"], "builder": built["builder"]}
        return Field(value, DECLARED, f"{built['path']}: provenance that a trusted builder signed")
    commits = facts.get("commits", [])
    if len(commits) == 1:
        entry = commits[0]
        value = {"repository": entry["repository"], "commit": entry["commit"]}
        return Field(value, DECLARED, entry["source"])
    return Field.unknown(NOT_DECLARED if not commits else "the card links to several commits, and to none as its own")


def _weights(facts: dict[str, Any], mine: Mapping[str, Evidence]) -> dict[str, Field]:
    groups = [facts["weights"][key] for key in facts.get("weights", {})] + list(facts.get("gguf", {}).values())
    config = facts.get("config", {})
    read = next((g["general"]["architecture"] for g in facts.get("gguf", {}).values() if g.get("general", {})
                 .get("architecture")), "")  # fmt: skip
    wrong = [
        f for one in mine.values() for f in one.findings if f.rule in _CONTRADICTED and f.where.file == "config.json"
    ]
    declared = {key: config[key] for key in ("model_type", "architectures", "quantised") if config.get(key)}
    layers = groups[0]["layers"] if groups else {}
    if read:
        architecture = Field({"family": read, "layers": layers}, VERIFIED, "read from the header of the weights")
    elif wrong:
        architecture = Field.unknown(f"contradicted: {wrong[0].message[:300]}")
    elif declared:
        architecture = Field(declared | ({"layers": layers} if layers else {}), DECLARED, "config.json")
    else:
        architecture = Field.unknown("no configuration, and the weights don't name it")
    why = _uncounted(groups, facts)
    if why:
        parameters = Field.unknown(why)
    else:
        parameters = Field(sum(g["elements"] for g in groups[:1]), VERIFIED, "counted in the headers of the weights")
    types = (
        Field(groups[0]["types"], VERIFIED, "counted in the headers of the weights") if groups else Field.unknown(why)
    )
    return {"architecture": architecture, "parameters": parameters, "types": types}


def _uncounted(groups: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    if not groups:
        kinds = sorted({path.rsplit(".", 1)[-1] for path in facts.get("not_counted", [])})
        return f"weights of this format are not counted: {', '.join(kinds)}" if kinds else "no weights that are counted"
    if groups[0]["packed"]:
        return "the numbers are packed into integers: elements are not parameters"
    return "" if len(groups) == 1 else f"{len(groups)} sets of weights lie here; which one is the model is not said"


def _card(facts: dict[str, Any], key: str) -> Field:
    card = facts.get("card", {})
    return Field(card[key], DECLARED, card["path"]) if card.get(key) else Field.unknown(NOT_DECLARED)


def _held(files: tuple[FileFact, ...], role: str, cls: str) -> Field:
    held = {one.path: one.sha256 for one in files if one.role == role}
    if not held:
        return Field.unknown(f"no {role} files that are known by their name")
    return Field({"class": cls, "files": held} if cls else {"files": held}, VERIFIED, "hashed when it was fetched")


def _template(facts: dict[str, Any]) -> Field:
    templates = facts.get("templates", {})
    if not templates:
        return Field.unknown("none came with it")
    return Field(dict(sorted(templates.items())), VERIFIED, "SHA-256 of each template's text")


def _evaluations(metrics: tuple[dict[str, Any], ...]) -> Field:
    measured = [line for line in metrics if line.get("measured") is not None]
    if measured:
        return Field(len(measured), VERIFIED, "run again here")
    claimed = [line for line in metrics if line.get("claimed") is not None]
    return (
        Field(len(claimed), DECLARED, "claims that nobody ran again")
        if claimed
        else Field.unknown("not evaluated here")
    )


def _behaviour(mine: Mapping[str, Evidence]) -> Field:
    one = mine.get("behaviour")
    if one is None or one.outcome in {Outcome.ERROR, Outcome.NOT_APPLICABLE}:
        return Field.unknown("its behaviour was not examined here")
    return Field({"outcome": one.outcome.value, "report": one.digest.hex}, VERIFIED, "the behavioural report")


def _scan(mine: Mapping[str, Evidence]) -> Field:
    scans = [one for one in mine.values() if one.inspector not in _SCAN]
    if not scans:
        return Field.unknown("its files were not scanned")
    counts: dict[str, int] = {}
    for finding in (f for one in scans for f in one.findings):
        counts[finding.severity.label] = counts.get(finding.severity.label, 0) + 1
    value = {"inspectors": len(scans), "findings": counts, "unread": len({u.path for one in scans for u in one.unread})}
    return Field(value, VERIFIED, "inspected here")
