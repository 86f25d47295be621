"""Valid isn't true: every field that a document has is listed here with its source, and follows it, or goes with it.

The fields are found by walking the documents of a model of which everything is known. For each of them the source is
changed, and a new value must stand there; the source is taken away, and the old value must be gone, or say unknown. A
field without an entry fails, and so does an entry without a field.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest

from assay import __version__
from assay.core.evidence import Unread
from assay.core.finding import Severity
from assay.core.verdict import Decision
from assay.provenance.bom.build import KnownBase
from assay.provenance.bom.cyclonedx import VERSIONS, cyclonedx
from assay.provenance.bom.record import FIELDS
from assay.provenance.bom.spdx import spdx
from assay.provenance.bom.validate import check_cyclonedx, check_spdx
from tests.support.admitted import NOW
from tests.support.bom_sources import BASE, REFUTED, TOLD, UNDECLARED, Sources, adapter, finding, front, leaves
from tests.support.boms import BODY, CONFIG, WEIGHTS, safetensors

pytestmark = pytest.mark.xdist_group("bom-documents")

FULL = Sources()
APACHE = b"Apache License Version 2.0 TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"
CLASS = json.dumps({"tokenizer_class": "LlamaTokenizer"}).encode()
TEMPLATE = "chat_template.jinja"
OTHER_BASE = KnownBase("4" * 64, "mit", {"other.safetensors": "5" * 64})
REFUTED_BY_OTHERS = replace(REFUTED, message="other tensors")
OTHER_CODE = BODY.replace("c" * 40, "7" * 40).replace("org/training", "org/code")
COMMITTED = {"id": "5" * 40, "at": "2026-01-05T00:00:00Z", "author": "carla", "title": "again"}
ROBERTA = {"model_type": "roberta", "architectures": ["RobertaModel"]}


def of_commit(commit: str) -> Sources:
    return replace(FULL, origin=FULL.origin | {"commit": commit})


def at(uri: str) -> Sources:
    return replace(FULL, origin=FULL.origin | {"uri": uri})


def readme(**changes: object) -> Sources:
    return FULL.file("README.md", front(**changes))


def without_scans() -> Sources:
    return replace(FULL.says("pickle"), said={k: v for k, v in FULL.said.items() if k != "pickle"})


def of_base(**says: str) -> Sources:
    """Another declaration in the adapter, and the card in step with it."""
    return FULL.file("adapter_config.json", adapter(**says))


def weights(**more: tuple[int, ...]) -> Sources:
    return FULL.file("model.safetensors", safetensors(**WEIGHTS, **more))


# Source: (changed, taken away). None where it can't go: nothing is judged without a name, files, a time.
SOURCES: dict[str, tuple[Sources, Sources | None]] = {
    "name": (replace(FULL, name="org/second"), None),
    "publisher": (replace(FULL, name="other/model"), replace(FULL, name="model")),
    "origin": (of_commit("9" * 40), of_commit("")),
    "address": (at("https://other.test/org/model"), at("file:///somewhere")),
    "extra": (FULL.file("extra.bin", b"12345"), None),
    "file": (FULL.file(TEMPLATE, None).file("extra.bin", b"12345"), FULL.file(TEMPLATE, None)),
    "time": (replace(FULL, at=NOW + timedelta(days=1)), None),
    "decision": (replace(FULL, decision=Decision.HOLD), None),
    "account": (FULL.says("publisher", verified=False), FULL.says("publisher")),
    "age": (FULL.says("publisher", account_age_days=12), FULL.says("publisher", account_age_days=None)),
    "repository": (FULL.told(last=COMMITTED, authors=1), FULL.told()),
    "weights-change": (
        FULL.told(weights=TOLD["weights"] | {"last": COMMITTED}),
        FULL.told(weights=TOLD["weights"] | {"last": None}),
    ),
    "registry": (FULL.says("history", registry={"revisions": 3}), FULL.says("history", registry=None)),
    "history": (FULL.told(commits=4), FULL.says("history")),
    "licence": (readme(license="isc"), readme(license=None)),
    "licence-text": (readme(license="apache-2.0").file("LICENSE", APACHE), FULL.file("LICENSE", None)),
    "base": (
        of_base(base_model_name_or_path="new/parent").file("README.md", front(base_model=["new/parent"])),
        FULL.file("adapter_config.json", None).file("README.md", front(base_model=None)).finds("tensors"),
    ),
    "base-relation": (
        FULL.file("adapter_config.json", None),
        FULL.file("adapter_config.json", None).file("README.md", front(base_model=None)),
    ),
    "base-revision": (of_base(base_model_name_or_path=BASE, revision="8" * 40), of_base(base_model_name_or_path=BASE)),
    "base-known": (replace(FULL, known={BASE: OTHER_BASE}), replace(FULL, known={})),
    "base-weights": (FULL.says("tensors", bases={}), FULL.says("tensors")),
    "base-refuted": (FULL.finds("tensors", REFUTED_BY_OTHERS, UNDECLARED), FULL.finds("tensors", UNDECLARED)),
    "dataset": (readme(datasets=["new/texts"]), readme(datasets=None)),
    "task": (readme(pipeline_tag="fill-mask"), readme(pipeline_tag=None)),
    "language": (readme(language=["fa"]), readme(language=None)),
    "commit": (readme(body=OTHER_CODE), readme(body="A model.")),
    "config": (
        FULL.file("config.json", json.dumps(CONFIG | ROBERTA).encode()),
        FULL.file("config.json", None),
    ),
    "weights": (weights(extra=(5, 4)), FULL.file("model.safetensors", None)),
    "tokenizer": (
        FULL.file("tokenizer_config.json", CLASS),
        FULL.file("tokenizer_config.json", None).file("tokenizer.json", None),
    ),
    "preprocessing": (FULL.file("preprocessor_config.json", b"[1]"), FULL.file("preprocessor_config.json", None)),
    "template": (FULL.file(TEMPLATE, b"{{ x }}"), FULL.file(TEMPLATE, None)),
    "card": (readme(body=BODY + " More."), FULL.file("README.md", None)),
    "inspection": (readme(license="isc"), replace(FULL, inspected=False)),
    "measured": (FULL.line(measured=0.5, interval=[0.4, 0.6], n=7), FULL.says("evaluation")),
    "metric": (FULL.line(metric="recall"), FULL.says("evaluation")),
    "suite": (FULL.line(suite="films"), FULL.says("evaluation")),
    "data": (FULL.line(dataset="sha256:" + "6" * 64), FULL.says("evaluation")),
    "claim": (FULL.line(claim={"written": "all of it"}, reason="because"), FULL.says("evaluation")),
    "claims": (
        FULL.says("evaluation", metrics=FULL.said["evaluation"]["metrics"] * 2),
        FULL.says("evaluation").finds("tensors"),
    ),
    "judged": (
        FULL.says("evaluation", metrics=FULL.said["evaluation"]["metrics"][::-1]),
        FULL.says("evaluation").finds("tensors"),
    ),
    "runs": (FULL.says("evaluation", metrics=FULL.said["evaluation"]["metrics"][:1]), FULL.says("evaluation")),
    "environment": (replace(FULL, environment="0" * 64), replace(FULL, environment="")),
    "behaviour": (FULL.says("behaviour", flip_rate=0.9), FULL.says("behaviour")),
    "load": (FULL.says("load", tried=1), FULL.says("load")),
    "scan": (replace(FULL, unread=(Unread("config.json", "too long"),)), without_scans()),
    "tensors": (FULL.says("tensors", more=1), FULL.says("tensors")),
    "finding": (
        FULL.finds("pickle", finding("pickle-bad-call", Severity.CRITICAL, "os.system", "tokenizer.json")),
        FULL.finds("pickle"),
    ),
}  # fmt: skip
EVIDENCE = {"behaviour": "behaviour", "card-facts": "card", "evaluation": "measured", "load": "load", "pickle": "scan",
            "history": "history", "publisher": "account", "tensors": "tensors"}  # fmt: skip
# Field of the record: the source that makes it known.
KNOWN_BY = {
    "publisher": "publisher", "publisher_verification": "account", "account_age_days": "age", "licence": "licence",
    "repository": "repository", "weights_changed": "weights-change", "registry_history": "registry",
    "licence_concluded": "licence-text", "bases": "base", "datasets": "dataset", "evaluation_data": "data",
    "training_commit": "commit", "architecture": "config", "parameters": "weights", "types": "weights", "task": "task",
    "languages": "language", "tokenizer": "tokenizer", "preprocessing": "preprocessing", "chat_template": "template",
    "evaluations": "runs", "behaviour": "behaviour", "scan": "scan",
}  # fmt: skip
ALWAYS = ("name", "source", "files")  # of these the source can't go
_M, _CARD = "metadata.component", "metadata.component.modelCard"
_METRIC = f"{_CARD}.quantitativeAnalysis.performanceMetrics[]"
_PARENTS = ("components[base]", f"{_M}.pedigree.ancestors[ancestor]")
_REPORTS = {"quality-metrics behaviour": "behaviour", "quality-metrics evaluation": "measured",
            "static-analysis-report card-facts": "card", "static-analysis-report pickle": "scan",
            "static-analysis-report tensors": "tensors", "dynamic-analysis-report load": "load"}  # fmt: skip

CYCLONEDX: dict[str, str] = {
    "serialNumber": "licence",  # by the digest of the record, which follows everything
    "metadata.timestamp": "time",
    f"{_M}.name": "name",
    f"{_M}.version": "origin",
    f"{_M}.purl": "origin",
    f"{_M}.hashes[].content": "file",
    f"{_M}.components[file].bom-ref": "file",
    f"{_M}.components[file].name": "file",
    f"{_M}.components[file].hashes[].content": "file",
    f"{_M}.components[file].properties[assay:role].value": "file",
    f"{_M}.components[file].properties[assay:size].value": "file",
    f"{_M}.publisher": "publisher",
    f"{_M}.manufacturer.name": "publisher",
    f"{_M}.licenses[declared].license.id": "licence",
    f"{_M}.licenses[concluded].license.id": "licence-text",
    f"{_CARD}.modelParameters.task": "task",
    f"{_CARD}.modelParameters.architectureFamily": "config",
    f"{_CARD}.modelParameters.modelArchitecture": "config",
    f"{_CARD}.modelParameters.datasets[].ref": "dataset",
    f"{_METRIC}.type": "metric",
    f"{_METRIC}.value": "measured",
    f"{_METRIC}.slice": "data",
    f"{_METRIC}.confidenceInterval.lowerBound": "measured",
    f"{_METRIC}.confidenceInterval.upperBound": "measured",
    f"{_CARD}.properties[assay:parameters].value": "weights",
    f"{_CARD}.properties[assay:types].value": "weights",
    f"{_CARD}.properties[assay:languages].value": "language",
    f"{_CARD}.properties[assay:chat_template].value": "template",
    f"{_M}.pedigree.commits[].uid": "commit",
    f"{_M}.pedigree.commits[].message": "weights-change",
    f"{_M}.pedigree.commits[].url": "repository",
    f"{_M}.pedigree.commits[].author.timestamp": "repository",
    f"{_M}.pedigree.commits[].author.name": "weights-change",
    f"{_M}.pedigree.notes": "base-refuted",
    **{f"{_M}.externalReferences[{kind}].{leaf}": source for kind, source in _REPORTS.items()
       for leaf in ("url", "hashes[].content")},
    f"{_M}.externalReferences[bom environment].url": "environment",
    f"{_M}.externalReferences[bom environment].hashes[].content": "environment",
    f"{_M}.externalReferences[model-card].hashes[].content": "card",
    **{f"{_M}.properties[assay:{name}].value": source for name, source in KNOWN_BY.items()
       if name in {"publisher_verification", "account_age_days", "repository", "weights_changed", "registry_history",
                   "behaviour", "scan", "tokenizer", "preprocessing"}},
    "metadata.properties[assay:summary].value": "base-weights",
    "metadata.properties[assay:verified].value": "base-weights",
    "metadata.properties[assay:declared].value": "base-weights",
    "metadata.properties[assay:decision].value": "decision",
    "metadata.properties[assay:record].value": "licence",
    **{f"metadata.properties[assay:evidence:{name}].value": source for name, source in EVIDENCE.items()},
    **{f"{parent}.{leaf}": source for parent in _PARENTS for leaf, source in {
        "bom-ref": "base", "name": "base", "purl": "base-revision", "version": "base-revision",
        "properties[assay:relation].value": "base-relation", "properties[assay:standing].value": "base-weights",
        "properties[assay:source].value": "base-weights", "hashes[].content": "base-known",
        "components[base].bom-ref": "base-known", "components[ancestor].bom-ref": "base-known",
        "components[base].name": "base-known", "components[ancestor].name": "base-known",
        "components[base].hashes[].content": "base-known", "components[ancestor].hashes[].content": "base-known",
    }.items() if not leaf.startswith("components") or parent.rpartition("[")[2] in leaf},
    "components[data].bom-ref": "dataset",
    "components[data].name": "dataset",
    "components[data].data[].name": "dataset",
    "components[data].data[].contents.url": "dataset",
    "components[evaluation-data].bom-ref": "data",
    "components[evaluation-data].hashes[].content": "data",
    "components[evaluation-data].name": "suite",
    "components[evaluation-data].data[].name": "suite",
    "components[training-code].name": "commit",
    "components[training-code].version": "commit",
    "components[training-code].externalReferences[vcs].url": "commit",
    "dependencies[].ref": "base",
    "dependencies[].dependsOn[]": "base",
    "declarations.attestations[].summary": "decision",
    "declarations.claims[claim].bom-ref": "claims",
    "declarations.claims[claim].reasoning": "claim",
    "declarations.claims[claim].predicate": "claim",
    "declarations.claims[claim].counterEvidence[]": "judged",
    "declarations.claims[claim].evidence[]": "judged",
    "declarations.evidence[measured].bom-ref": "claims",
    "declarations.evidence[measured].description": "measured",
    "declarations.evidence[base-refuted].description": "base-refuted",
    "formulation[formula].workflows[made].uid": "file",
    "formulation[formula].workflows[made].name": "base-relation",
    "formulation[formula].workflows[made].inputs[].resource.ref": "dataset",
    "vulnerabilities[finding].bom-ref": "finding",
    "vulnerabilities[finding].id": "finding",
    "vulnerabilities[finding].ratings[].severity": "finding",
    "vulnerabilities[finding].description": "finding",
    "vulnerabilities[finding].affects[].ref": "finding",
}  # fmt: skip

SPDX: dict[str, str] = {
    "@graph[].created": "time",
    "@graph[publisher].name": "publisher",
    "@graph[model].name": "name",
    "@graph[model].software_packageVersion": "origin",
    "@graph[model].software_packageUrl": "origin",
    "@graph[model].software_downloadLocation": "address",
    "@graph[model].releaseTime": "repository",
    "@graph[hasDeclaredLicense].from": "dataset",
    "@graph[hasConcludedLicense].from": "dataset",
    "@graph[model].verifiedUsing[].hashValue": "file",
    "@graph[model].ai_typeOfModel[]": "config",
    "@graph[model].ai_domain[]": "task",
    "@graph[model].ai_hyperparameter[parameters].value": "weights",
    "@graph[model].ai_hyperparameter[types].value": "weights",
    "@graph[model].ai_hyperparameter[architecture].value": "config",
    "@graph[model].ai_hyperparameter[tokenizer class].value": "tokenizer",
    "@graph[model].ai_modelDataPreprocessing[]": "tokenizer",
    "@graph[model].ai_metric[metric].key": "metric",
    "@graph[model].ai_metric[metric].value": "measured",
    "@graph[file].name": "file",
    "@graph[file].verifiedUsing[].hashValue": "file",
    "@graph[file].comment": "file",
    "@graph[contains].to[]": "file",
    "@graph[base].name": "base",
    "@graph[base].software_packageVersion": "base-revision",
    "@graph[base].software_packageUrl": "base-revision",
    "@graph[base].verifiedUsing[].hashValue": "base-known",
    "@graph[base].comment": "base-weights",
    "@graph[descendantOf].to[]": "base",
    "@graph[data].name": "dataset",
    "@graph[trainedOn].to[]": "dataset",
    "@graph[evaluation-data].name": "suite",
    "@graph[evaluation-data].verifiedUsing[].hashValue": "data",
    "@graph[testedOn].to[]": "data",
    "@graph[training-code].name": "commit",
    "@graph[training-code].software_packageVersion": "commit",
    "@graph[licence].simplelicensing_licenseExpression": "licence",
    "@graph[licence_concluded].simplelicensing_licenseExpression": "licence-text",
    "@graph[evidence].verifiedUsing[].hashValue": "behaviour",
    "@graph[environment].verifiedUsing[].hashValue": "environment",
    **{f"@graph[note {name}].statement": source for name, source in KNOWN_BY.items()},
    "@graph[note name].statement": "name",
    "@graph[note source].statement": "origin",
    "@graph[note files].statement": "extra",
    "@graph[note summary].statement": "base-weights",
    "@graph[note refuted].statement": "base-refuted",
    "@graph[note claim].statement": "claim",
    "@graph[note finding].statement": "finding",
    "@graph[document].name": "name",
    "@graph[document].comment": "base-weights",
}  # fmt: skip

# Fields that have one value whenever they are there: with what they are about they go.
GOES: dict[str, str] = {
    **{f"{_M}.externalReferences[{kind}].comment": source for kind, source in _REPORTS.items()
       if "card-facts" not in kind},
    f"{_M}.externalReferences[static-analysis-report card-facts].comment": "inspection",
    f"{_M}.externalReferences[bom environment].comment": "environment",
    f"{_M}.externalReferences[model-card].url": "card",
    "components[training-code].bom-ref": "commit",
    "declarations.claims[base-claim].bom-ref": "base-refuted",
    "declarations.claims[base-claim].predicate": "base-refuted",
    "declarations.claims[base-claim].reasoning": "base-refuted",
    "declarations.claims[base-claim].counterEvidence[]": "base-refuted",
    "declarations.evidence[base-refuted].bom-ref": "base-refuted",
    "@graph[dependsOn].to[]": "commit",
    "@graph[hasDeclaredLicense].to[]": "licence",
    "@graph[hasConcludedLicense].to[]": "licence-text",
    "@graph[hasEvidence].to[]": "environment",
    "@graph[environment].name": "environment",
    "@graph[evidence].name": "behaviour",
    "@graph[evidence].comment": "behaviour",
    "@graph[file].software_primaryPurpose": "card",
    "@graph[model].originatedBy[]": "publisher",
    "@graph[model].suppliedBy": "publisher",
}  # fmt: skip

# What the formats ask for and what names the thing itself: the end of the path, and every value that may stand there.
FIXED = {
    "bomFormat": {"CycloneDX"}, "version": {1}, "specVersion": {*VERSIONS, "3.0.1"}, ".phase": {"post-build"},
    "tools.components[].name": {"assay"}, "tools.components[].version": {__version__}, ".alg": {"SHA-256"},
    "metadata.component.bom-ref": {"model"}, "properties[assay:used-for].value": {"evaluation"},
    "properties[assay:unknown].value": {"0"}, "compositions[].aggregate": {"complete"}, ".assemblies[]": {"model"},
    ".assessors[assessor].bom-ref": {"assessor"}, ".thirdParty": {True}, ".organization.name": {"assay"},
    ".assessor": {"assessor"}, ".target": {"model"}, "formulation[formula].bom-ref": {"formula"},
    "workflows[made].bom-ref": {"made"}, ".taskTypes[]": {"build"}, ".outputs[].resource.ref": {"model"},
    ".source.name": {"assay"}, ".method": {"other"}, ".acknowledgement": {"declared", "concluded"},
    "@context": {"https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}, ".@id": {"_:creation"},
    ".creationInfo": {"_:creation"}, ".createdBy[]": {":agent"}, "@graph[agent].name": {"assay"},
    ".algorithm": {"sha256"}, ".from": {":model"}, ".completeness": {"complete"}, ".annotationType": {"other"},
    ".subject": {":model"}, ".dataset_datasetType[]": {"noAssertion"}, "[sbom].rootElement[]": {":model"},
    "[document].rootElement[]": {":sbom"}, ".software_sbomType[]": {"analyzed"},
    ".profileConformance[]": {"core", "software", "ai", "dataset", "simpleLicensing"},
    "[model].software_primaryPurpose": {"model"}, "[base].software_primaryPurpose": {"model"},
    "[data].software_primaryPurpose": {"data"}, "[evaluation-data].software_primaryPurpose": {"data"},
    "[training-code].software_primaryPurpose": {"source"}, "[evidence].software_primaryPurpose": {"evidence"},
    "[environment].software_primaryPurpose": {"bom"},
    ".relationshipType": {"contains", "descendantOf", "trainedOn", "testedOn", "dependsOn", "hasDeclaredLicense",
                          "hasConcludedLicense", "hasEvidence"},
}  # fmt: skip
# Names of things inside a document, which its check resolves, and kinds, which are part of the path here.
_STRUCTURE = re.compile(
    r".*(?:\.spdxId|\[(?:sbom|document)\]\.element\[\]|(?<!performanceMetrics\[\])\.type|(?<!\[metric\])\.key|\[assay:[\w:-]+\]\.name"
    r"|properties\[assay:\w+:(?:standing|source)\]\.value)"
)


@cache
def documents(source: str, *, gone: bool = False) -> dict[str, Counter[str]]:
    """The leaves of both documents when a source is changed or gone; of the full model for no source."""
    sources = SOURCES[source][gone] if source else FULL
    assert sources is not None
    record = sources.record()
    first, second = cyclonedx(record), spdx(record)
    check_cyclonedx(first)
    check_spdx(second)
    return leaves(first) | leaves(second)


def test_both_versions_say_the_same() -> None:
    record = FULL.record()
    one, other = (cyclonedx(record, version) for version in VERSIONS)
    assert one | {"specVersion": ""} == other | {"specVersion": ""}


def test_every_field_has_an_entry() -> None:
    assert FULL.record().unknowns() == {}
    assert {*KNOWN_BY, *ALWAYS} == set(FIELDS)
    found = {path for path in documents("") if not _STRUCTURE.fullmatch(path)}
    fixed = {path: end for path in found for end in FIXED if path.endswith(end) and path not in FOLLOWS | GOES}
    assert found - set(FOLLOWS) - set(GOES) - set(fixed) == set()
    assert (set(FOLLOWS) | set(GOES)) - found == set()
    assert set(FIXED) - set(fixed.values()) == set()
    for path, end in fixed.items():
        assert {json.loads(value) for value in documents("")[path]} <= FIXED[end], path


FOLLOWS = CYCLONEDX | SPDX


@pytest.mark.parametrize("source", sorted(set(FOLLOWS.values()) | set(GOES.values())))
def test_a_field_follows_its_source_and_goes_with_it(source: str) -> None:
    full, none = documents(""), Counter()
    mine = [path for path, its in FOLLOWS.items() if its == source]
    assert [path for path in mine if not documents(source).get(path, none) - full[path]] == [], "does not follow"
    if SOURCES[source][1] is not None:
        gone = documents(source, gone=True)
        mine += [path for path, its in GOES.items() if its == source]
        assert [path for path in mine if not full[path] - gone.get(path, none)] == [], "stays"


@pytest.mark.parametrize("field", KNOWN_BY)
def test_a_field_without_its_source_is_unknown_and_says_why(field: str) -> None:
    gone, full = documents(KNOWN_BY[field], gone=True), documents("")
    place = f"{_M}.properties[assay:{field}:{{}}].value"
    assert set(gone[place.format("standing")]) == {'"unknown"'}
    assert set(full[place.format("standing")]) <= {'"verified"', '"declared"'}
    why = set(gone[place.format("source")])
    assert why
    assert why != set(full[place.format("source")])
    assert set(gone[f"metadata.properties[assay:unknown:{field}].value"]) == why
    assert f"unknown {field}: " in next(iter(gone[f"@graph[note {field}].statement"]))
    assert set(gone["compositions[].aggregate"]) == {'"incomplete"'}
