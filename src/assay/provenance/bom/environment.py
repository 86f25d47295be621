"""The software that an evaluation ran on, as a CycloneDX SBOM of the installed distributions.

Deterministic: sorted, without a time, so that the same environment is the same document under the same digest.
"""

from __future__ import annotations

import hashlib
import platform
import re
import uuid
from functools import cache
from importlib import metadata
from typing import Any

from assay import __version__
from assay.core.canonical import json_digest

_NAMESPACE = uuid.UUID("5f0a2a3c-3f6e-5d0c-8a43-27d4f2f4b1b7")  # of the serial numbers that are made here


def environment_sbom() -> dict[str, Any]:
    """The installed distributions of this interpreter: name, version, licence expression, digest of their file list."""
    return _sbom()


@cache
def _sbom() -> dict[str, Any]:
    python = {
        "type": "platform",
        "bom-ref": "python",
        "name": platform.python_implementation(),
        "version": platform.python_version(),
        "properties": [{"name": "assay:machine", "value": f"{platform.system()} {platform.machine()}"}],
    }
    found = {one["bom-ref"]: one for one in map(_component, metadata.distributions()) if one}
    components = [found[ref] for ref in sorted(found)]
    refs = [one["bom-ref"] for one in components]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "assay", "version": __version__}]},
            "component": python,
        },
        "components": components,
        "dependencies": [{"ref": "python", "dependsOn": refs}],
    }
    return document | {"serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, json_digest(document).hex)}"}


def _component(distribution: metadata.Distribution) -> dict[str, Any]:
    """One distribution; empty when its metadata is broken."""
    name, version = distribution.metadata["Name"], distribution.version
    if not name or not version:
        return {}
    plain = re.sub(r"[-_.]+", "-", name).lower()
    purl = f"pkg:pypi/{plain}@{version}"
    made: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": plain, "version": version, "purl": purl}
    if "License-Expression" in distribution.metadata:
        made["licenses"] = [{"expression": distribution.metadata["License-Expression"]}]
    record = distribution.read_text("RECORD")
    if record:
        digest = hashlib.sha256("\n".join(sorted(record.splitlines())).encode()).hexdigest()
        made["properties"] = [{"name": "assay:record-sha256", "value": digest}]
    return made
