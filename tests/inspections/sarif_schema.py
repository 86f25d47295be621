"""The part of SARIF 2.1.0 that a report uses, as a strict JSON schema.

Written from the standard (OASIS, sections 3.13 to 3.58): property names, types and required properties are the
standard's; a property that is not listed here is an error, so that nothing is written under a name it does not know.
"""

from __future__ import annotations

from typing import Any


def obj(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties | {"properties": {"type": "object"}},
    }


def array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


TEXT = {"type": "string", "minLength": 1}
MESSAGE = obj(("text",), text=TEXT)
MULTIFORMAT = obj(("text",), text=TEXT, markdown=TEXT)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
URI = {"type": "string", "format": "uri-reference", "pattern": r"^[A-Za-z0-9/!$&'()*+,;=@~\-._%:]+$"}
ARTIFACT_LOCATION = obj(("uri",), uri=URI)
REGION = obj(
    startLine={"type": "integer", "minimum": 1},
    byteOffset={"type": "integer", "minimum": 0},
    byteLength={"type": "integer", "minimum": 0},
)
LOCATION = obj(
    physicalLocation=obj(("artifactLocation",), artifactLocation=ARTIFACT_LOCATION, region=REGION),
    logicalLocations=array(obj(fullyQualifiedName=TEXT, kind=TEXT)),
)
RULE = obj(
    ("id",),
    id=TEXT,
    shortDescription=MULTIFORMAT,
    fullDescription=MULTIFORMAT,
    help=MULTIFORMAT,
    defaultConfiguration=obj(level=LEVEL),
)
RESULT = obj(
    ("message",),
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations=array(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
    suppressions=array(obj(("kind",), kind={"enum": ["inSource", "external"]}, justification=TEXT)),
)
NOTIFICATION = obj(("message",), level=LEVEL, message=MESSAGE, locations=array(LOCATION))
RUN = obj(
    ("tool",),
    tool=obj(("driver",), driver=obj(("name",), name=TEXT, version=TEXT, rules=array(RULE))),
    artifacts=array(
        obj(
            location=ARTIFACT_LOCATION,
            length={"type": "integer", "minimum": 0},
            hashes={"type": "object", "additionalProperties": {"type": "string"}},
        )
    ),
    invocations=array(
        obj(
            ("executionSuccessful",),
            executionSuccessful={"type": "boolean"},
            toolExecutionNotifications=array(NOTIFICATION),
        )
    ),
    results=array(RESULT),
)
SARIF: dict[str, Any] = obj(
    ("version", "runs"), version={"const": "2.1.0"}, runs=array(RUN), **{"$schema": {"type": "string", "format": "uri"}}
)
