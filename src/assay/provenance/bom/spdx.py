"""The record as SPDX 3.0.1 JSON-LD with the AI and Dataset profiles (https://spdx.github.io/spdx-spec/v3.0.1/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from assay.core.canonical import canonical_json
from assay.provenance.bom.cyclonedx import claim_shown, spdx_id
from assay.provenance.bom.purl import base_purl, model_purl

if TYPE_CHECKING:
    from assay.provenance.bom.record import Parent, Record

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
PREDICATE_TYPE = "https://spdx.dev/Document/v3.0.1"
NO_LICENCE = "https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoAssertionLicense"
LICENCE_RELATIONS = ("hasDeclaredLicense", "hasConcludedLicense")  # one of each for every model and data set
LICENSED = ("ai_AIPackage", "dataset_DatasetPackage")
_INFO = "_:creation"


def spdx(record: Record) -> dict[str, Any]:
    """The document. The same record gives the same document."""
    graph = _Graph(record)
    graph.write()
    return {"@context": CONTEXT, "@graph": graph.elements}


class _Graph:
    """Collects elements; the id of each begins with the digest of the record."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.base = f"urn:assay:bom:{record.digest.hex}:"
        self.elements: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.licensed: list[str] = []
        self.tool = self.base + "agent"

    def add(self, kind: str, key: str, **values: Any) -> str:
        """Add an element; returns its id."""
        name = self.base + quote(key, safe="/:")
        kept = {field: value for field, value in values.items() if value not in (None, "", [])}
        self.elements.append({"type": kind, "spdxId": name, "creationInfo": _INFO, **kept})
        self.ids.append(name)
        if kind in LICENSED:
            self.licensed.append(name)
        return name

    def relate(self, source: str, kind: str, targets: list[str], *, complete: bool = False) -> None:
        """Add a relationship."""
        if targets:
            values: dict[str, Any] = {"from": source, "relationshipType": kind, "to": targets}
            if complete:
                values["completeness"] = "complete"
            self.add("Relationship", f"relation:{len(self.elements)}", **values)

    def note(self, about: str, statement: str) -> None:
        """Add an annotation."""
        self.add("Annotation", f"note:{len(self.elements)}", annotationType="other", subject=about, statement=statement)

    def write(self) -> None:
        """Everything."""
        record = self.record
        self.elements.append(
            {
                "type": "CreationInfo",
                "@id": _INFO,
                "specVersion": "3.0.1",
                "created": record.made_at,
                "createdBy": [self.tool],
            }
        )
        self.add("SoftwareAgent", "agent", name="assay")
        model = self._model()
        files = [
            self.add("software_File", f"file:{one.path}", name=one.path, verifiedUsing=[_hash(one.sha256)],
                     software_primaryPurpose=_PURPOSES.get(one.role, "file"), comment=f"{one.size} bytes, {one.role}")
            for one in record.files
        ]  # fmt: skip
        self.relate(model, "contains", files, complete=True)
        self.relate(model, "descendantOf", [self._base(parent) for parent in record.parents])
        self._data(model)
        if commit := record.value("training_commit"):
            code = self.add("software_Package", "training-code", name=commit["repository"],
                            software_packageVersion=commit["commit"], software_primaryPurpose="source")  # fmt: skip
            self.relate(model, "dependsOn", [code])
        self._licences(model)
        self._evidence(model)
        self._notes(model)
        sbom = self.add("software_Sbom", "sbom", rootElement=[model], element=list(self.ids),
                        software_sbomType=["analyzed"], profileConformance=_PROFILES)  # fmt: skip
        self.add("SpdxDocument", "document", name=f"bill of materials of {record.name}", rootElement=[sbom],
                 element=list(self.ids), profileConformance=_PROFILES, comment=record.summary())  # fmt: skip

    def _model(self) -> str:
        record = self.record
        source = record.value("source")
        publisher = record.value("publisher")
        agent = self.add("Organization", "publisher", name=publisher) if publisher else None
        architecture = record.value("architecture") or {}
        kinds = [architecture.get("family") or architecture.get("model_type") or ""]
        tokenizer = record.value("tokenizer") or {}
        preprocessing = [f"{path} sha256:{digest}" for role in ("tokenizer", "preprocessing")
                         for path, digest in ((record.value(role) or {}).get("files") or {}).items()]  # fmt: skip
        parameters = [
            _entry(key, record.value(key)) for key in ("parameters", "types") if record.value(key) is not None
        ]
        parameters += [_entry("architecture", architecture)] if architecture else []
        parameters += [_entry("tokenizer class", tokenizer["class"])] if tokenizer.get("class") else []
        purl = model_purl(record.name, kind=source["kind"], commit=source["commit"], snapshot=record.snapshot)
        return self.add(
            "ai_AIPackage",
            "model",
            name=record.name,
            software_packageVersion=source["commit"] or record.snapshot,
            software_packageUrl=purl,
            software_downloadLocation=source["uri"] if source["uri"].startswith(("https://", "http://")) else None,
            software_primaryPurpose="model",
            releaseTime=_released(record),
            verifiedUsing=[_hash(record.snapshot)],
            originatedBy=[agent] if agent else None,
            suppliedBy=agent,
            ai_typeOfModel=[kind for kind in kinds if kind],
            ai_domain=[record.value("task")] if record.value("task") else None,
            ai_hyperparameter=parameters,
            ai_modelDataPreprocessing=preprocessing,
            ai_metric=[_metric(line) for line in record.evaluations if line.get("measured") is not None],
        )

    def _base(self, parent: Parent) -> str:
        return self.add(
            "ai_AIPackage",
            f"base:{parent.name}",
            name=parent.name,
            software_packageVersion=parent.revision,
            software_packageUrl=base_purl(parent.name, parent.revision),
            software_primaryPurpose="model",
            verifiedUsing=[_hash(parent.snapshot)] if parent.snapshot else None,
            comment=f"{parent.relation}; {parent.standing}: {parent.source}",
        )

    def _data(self, model: str) -> None:
        record = self.record
        trained = [
            self.add("dataset_DatasetPackage", f"data:{name}", name=name, dataset_datasetType=["noAssertion"],
                     software_primaryPurpose="data")
            for name in record.value("datasets") or ()
        ]  # fmt: skip
        self.relate(model, "trainedOn", trained)
        tested = []
        for digest, suite in (record.value("evaluation_data") or {}).items():
            hashed = [_hash(digest.removeprefix("sha256:"))] if digest.startswith("sha256:") else None
            tested.append(
                self.add("dataset_DatasetPackage", f"evaluation-data:{digest}", name=suite or digest,
                         dataset_datasetType=["noAssertion"], software_primaryPurpose="data", verifiedUsing=hashed)
            )  # fmt: skip
        self.relate(model, "testedOn", tested)

    def _licences(self, model: str) -> None:
        for other in self.licensed:
            for relation in LICENCE_RELATIONS if other != model else ():
                self.relate(other, relation, [NO_LICENCE])
        for key, relation in zip(("licence", "licence_concluded"), LICENCE_RELATIONS, strict=True):
            text = self.record.value(key)
            spdx = spdx_id(text) if text else ""
            if not text:
                target = NO_LICENCE
            elif spdx:
                target = self.add("simplelicensing_LicenseExpression", key, simplelicensing_licenseExpression=spdx)
            else:
                target = self.add(
                    "simplelicensing_SimpleLicensingText", key, name=text, simplelicensing_licenseText=text
                )
            self.relate(model, relation, [target])

    def _evidence(self, model: str) -> None:
        reports = [
            self.add("software_File", f"evidence:{one.inspector}", name=f"evidence of {one.inspector} {one.version}",
                     verifiedUsing=[_hash(one.sha256)], software_primaryPurpose="evidence", comment=one.outcome)
            for one in self.record.evidence
        ]  # fmt: skip
        if self.record.environment:
            reports.append(
                self.add("software_File", "environment", name="SBOM of the evaluation environment",
                         verifiedUsing=[_hash(self.record.environment)], software_primaryPurpose="bom")
            )  # fmt: skip
        self.relate(model, "hasEvidence", reports)

    def _notes(self, model: str) -> None:
        record = self.record
        self.note(model, record.summary())
        for name, one in record.fields.items():
            if one.value is None:
                self.note(model, f"unknown {name}: {one.source}")
            else:
                self.note(model, f"{one.standing} {name}: {_text(one.value)} ({one.source})")
        for parent in record.refuted:
            self.note(model, f"declared as made from {parent.name}, but contradicted: {parent.source}")
        for line in record.evaluations:
            if told := claim_shown(line):
                self.note(model, f"claim {told}: {line['verdict']}, {line['reason']}")
        for seen in record.observations:
            self.note(model, f"finding {seen.rule} ({seen.severity}) {seen.file}: {seen.message}")


def _released(record: Record) -> str | None:
    """When the hub published this commit, by its own word; a date in a checkout is no release."""
    repository = record.value("repository") or {}
    return repository["last"]["at"] if repository.get("source") == "hub" else None


_PROFILES = ["core", "software", "ai", "dataset", "simpleLicensing"]
_PURPOSES = {"weights": "model", "configuration": "configuration", "card": "documentation"}


def _hash(digest: str) -> dict[str, str]:
    return {"type": "Hash", "algorithm": "sha256", "hashValue": digest}


def _entry(key: str, value: Any) -> dict[str, str]:
    return {"type": "DictionaryEntry", "key": key, "value": _text(value)}


def _metric(line: dict[str, Any]) -> dict[str, str]:
    low, high = line["interval"]
    return _entry(f"{line['metric']} on {line['suite']}", f"{line['measured']} [{low}, {high}], n = {line['n']}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value).decode()
