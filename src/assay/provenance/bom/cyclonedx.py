"""The record as CycloneDX 1.6 or 1.7 (https://cyclonedx.org/docs/1.6/json/), as `docs/explain/bom.md` maps it.

Written as plain JSON: the Python library has no model card, no data and no formulation, and drops them silently.
Everything that has no place of its own is a property whose name begins with `assay:`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.provenance.bom.history import commits_of
from assay.provenance.bom.purl import base_purl, is_hub_id, model_purl

if TYPE_CHECKING:
    from assay.provenance.bom.record import Field, FileFact, Parent, Record

VERSIONS = ("1.6", "1.7")
PREDICATE_TYPE = "https://cyclonedx.org/bom"
_NAMESPACE = uuid.UUID("0b7a52a5-5d1f-5a43-9b0c-6f1f7a0f5e11")  # of the serial numbers that are made here
_SCANNER = {"name": "assay"}
_MODEL = "model"
# The rest of the evidence stands among the properties: the official validator takes a tenth of a second an address.
_REPORTS = {
    "evaluation": "quality-metrics",
    "behaviour": "quality-metrics",
    "load": "dynamic-analysis-report",
    "card-facts": "static-analysis-report",
}
_AS_PROPERTIES = frozenset((
    "publisher_verification", "account_age_days", "repository", "weights_changed", "registry_history", "behaviour",
    "scan", "tokenizer", "preprocessing",
))  # fmt: skip
_SEVERITIES = {"critical": "critical", "high": "high", "medium": "medium", "low": "low"}


def cyclonedx(record: Record, version: str = "1.6") -> dict[str, Any]:
    """The document. The same record gives the same document."""
    components = [_parent(parent) for parent in record.parents] + _data_sets(record)
    if commit := record.value("training_commit"):
        components.append(_training_code(commit))
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, record.digest.hex)}",
        "version": 1,
        "metadata": {
            "timestamp": record.made_at,
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [{"type": "application", "name": "assay", "version": __version__}]},
            "component": _model(record),
            "properties": _about(record),
        },
        "components": components,
        "dependencies": [
            {"ref": _MODEL, "dependsOn": sorted(one["bom-ref"] for one in components)},
            *({"ref": one["bom-ref"]} for one in components),
        ],
        "compositions": [{"aggregate": "incomplete" if record.unknowns() else "complete", "assemblies": [_MODEL]}],
        "declarations": _declarations(record),
    }
    if formulation := _formulation(record):
        document["formulation"] = formulation
    if found := _vulnerabilities(record):
        document["vulnerabilities"] = found
    return document


def _model(record: Record) -> dict[str, Any]:
    source = record.value("source")
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": record.name,
        "version": source["commit"] or record.snapshot,
        "purl": model_purl(record.name, kind=source["kind"], commit=source["commit"], snapshot=record.snapshot),
        "hashes": [_sha256(record.snapshot)],
        "components": [_file(one) for one in record.files],
        "modelCard": _card(record),
        "pedigree": _pedigree(record),
        "externalReferences": _references(record),
        "properties": _fields(record),
    }
    if publisher := record.value("publisher"):
        model |= {"publisher": publisher, "manufacturer": {"name": publisher}}
    if licences := _licences(record):
        model["licenses"] = licences
    return model


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def _file(one: FileFact) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"file:{one.path}",
        "name": one.path,
        "hashes": [_sha256(one.sha256)],
        "properties": [_property("role", one.role), _property("size", one.size)],
    }


def _licences(record: Record) -> list[dict[str, Any]]:
    found = []
    for key, acknowledgement in (("licence", "declared"), ("licence_concluded", "concluded")):
        if text := record.value(key):
            spdx = spdx_id(text)
            named = {"id": spdx} if spdx else {"name": text}
            found.append({"license": named | {"acknowledgement": acknowledgement}})
    return found


def spdx_id(text: str) -> str:
    """The SPDX id that a licence is written as, whatever its case; empty when it is none."""
    from cyclonedx.spdx import fixup_id  # noqa: PLC0415 - the list is large

    return fixup_id(text) or ""


def _card(record: Record) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if task := record.value("task"):
        parameters["task"] = task
    architecture = record.value("architecture") or {}
    if family := architecture.get("family") or architecture.get("model_type"):
        parameters["architectureFamily"] = family
    if names := architecture.get("architectures"):
        parameters["modelArchitecture"] = ", ".join(names)
    if data := record.value("datasets"):
        parameters["datasets"] = [{"ref": f"data:{name}"} for name in data]
    card: dict[str, Any] = {"modelParameters": parameters}
    if metrics := [_metric(line) for line in record.evaluations if line.get("measured") is not None]:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    card["properties"] = [
        _property(key, record.value(key))
        for key in ("parameters", "types", "languages", "chat_template")
        if record.value(key) is not None
    ]
    return card


def _metric(line: dict[str, Any]) -> dict[str, Any]:
    low, high = line["interval"]
    return {
        "type": line["metric"],
        "value": str(line["measured"]),
        "slice": f"suite {line['suite']}, n = {line['n']}, {line['dataset']}",
        "confidenceInterval": {"lowerBound": str(low), "upperBound": str(high)},
    }


def _pedigree(record: Record) -> dict[str, Any]:
    pedigree: dict[str, Any] = {}
    if record.parents:
        # A reference of its own: every bom-ref stands once in a document.
        pedigree["ancestors"] = [_parent(parent, "ancestor:") for parent in record.parents]
    commits = [{"uid": commit["commit"]}] if (commit := record.value("training_commit")) else []
    commits += [_commit(one) for one in commits_of(record.value("repository"), record.value("weights_changed"))]
    if commits:
        pedigree["commits"] = commits
    if record.refuted:
        told = "; ".join(f"{parent.name}: {parent.source}" for parent in record.refuted)
        pedigree["notes"] = f"declared as a base, but contradicted: {told}"
    return pedigree


def _commit(one: dict[str, str]) -> dict[str, Any]:
    """A commit of the model's own repository: who and when as its source says."""
    author = {key: value for key, value in (("timestamp", one["at"]), ("name", one["author"])) if value}
    made: dict[str, Any] = {"uid": one["id"], "message": one["title"]}
    return made | ({"url": _repository(one["url"])} if one["url"] else {}) | ({"author": author} if author else {})


