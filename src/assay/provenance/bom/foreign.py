"""Bills of materials that others wrote: what the inventory needs, taken from CycloneDX and SPDX JSON.

The document was parsed by the caller, within limits. Nothing in it is believed: it is kept as what that file says,
beside the records made here, and never becomes evidence. Names and values are cut at fixed lengths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import ContentError

MOST_ENTRIES = 100_000  # components, packages or elements of one document
_LONGEST = 500
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_MODELS = frozenset(("machine-learning-model",))


@dataclass
class Foreign:
    """What was taken from a document.

    Attributes:
        kind: `cyclonedx` or `spdx`.
        version: of the specification.
        name: of the thing it is about.
        publisher: may be empty.
        licence: may be empty.
        hashes: (SHA-256 in hex, what it is of).
        links: (relation, target).
        components: how many things it lists.
    """

    kind: str
    version: str
    name: str = ""
    publisher: str = ""
    licence: str = ""
    hashes: list[tuple[str, str]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    components: int = 0

    def to_json(self) -> dict[str, Any]:
        """What the inventory keeps."""
        return {
            "specification": f"{self.kind} {self.version}",
            "components": self.components,
            "summary": f"imported: {self.components} components, {len(self.hashes)} digests",
        }

    def add_hash(self, value: Any, what: str) -> None:
        """Keep a SHA-256."""
        if isinstance(value, str) and _HEX.fullmatch(value):
            self.hashes.append((value.lower(), what))

    def add_link(self, relation: str, target: str) -> None:
        """Keep a link."""
        if target:
            self.links.append((relation, target))


def read_foreign(document: Any) -> Foreign:
    """Take what the inventory needs.

    Raises:
        ContentError: neither CycloneDX nor SPDX JSON, too large, or without a name.
    """
    if not isinstance(document, dict):
        raise ContentError("no bill of materials: the JSON is no object")
    if document.get("bomFormat") == "CycloneDX":
        found = _cyclonedx(document)
    elif "@graph" in document and "spdx" in str(document.get("@context", "")):
        found = _spdx3(document)
    elif str(document.get("spdxVersion", "")).startswith("SPDX-2"):
        found = _spdx2(document)
    else:
        raise ContentError("no bill of materials that is known: CycloneDX JSON, SPDX 3 JSON-LD and SPDX 2 JSON are")
    if not found.name:
        raise ContentError("the bill of materials does not name what it is about")
    return found


def _cyclonedx(document: dict[str, Any]) -> Foreign:
    metadata = _object(document.get("metadata"))
    subject = _object(metadata.get("component"))
    found = Foreign("cyclonedx", _text(document.get("specVersion")), _full_name(subject))
    found.name = found.name or _text(document.get("serialNumber"))
    found.publisher = _text(subject.get("publisher")) or _text(_object(subject.get("manufacturer")).get("name"))
    found.licence = _licence(subject.get("licenses"))
    for ancestor in _objects(_object(subject.get("pedigree")).get("ancestors")):
        found.add_link("base", _full_name(ancestor))
    pending = [subject, *_objects(document.get("components"))]
    while pending:
        component = pending.pop()
        found.components += 1
        if found.components > MOST_ENTRIES:
            raise ContentError(f"more than {MOST_ENTRIES} components")
        name = _full_name(component)
        for entry in _objects(component.get("hashes")):
            if entry.get("alg") == "SHA-256":
                found.add_hash(entry.get("content"), name)
        if component is not subject:
            kind = component.get("type")
            found.add_link("dataset" if kind == "data" else "component", name)
            if kind in _MODELS and subject.get("type") in _MODELS:
                found.add_link("base", name)
        pending += _objects(component.get("components"))
    found.components -= 1
    return found


def _full_name(component: dict[str, Any]) -> str:
    """`group/name`, or the name alone."""
    group, name = _text(component.get("group")), _text(component.get("name"))
    return f"{group}/{name}" if group and name else name


def _licence(value: Any) -> str:
    for choice in _objects(value):
        licence = _object(choice.get("license"))
        if text := _text(licence.get("id")) or _text(licence.get("name")) or _text(choice.get("expression")):
            return text
    return ""


def _spdx3(document: dict[str, Any]) -> Foreign:
    elements = _objects(document.get("@graph"))
    by_id = {_text(one.get("spdxId") or one.get("@id")): one for one in elements}
    found = Foreign("spdx", "3")
    document_element = next((one for one in elements if one.get("type") == "SpdxDocument"), {})
    root = _roots(document_element, by_id)
    found.name = _text(root.get("name")) or _text(document_element.get("name"))
    found.publisher = _text(_object(by_id.get(_text(root.get("suppliedBy")))).get("name"))
    for one in elements:
        name = _text(one.get("name"))
        for entry in _objects(one.get("verifiedUsing")):
            if entry.get("algorithm") == "sha256":
                found.add_hash(entry.get("hashValue"), name)
        kind = _text(one.get("type"))
        if kind.endswith(("Package", "File")) and one is not root:
            found.components += 1
            found.add_link("dataset" if kind == "dataset_DatasetPackage" else "component", name)
        if kind.endswith("Relationship"):
            _relation(one, by_id, found)
    return found


def _roots(document: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The thing a document is about: followed through collections, a few steps at most."""
    current = document
    for _ in range(4):
        roots = current.get("rootElement")
        target = by_id.get(_text(roots[0])) if isinstance(roots, list) and roots else None
        if target is None:
            break
        current = target
    return current


def _relation(one: dict[str, Any], by_id: dict[str, dict[str, Any]], found: Foreign) -> None:
    kind, targets = _text(one.get("relationshipType")), one.get("to")
    for target in targets if isinstance(targets, list) else ():
        element = _object(by_id.get(_text(target)))
        name = _text(element.get("name"))
        if kind == "descendantOf":
            found.add_link("base", name)
        elif kind in {"trainedOn", "testedOn"}:
            found.add_link("dataset", name)
        elif kind in {"hasDeclaredLicense", "hasConcludedLicense"} and not found.licence:
            found.licence = _text(element.get("simplelicensing_licenseExpression")) or name


def _spdx2(document: dict[str, Any]) -> Foreign:
    packages, entries = _objects(document.get("packages")), _objects(document.get("files"))
    described = document.get("documentDescribes")
    wanted = described[0] if isinstance(described, list) and described else None
    root = next((one for one in packages if one.get("SPDXID") == wanted), packages[0] if packages else {})
    found = Foreign("spdx", _text(document.get("spdxVersion")).removeprefix("SPDX-"))
    found.name = _text(root.get("name")) or _text(document.get("name"))
    found.publisher = _text(root.get("supplier")).partition(": ")[2]
    licences = (_text(root.get(key)) for key in ("licenseConcluded", "licenseDeclared"))
    found.licence = next((text for text in licences if text not in {"", "NOASSERTION", "NONE"}), "")
    for one in [*packages, *entries]:
        name = _text(one.get("name")) or _text(one.get("fileName"))
        for entry in _objects(one.get("checksums")):
            if entry.get("algorithm") == "SHA256":
                found.add_hash(entry.get("checksumValue"), name)
        if one is not root:
            found.components += 1
            found.add_link("component", name)
    return found


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    if len(value) > MOST_ENTRIES:
        raise ContentError(f"more than {MOST_ENTRIES} entries in one list")
    return [item for item in value if isinstance(item, dict)]


def _text(value: Any) -> str:
    return value.encode("utf-8", "backslashreplace").decode()[:_LONGEST] if isinstance(value, str) else ""
