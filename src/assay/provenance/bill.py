"""How a bill of materials carries its place in the chain and stays valid under its own schema.

A CycloneDX document says it in `metadata.properties` and `metadata.timestamp`; an SPDX 3 document in an annotation of
the document itself and in its creation information.
"""

from __future__ import annotations

import copy
from typing import Any

from assay.core.digest import Digest
from assay.core.errors import TrustError, UsageError

CYCLONEDX_TYPE = "https://cyclonedx.org/bom"
SPDX_TYPE = "https://spdx.dev/Document/v3.0.1"
PREVIOUS = "assay:previous"  # name of the property, and first word of the annotation
_ANNOTATION = "#assay-previous"


def link_cyclonedx(document: dict[str, Any], previous: Digest, at: str) -> dict[str, Any]:
    """A copy of a CycloneDX document that names the envelope before it and its time.

    Raises:
        TrustError: when it is no CycloneDX document.
    """
    if document.get("bomFormat") != "CycloneDX":
        raise TrustError("not a CycloneDX document: bomFormat is missing")
    made = copy.deepcopy(document)
    metadata = made.setdefault("metadata", {})
    metadata["timestamp"] = at
    kept = [one for one in metadata.get("properties", []) if one.get("name") != PREVIOUS]
    metadata["properties"] = [*kept, {"name": PREVIOUS, "value": str(previous)}]
    return made


def link_spdx(document: dict[str, Any], previous: Digest, at: str) -> dict[str, Any]:
    """A copy of an SPDX 3 document (JSON-LD with `@graph`) that names the envelope before it and its time.

    Raises:
        TrustError: when it is no SPDX 3 document with one SpdxDocument and its CreationInfo.
    """
    made = copy.deepcopy(document)
    try:
        graph = made["@graph"]
        root = _only(graph, "SpdxDocument")
        info = root["creationInfo"]
        creation = next(one for one in graph if one["type"] == "CreationInfo" and one["@id"] == info)
        creation["created"] = at
        identity = root["spdxId"] + _ANNOTATION
        annotation = {
            "type": "Annotation",
            "spdxId": identity,
            "creationInfo": info,
            "annotationType": "other",
            "statement": f"{PREVIOUS} {previous}",
            "subject": root["spdxId"],
        }
        made["@graph"] = [*(one for one in graph if one.get("spdxId") != identity), annotation]
        if "element" in root and identity not in root["element"]:
            root["element"] = [*root["element"], identity]
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise TrustError("not an SPDX 3 document with its creation information") from error
    return made


def place_of(predicate_type: str, document: dict[str, Any]) -> tuple[Digest, str]:
    """The envelope that a bill of materials names as the one before it, and its time as text.

    Raises:
        TrustError: when it does not say them exactly once.
    """
    try:
        if predicate_type == CYCLONEDX_TYPE:
            metadata = document["metadata"]
            named = [one["value"] for one in metadata["properties"] if one["name"] == PREVIOUS]
            moment = metadata["timestamp"]
        else:
            graph = document["@graph"]
            root = _only(graph, "SpdxDocument")
            notes = [one for one in graph if one["type"] == "Annotation" and one["subject"] == root["spdxId"]]
            words = [one["statement"].split(" ") for one in notes]
            named = [word[1] for word in words if word[0] == PREVIOUS]
            moment = next(one["created"] for one in graph if one.get("@id") == root["creationInfo"])
        if len(named) != 1:
            raise TrustError("the bill of materials does not name the statement before it exactly once")
        return Digest.parse(named[0]), str(moment)
    except (KeyError, TypeError, AttributeError, IndexError, StopIteration, UsageError) as error:
        raise TrustError("the bill of materials does not name the statement before it") from error


def _only(graph: Any, kind: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [one for one in graph if one["type"] == kind]
    if len(found) != 1:
        raise TrustError(f"an SPDX document holds one {kind}, not {len(found)}")
    return found[0]
