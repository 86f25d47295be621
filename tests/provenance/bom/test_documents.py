"""Valid isn't true: for every field the source fact is changed, and record, CycloneDX and SPDX must follow."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion

from assay.core.digest import Digest
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.provenance.bom.build import KnownBase
from assay.provenance.bom.cyclonedx import VERSIONS, cyclonedx
from assay.provenance.bom.environment import environment_sbom
from assay.provenance.bom.record import DECLARED, FIELDS, UNKNOWN, VERIFIED, Record
from assay.provenance.bom.spdx import spdx
from assay.provenance.bom.validate import InvalidBom, check_cyclonedx, check_spdx, check_spdx_schema
from tests.support.bom_sources import TOLD
from tests.support.boms import BODY, CONFIG, FILES, FRONT, LINE, WEIGHTS, card, record_of, safetensors

pytestmark = pytest.mark.xdist_group("bom-documents")  # the official validators are loaded once

FULL = (("publisher", {"verified": True, "account_age_days": 400}),
        ("history", {"told": {"history": TOLD}, "registry": {"revisions": 1}}), ("behaviour", {}), ("pickle", {}),
        ("evaluation", {"metrics": [LINE], "runs": [1]}))  # fmt: skip
OTHER = "e" * 64
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def full() -> Record:
    return record_of(None, *FULL, environment="f" * 64)


def official(document: dict) -> bool:
    """Whether the validator of cyclonedx-python-lib accepts it."""
    from cyclonedx.validation.json import JsonStrictValidator  # takes two seconds

    strict = JsonStrictValidator(SchemaVersion.from_version(document["specVersion"]))
    return strict.validate_str(json.dumps(document)) is None


def both(record: Record) -> str:
    return json.dumps(cyclonedx(record)) + json.dumps(spdx(record))


def test_everything_is_known_of_a_full_model(full: Record) -> None:
    assert full.unknowns() == {}
    assert tuple(full.fields) == FIELDS
    assert full.summary() == "12 verified, 14 declared, 0 unknown of 26"


def test_nothing_is_invented_about_a_bare_one() -> None:
    record = record_of({"weights.bin": b"x"})
    assert set(record.unknowns()) == set(FIELDS) - {"name", "source", "files", "publisher", "scan"}
    assert all(one.value is None and one.source for one in record.fields.values() if one.standing == UNKNOWN)
    text = both(record)
    assert "assay:unknown:parameters" in text
    assert "unknown parameters: " in text
    check_cyclonedx(cyclonedx(record))
    check_spdx(spdx(record))


@pytest.mark.parametrize("version", VERSIONS)
def test_cyclonedx_is_valid(full: Record, version: str) -> None:
    document = cyclonedx(full, version)
    check_cyclonedx(document)
    assert official(document)
    assert document["specVersion"] == version


def test_spdx_is_valid(full: Record) -> None:
    check_spdx(spdx(full))


def test_the_same_record_is_the_same_document(full: Record) -> None:
    again = Record.from_json(json.loads(json.dumps(full.to_json())))
    assert again.digest == full.digest
    assert cyclonedx(again) == cyclonedx(full)
    assert spdx(again) == spdx(full)


def past(**changes: object) -> Record:
    return record_of(None, ("history", {"told": {"history": TOLD | changes}}))


def test_weights_changed_before_or_after_the_evaluation_of_the_card() -> None:
    before = {"id": "6" * 40, "at": "2025-06-01T00:00:00Z", "author": "anna", "title": "results"}
    assert past().value("weights_changed")["after_card"] is False
    assert past(card={"basis": "evaluation", "last": before}).value("weights_changed")["after_evaluation"] is True
    nobody_says = past(card={"basis": "card", "last": before | {"at": ""}}).value("weights_changed")
    assert "after_card" not in nobody_says


@pytest.mark.parametrize(("told", "why"), [({"same": False}, "are not those"), ({"problem": "too many"}, "too many"),
                                           ({"last": None}, "no change of weights")])  # fmt: skip
def test_weights_whose_history_is_not_told_have_none(told: dict, why: str) -> None:
    record = past(weights=TOLD["weights"] | told)
    assert record.value("weights_changed") is None
    assert why in record.unknowns()["weights_changed"]
    assert record.fields["repository"].standing == DECLARED


def test_an_older_record_without_a_field_is_written_as_it_was(full: Record) -> None:
    stored = full.to_json()
    del stored["fields"]["repository"], stored["fields"]["weights_changed"], stored["fields"]["registry_history"]
    older = Record.from_json(stored)
    assert older.to_json()["fields"] == stored["fields"]
    check_cyclonedx(cyclonedx(older))
    check_spdx(spdx(older))


NAMES = {"readme": "README.md", "config": "config.json", "weights": "model.safetensors"}


def changed(**files: bytes) -> dict[str, bytes]:
    return FILES | {NAMES.get(key, key): value for key, value in files.items()}


def front(**changes: object) -> dict[str, bytes]:
    kept = {key: value for key, value in (FRONT | changes).items() if value is not None}
    return changed(readme=card(BODY, **kept))


TOKENIZER = b'{"tokenizer_class": "LlamaTokenizer"}'
CASES = {
    "licence": (front(license="apache-2.0"), "Apache-2.0", "apache-2.0"),
    "licence_concluded": (changed(LICENSE=b"Apache License Version 2.0 TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND "
                                  b"DISTRIBUTION", readme=card(BODY, **FRONT | {"license": "apache-2.0"})),
                          '"acknowledgement": "concluded"', "apache-2.0"),
    "bases": (front(base_model=["new/parent"]), "pkg:huggingface/new/parent", ["new/parent"]),
    "datasets": (front(datasets=["new/texts"]), "new/texts", ["new/texts"]),
    "task": (front(pipeline_tag="fill-mask"), "fill-mask", "fill-mask"),
    "languages": (front(language=["fa"]), '[\\"fa\\"]', ["fa"]),
    "training_commit": (changed(readme=card(BODY.replace("c" * 40, "b" * 40), **FRONT)), "b" * 40,
                        {"repository": "org/training", "commit": "b" * 40}),
    "architecture": (changed(config=json.dumps(CONFIG | {"model_type": "roberta"}).encode()), "roberta",
                     {"model_type": "roberta", "architectures": ["BertForSequenceClassification"],
                      "layers": {"bert.encoder.layer": 2}}),
    "parameters": (changed(weights=safetensors(**WEIGHTS, extra=(5, 4))), "84", 84),
    "types": (changed(weights=safetensors(**WEIGHTS, extra=(5, 4))), '{\\"F32\\":84}', {"F32": 84}),
    "tokenizer": (FILES | {"tokenizer_config.json": TOKENIZER}, Digest.of(TOKENIZER).hex,
                  {"class": "LlamaTokenizer", "files": {"tokenizer.json": Digest.of(b"{}").hex,
                                                        "tokenizer_config.json": Digest.of(TOKENIZER).hex}}),
    "preprocessing": (FILES | {"preprocessor_config.json": b"[1]"}, Digest.of(b"[1]").hex,
                      {"files": {"preprocessor_config.json": Digest.of(b"[1]").hex}}),
    "chat_template": (FILES | {"chat_template.jinja": b"{{ x }}"}, Digest.of(b"{{ x }}").hex,
                      {"chat_template.jinja": Digest.of(b"{{ x }}").hex}),
    "files": (FILES | {"extra.txt": b"more"}, Digest.of(b"more").hex, 9),
}  # fmt: skip


@pytest.mark.parametrize("field", CASES)
def test_a_field_follows_the_file_that_it_is_from(full: Record, field: str) -> None:
    files, seen, value = CASES[field]
    record = record_of(files, *FULL)
    assert record.value(field) == value
    assert full.value(field) != value
    assert seen in json.dumps(cyclonedx(record))
    assert seen in json.dumps(spdx(record)) or field == "licence_concluded"


@pytest.mark.parametrize(
    ("field", "evidence", "value", "seen"),
    [
        ("publisher_verification", ("publisher", {"verified": False}), False, "publisher_verification"),
        ("account_age_days", ("publisher", {"account_age_days": 12}), 12, "12"),
        ("evaluations", ("evaluation", {"metrics": [LINE, LINE]}), 2, "0.75"),
        ("evaluation_data", ("evaluation", {"metrics": [LINE | {"dataset": "sha256:" + OTHER}]}),
         {"sha256:" + OTHER: "reviews"}, OTHER),
    ],
)  # fmt: skip
def test_a_field_follows_the_evidence_that_it_is_from(full: Record, field, evidence, value, seen) -> None:
    record = record_of(None, evidence)
    assert record.value(field) == value
    assert full.value(field) != value
    assert seen in json.dumps(cyclonedx(record))
    assert seen in json.dumps(spdx(record))


def test_behaviour_is_the_digest_of_its_report() -> None:
    one, two = (record_of(None, ("behaviour", {"flip_rate": rate})) for rate in (0.1, 0.2))
    assert one.value("behaviour")["report"] != two.value("behaviour")["report"]
    assert two.value("behaviour")["report"] in json.dumps(cyclonedx(two))
    assert two.value("behaviour")["report"] in json.dumps(spdx(two))


def test_the_purl_has_the_commit_of_the_hub() -> None:
    here = record_of()
    assert f"pkg:generic/org/model@{here.snapshot}" in both(here)
    hub = record_of(None, kind="hub", uri="https://hub/org/model", commit="a" * 40)
    assert cyclonedx(hub)["metadata"]["component"]["purl"] == f"pkg:huggingface/org/model@{'a' * 40}"
    assert f"pkg:huggingface/org/model@{'a' * 40}" in json.dumps(spdx(hub))


def test_every_file_has_its_digest(full: Record) -> None:
    inside = cyclonedx(full)["metadata"]["component"]["components"]
    assert {one["name"]: one["hashes"][0]["content"] for one in inside} == {
        path: Digest.of(data).hex for path, data in FILES.items()
    }


def test_a_base_of_the_inventory_has_its_digests() -> None:
    known = {"org/base": KnownBase("1" * 64, "mit", {"model.safetensors": "2" * 64})}
    record = record_of(None, known=known)
    document = cyclonedx(record)
    base = next(one for one in document["components"] if one["name"] == "org/base")
    assert base["hashes"][0]["content"] == "1" * 64
    assert base["components"][0]["hashes"][0]["content"] == "2" * 64
    assert document["metadata"]["component"]["pedigree"]["ancestors"][0]["name"] == "org/base"
    assert base["bom-ref"] in document["dependencies"][0]["dependsOn"]
    check_cyclonedx(document)
    assert "1" * 64 in json.dumps(spdx(record))


@pytest.mark.parametrize("name", ["/home/ada/models/llama", "./checkpoint", "a model of our own", "a/b/c"])
def test_what_can_not_be_the_id_of_a_hub_has_no_address_there(name: str) -> None:
    record = record_of(changed(readme=card(BODY, base_model=[name], datasets=[name])))
    assert record.value("bases") == [name]
    document = cyclonedx(record)
    assert all("purl" not in one for one in document["components"])
    assert "huggingface" not in json.dumps([document["components"], document["metadata"]["component"]["pedigree"]])
    assert "pkg:huggingface" not in json.dumps(spdx(record))
    check_cyclonedx(document)
    check_spdx(spdx(record))


def test_a_base_that_the_weights_refute_is_no_field() -> None:
    finding = Finding("base-refuted", Severity.HIGH, Confidence.HIGH, "no tensor is that of org/base",
                      Where("README.md"), {"base": "org/base"})  # fmt: skip
    record = record_of(None, findings=(finding,))
    assert record.parents == ()
    assert record.fields["bases"].standing == UNKNOWN
    document = cyclonedx(record)
    assert all(one["name"] != "org/base" for one in document["components"])
    assert "no tensor is that of org/base" in document["metadata"]["component"]["pedigree"]["notes"]
    assert any(one["id"] == "base-refuted" for one in document["vulnerabilities"])
    check_cyclonedx(document)
    check_spdx(spdx(record))


def test_a_base_that_the_weights_prove_is_verified() -> None:
    record = record_of(None, ("tensors", {"bases": {"org/base": "proven"}}))
    assert record.fields["bases"].standing == VERIFIED
    assert record_of().fields["bases"].standing == DECLARED


def test_a_parent_that_the_weights_show_stands_though_nobody_declares_it() -> None:
    facts = {"names": ["known/model"], "snapshot": "3" * 64, "similar": 1.0, "equal": 1.0}
    finding = Finding(
        "parent-undeclared", Severity.LOW, Confidence.HIGH, "the weights of known/model", Where(""), facts
    )
    document = cyclonedx(record_of(None, findings=(finding,)))
    found = next(one for one in document["components"] if one["name"] == "known/model")
    assert found["hashes"][0]["content"] == "3" * 64
    assert {"name": "assay:relation", "value": "undeclared"} in found["properties"]
    check_cyclonedx(document)


def test_a_sibling_is_no_parent() -> None:
    facts = {"names": ["known/model"], "snapshot": "3" * 64, "similar": 1.0, "siblings_of": ["some/base"]}
    finding = Finding("parent-undeclared", Severity.LOW, Confidence.LOW, "siblings", Where(""), facts)
    document = cyclonedx(record_of(None, findings=(finding,)))
    assert "known/model" not in [one["name"] for one in document["components"]]


def test_a_configuration_that_the_weights_contradict_is_no_field() -> None:
    record = record_of(changed(config=json.dumps(CONFIG | {"hidden_size": 768, "vocab_size": 30522}).encode()))
    assert record.fields["architecture"].standing == UNKNOWN
    assert "768" in record.fields["architecture"].source
    assert "architectureFamily" not in json.dumps(cyclonedx(record))


def test_two_licences_conclude_none() -> None:
    record = record_of(front(license="apache-2.0"))
    assert record.value("licence") == "apache-2.0"
    assert record.fields["licence_concluded"].standing == UNKNOWN
    assert "conflict" in record.fields["licence_concluded"].source


def test_a_claim_stands_beside_its_measurement(full: Record) -> None:
    document = cyclonedx(full)
    claim = document["declarations"]["claims"][0]
    assert claim["predicate"] == "accuracy: 0.9"
    assert claim["counterEvidence"] == ["measured:0"]
    metric = document["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]
    assert metric["value"] == "0.75"
    assert metric["confidenceInterval"] == {"lowerBound": "0.7", "upperBound": "0.8"}


def break_type(document: dict) -> None:
    document["components"][0]["type"] = "spell"


def break_property(document: dict) -> None:
    document["invented"] = 1


def break_reference(document: dict) -> None:
    document["dependencies"][0]["dependsOn"].append("nothing")


def break_twice(document: dict) -> None:
    document["components"].append(document["components"][0])


def break_address(document: dict) -> None:
    document["metadata"]["component"]["externalReferences"] = [{"type": "website", "url": "https://a b/"}]


def break_licence(document: dict) -> None:
    document["metadata"]["component"]["licenses"] = [{"license": {"id": "No-Such-Licence"}}]


def break_time(document: dict) -> None:
    document["metadata"]["timestamp"] = "yesterday"


BY_SCHEMA = (break_type, break_property, break_address, break_licence, break_time)


@pytest.mark.parametrize("damage", [*BY_SCHEMA, break_reference, break_twice])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_not_valid_cyclonedx_does_not_leave(full: Record, damage, version: str) -> None:
    document = copy.deepcopy(cyclonedx(full, version))
    damage(document)
    with pytest.raises(InvalidBom):
        check_cyclonedx(document)
    assert not (damage in BY_SCHEMA and official(document))


def test_a_version_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidBom, match=r"'9\.9' can't be checked here"):
        check_cyclonedx({"bomFormat": "CycloneDX", "specVersion": "9.9"})


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("Relationship", "relationshipType", "invented"),
        ("Relationship", "to", ["urn:nowhere"]),
        ("software_File", "invented", "x"),
        ("software_File", "verifiedUsing", [{"type": "Hash", "algorithm": "sha256"}]),
        ("CreationInfo", "created", "yesterday"),
        ("dataset_DatasetPackage", "dataset_datasetType", ["invented"]),
        ("dataset_DatasetPackage", "dataset_datasetType", []),
    ],
)
def test_what_is_not_valid_spdx_does_not_leave(full: Record, kind: str, key: str, value: object) -> None:
    document = copy.deepcopy(spdx(full))
    next(one for one in document["@graph"] if one["type"] == kind)[key] = value
    with pytest.raises(InvalidBom):
        check_spdx(document)


def test_the_schema_of_spdx_is_the_official_one_and_judges_by_itself(full: Record) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "vendor_spdx.py", "--check"], check=True, timeout=60)
    document = spdx(full)
    check_spdx_schema(document)
    wrong = (("software_File", "invented", "x"), ("Relationship", "relationshipType", "invented"),
             ("CreationInfo", "created", "yesterday"), ("ai_AIPackage", "ai_metric", "0.9"))  # fmt: skip
    for kind, key, value in wrong:
        broken = copy.deepcopy(document)
        next(one for one in broken["@graph"] if one["type"] == kind)[key] = value
        with pytest.raises(InvalidBom, match=r"not valid SPDX 3\.0\.1"):
            check_spdx_schema(broken)


@pytest.mark.parametrize("relation", ["hasDeclaredLicense", "hasConcludedLicense"])
def test_every_model_and_data_set_says_both_licences_once(full: Record, relation: str) -> None:
    """What the profiles ask for across elements; what nobody knows is no assertion, and no silence."""
    document = spdx(full)
    stated = [one["from"] for one in document["@graph"] if one.get("relationshipType") == relation]
    packages = [one for one in document["@graph"] if one["type"] in {"ai_AIPackage", "dataset_DatasetPackage"}]
    assert sorted(stated) == sorted(one["spdxId"] for one in packages)
    bare = spdx(record_of({"weights.bin": b"x"}))
    (target,) = [one["to"] for one in bare["@graph"] if one.get("relationshipType") == relation]
    assert target == ["https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoAssertionLicense"]
    said = next(one for one in document["@graph"] if one.get("relationshipType") == relation)
    said["relationshipType"] = "other"
    with pytest.raises(InvalidBom, match=f"needs exactly one relationship {relation}"):
        check_spdx(document)


def test_the_environment_is_described_twice_the_same() -> None:
    document = environment_sbom()
    check_cyclonedx(document)
    names = {one["name"]: one["version"] for one in document["components"]}
    assert names["cyclonedx-python-lib"]
    assert "timestamp" not in document["metadata"]
    assert [one["bom-ref"] for one in document["components"]] == sorted(
        one["bom-ref"] for one in document["components"]
    )