def _parent(parent: Parent, prefix: str = "base:") -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"{prefix}{parent.name}",
        "name": parent.name,
        "properties": [
            _property("relation", parent.relation),
            _property("standing", parent.standing),
            _property("source", parent.source),
        ],
    }
    if purl := base_purl(parent.name, parent.revision):
        made["purl"] = purl
    if parent.revision:
        made["version"] = parent.revision
    if parent.snapshot:
        made["hashes"] = [_sha256(parent.snapshot)]
        made["components"] = [
            {"type": "file", "bom-ref": f"{prefix}{parent.name}:{path}", "name": path, "hashes": [_sha256(digest)]}
            for path, digest in sorted(parent.weights.items())
        ]
    return made


def _data_sets(record: Record) -> list[dict[str, Any]]:
    made = []
    for name in record.value("datasets") or ():
        data: dict[str, Any] = {"type": "dataset", "name": name}
        if is_hub_id(name):
            data["contents"] = {"url": f"https://huggingface.co/datasets/{_quoted(name)}"}
        made.append({"type": "data", "bom-ref": f"data:{name}", "name": name, "data": [data]})
    for digest, suite in (record.value("evaluation_data") or {}).items():
        is_digest = digest.startswith("sha256:")
        name = suite or digest
        one: dict[str, Any] = {"type": "data", "bom-ref": f"evaluation-data:{digest}", "name": name,
                               "data": [{"type": "dataset", "name": name}],
                               "properties": [_property("used-for", "evaluation")]}  # fmt: skip
        if is_digest:
            one["hashes"] = [_sha256(digest.removeprefix("sha256:"))]
        made.append(one)
    return made


def _training_code(commit: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "application",
        "bom-ref": "training-code",
        "name": commit["repository"],
        "version": commit["commit"],
        "externalReferences": [{"type": "vcs", "url": _repository(commit["repository"])}],
    }


def _repository(name: str) -> str:
    """The address of a repository: as a builder gave it, or of a name on the hub of code that cards link to."""
    scheme, there, rest = name.partition("://")
    return f"{scheme}://{_quoted(rest, ':')}" if there else f"https://github.com/{_quoted(name)}"


def _references(record: Record) -> list[dict[str, Any]]:
    found = [
        {
            "type": _REPORTS.get(one.inspector, "static-analysis-report"),
            "url": f"urn:assay:evidence:sha256:{one.sha256}",
            "comment": f"{one.inspector} {one.version}: {one.outcome}",
            "hashes": [_sha256(one.sha256)],
        }
        for one in record.evidence
        if one.inspector in _REPORTS or one.outcome == "found"
    ]
    if record.environment:
        found.append(
            {"type": "bom", "url": f"urn:assay:blob:sha256:{record.environment}",
             "comment": "environment of the evaluation", "hashes": [_sha256(record.environment)]}
        )  # fmt: skip
    found += [{"type": "model-card", "url": f"file:{_quoted(one.path)}", "hashes": [_sha256(one.sha256)]}
              for one in record.files if one.path.lower() == "readme.md"]  # fmt: skip
    return found


