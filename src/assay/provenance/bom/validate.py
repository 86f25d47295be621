"""Documents are checked offline before they leave: what is not valid is not written.

CycloneDX: the official JSON schema, strictly, by cyclonedx-python-lib. SPDX: the classes that its authors generate from
the SHACL model of SPDX 3.0.1 (spdx-python-model): types, enumerations, patterns, cardinalities; unknown properties are
refused. On top of both: every reference inside the document leads to something.
"""

from __future__ import annotations

import json
from typing import Any

from assay.core.errors import AssayError


class InvalidBom(AssayError):
    """A document does not follow its specification. A fault of assay, or of the file that is imported."""


def check_cyclonedx(document: dict[str, Any]) -> None:
    """Check a CycloneDX JSON document of 1.4 to 1.7.

    Raises:
        InvalidBom: with the first thing that is wrong.
    """
    from cyclonedx.exception import MissingOptionalDependencyException  # noqa: PLC0415 - slow to import
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    version = str(document.get("specVersion", ""))
    try:
        schema = SchemaVersion.from_version(version)
        problem = JsonStrictValidator(schema).validate_str(json.dumps(document))
    except (KeyError, ValueError, AttributeError, MissingOptionalDependencyException, NotImplementedError) as error:
        raise InvalidBom(f"CycloneDX {version!r} can't be checked here", hint="1.2 to 1.7 are known") from error
    if problem is not None:
        detail = getattr(problem, "data", problem)
        where = "/".join(map(str, getattr(detail, "path", ()) or getattr(detail, "instance_path", ()) or ()))
        said = getattr(detail, "message", None) or str(detail)
        raise InvalidBom(f"not valid CycloneDX {version}: {where}: {said[:300]}")
    _references_of_cyclonedx(document)


def _references_of_cyclonedx(document: dict[str, Any]) -> None:
    refs: list[str] = []
    used: list[str] = []
    pending: list[Any] = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            if isinstance(value.get("bom-ref"), str):
                refs.append(value["bom-ref"])
            if isinstance(value.get("ref"), str):
                used.append(value["ref"])
            used += [
                item for key in ("dependsOn", "provides") for item in value.get(key) or () if isinstance(item, str)
            ]
            pending += value.values()
    if len(refs) != len(set(refs)):
        raise InvalidBom("a bom-ref stands twice in the CycloneDX document")
    if lost := sorted({ref for ref in used if ref not in set(refs) and not ref.startswith("urn:")}):
        raise InvalidBom(f"a reference leads nowhere in the CycloneDX document: {lost[0][:200]!r}")


def check_spdx(document: dict[str, Any]) -> None:
    """Check an SPDX 3.0.1 JSON-LD document.

    Raises:
        InvalidBom: with the first thing that is wrong.
    """
    from spdx_python_model import LoadError, load_data  # noqa: PLC0415 - slow to import

    try:
        model, objects = load_data(document)
        missing = objects.link()
        model.JSONLDSerializer().serialize_data(objects)  # cardinalities are checked when it is written again
    except (LoadError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise InvalidBom(f"not valid SPDX 3.0.1: {str(error)[:300]}") from error
    if missing:
        raise InvalidBom(f"a reference leads nowhere in the SPDX document: {min(missing)[:200]!r}")