def claim_shown(line: dict[str, Any]) -> str:
    """A claim as written where its measurement stands beside it; its words without the figure where nobody measured.

    Empty where nothing is claimed, and for figures that need be no claim.
    """
    claim = line.get("claim")
    if not claim or (claim.get("doubtful") and line.get("verdict") == "unverifiable"):
        return ""
    written = claim.get("written") or f"{line['metric']} = {line['claimed']}"
    return str(written) if line.get("measured") is not None else str(written).rpartition(" = ")[0] or "a figure"


def _declarations(record: Record) -> dict[str, Any]:
    """What is claimed, and what speaks for or against it."""
    claims, evidence = [], []
    for number, line in enumerate(record.evaluations):
        said = claim_shown(line)
        if not said:
            continue
        made: dict[str, Any] = {"bom-ref": f"claim:{number}", "target": _MODEL, "reasoning": line["reason"],
                                "predicate": said}  # fmt: skip
        if line.get("measured") is not None:
            low, high = line["interval"]
            text = f"{line['metric']} {line['measured']} [{low}, {high}], n = {line['n']}"
            evidence.append({"bom-ref": f"measured:{number}", "description": text})
            made["counterEvidence" if line["verdict"] == "refuted" else "evidence"] = [f"measured:{number}"]
        claims.append(made)
    for number, parent in enumerate(record.refuted):
        claims.append({"bom-ref": f"base-claim:{number}", "target": _MODEL, "predicate": f"made from {parent.name}",
                       "reasoning": "contradicted", "counterEvidence": [f"base-refuted:{number}"]})  # fmt: skip
        evidence.append({"bom-ref": f"base-refuted:{number}", "description": parent.source})
    declarations: dict[str, Any] = {
        "assessors": [{"bom-ref": "assessor", "thirdParty": True, "organization": {"name": "assay"}}],
        "attestations": [{"summary": f"{record.decision}: {record.summary()}", "assessor": "assessor"}],
    }
    if claims:
        declarations["claims"] = claims
    if evidence:
        declarations["evidence"] = evidence
    return declarations


def _formulation(record: Record) -> list[dict[str, Any]]:
    """How it was made, as far as anybody said: from which bases and data, by which code."""
    inputs = [{"resource": {"ref": f"base:{parent.name}"}} for parent in record.parents]
    inputs += [{"resource": {"ref": f"data:{name}"}} for name in record.value("datasets") or ()]
    commit = record.value("training_commit")
    if commit:
        inputs.append({"resource": {"ref": "training-code"}})
    if not inputs:
        return []
    relations = sorted({parent.relation for parent in record.parents}) or ["training"]
    workflow = {
        "bom-ref": "made",
        "uid": f"made:{record.snapshot}",
        "name": ", ".join(relations),
        "taskTypes": ["build"],
        "inputs": inputs,
        "outputs": [{"type": "artifact", "resource": {"ref": _MODEL}}],
    }
    return [{"bom-ref": "formula", "workflows": [workflow]}]


def _vulnerabilities(record: Record) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in record.observations:
        ref = f"file:{one.file}" if any(one.file == entry.path for entry in record.files) else _MODEL
        entry = found.setdefault(
            (one.rule, one.severity),
            {
                "bom-ref": f"finding:{one.rule}:{one.severity}",
                "id": one.rule,
                "source": _SCANNER,
                "ratings": [{"source": _SCANNER, "severity": _SEVERITIES[one.severity], "method": "other"}],
                "description": one.message,
                "affects": [],
            },
        )
        if {"ref": ref} not in entry["affects"]:
            entry["affects"].append({"ref": ref})
    return list(found.values())


def _about(record: Record) -> list[dict[str, str]]:
    verified, declared, unknown = record.counts()
    return [
        _property("summary", record.summary()),
        _property("verified", verified),
        _property("declared", declared),
        _property("unknown", unknown),
        _property("decision", record.decision),
        _property("record", f"sha256:{record.digest.hex}"),
        *(_property(f"unknown:{name}", why) for name, why in record.unknowns().items()),
        *(_property(f"evidence:{one.inspector}", f"sha256:{one.sha256} {one.outcome}") for one in record.evidence),
    ]


def _fields(record: Record) -> list[dict[str, str]]:
    """Standing and source of every field, and the values that have no other place."""
    found = []
    for name, one in record.fields.items():
        found += [_property(f"{name}:standing", one.standing), _property(f"{name}:source", one.source)]
        if name in _AS_PROPERTIES:
            found += _valued(name, one)
    return found


def _valued(name: str, one: Field) -> list[dict[str, str]]:
    return [] if one.value is None else [_property(name, one.value)]


def _property(name: str, value: Any) -> dict[str, str]:
    from assay.core.canonical import canonical_json  # noqa: PLC0415

    return {"name": f"assay:{name}", "value": value if isinstance(value, str) else canonical_json(value).decode()}


def _quoted(text: str, also: str = "") -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return quote(text, safe=f"/{also}")
