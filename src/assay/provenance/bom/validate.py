"""Documents are checked offline before they leave: what is not valid is not written.

CycloneDX: the official JSON schema with its formats asserted, strictly. The schema files are those that
cyclonedx-python-lib ships; jsonschema-rs applies them, since the validator of that library takes two seconds to import
(it compiles a grammar of IRIs). The tests hold the two against each other. SPDX: the official JSON schema of 3.0.1
(`data/source.toml` says where the file is from), and the classes that its authors generate from the same SHACL model
(spdx-python-model): types, enumerations, patterns, cardinalities; unknown properties are refused by either. On top of
both: every reference inside the document leads to something.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from importlib.resources import files
from typing import Any, Protocol

from assay.core.errors import AssayError
from assay.provenance.bom.spdx import LICENCE_RELATIONS, LICENSED

_VERSIONS = frozenset(("1.2", "1.3", "1.4", "1.5", "1.6", "1.7"))
_STRICT_APART = frozenset(("1.2", "1.3"))  # later ones have one schema, and it is strict
_SHARED = ("spdx", "jsf-0.82", "cryptography-defs")  # what the schemas refer to
_SCHEMA_URL = "http://cyclonedx.org/schema/"


class InvalidBom(AssayError):
    """A document does not follow its specification. A fault of assay, or of the file that is imported."""


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Any:
        """Everything that is wrong."""
        ...


def check_cyclonedx(document: dict[str, Any]) -> None:
    """Check a CycloneDX JSON document of 1.2 to 1.7.

    Raises:
        InvalidBom: with the first thing that is wrong.
    """
    version = str(document.get("specVersion", ""))
    if version not in _VERSIONS:
        raise InvalidBom(f"CycloneDX {version[:20]!r} can't be checked here", hint="1.2 to 1.7 are known")
    for problem in _validator(version).iter_errors(document):
        where = "/".join(map(str, problem.instance_path))
        raise InvalidBom(f"not valid CycloneDX {version}: {where}: {problem.message[:300]}")
    _references_of_cyclonedx(document)


@lru_cache(maxsize=len(_VERSIONS))
def _validator(version: str) -> _Validator:
    import jsonschema_rs  # noqa: PLC0415 - not needed to read a document

    shared = [(f"{_SCHEMA_URL}{name}.SNAPSHOT.schema.json", _schema(name)) for name in _SHARED]
    schema = _schema(f"bom-{version}-strict" if version in _STRICT_APART else f"bom-{version}")
    registry = jsonschema_rs.Registry(shared)
    validator: _Validator = jsonschema_rs.Draft7Validator(schema, registry=registry, validate_formats=True)
    return validator


def _schema(name: str) -> Any:
    return json.loads((files("cyclonedx.schema") / "_res" / f"{name}.SNAPSHOT.schema.json").read_bytes())


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
    check_spdx_schema(document)
    from spdx_python_model import LoadError, load_data  # noqa: PLC0415 - slow to import

    try:
        model, objects = load_data(document)
        missing = objects.link()
        model.JSONLDSerializer().serialize_data(objects)  # cardinalities are checked when it is written again
    except (LoadError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise InvalidBom(f"not valid SPDX 3.0.1: {str(error)[:300]}") from error
    if missing:
        raise InvalidBom(f"a reference leads nowhere in the SPDX document: {min(missing)[:200]!r}")
    _licences_of_spdx(document)


def check_spdx_schema(document: dict[str, Any]) -> None:
    """Check an SPDX 3.0.1 JSON-LD document by the official JSON schema alone.

    Raises:
        InvalidBom: with the first thing that is wrong.
    """
    for problem in _spdx_validator().iter_errors(document):
        where = "/".join(map(str, problem.instance_path))
        raise InvalidBom(f"not valid SPDX 3.0.1: {where}: {problem.message[:300]}")


@lru_cache(maxsize=1)
def _spdx_validator() -> _Validator:
    import jsonschema_rs  # noqa: PLC0415 - not needed to read a document

    schema = json.loads((files("assay.provenance.bom") / "data" / "spdx-3.0.1.schema.json").read_bytes())
    validator: _Validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return validator


def _licences_of_spdx(document: dict[str, Any]) -> None:
    """What the profiles AI and Dataset ask across elements: each model and data set says both licences, once."""
    elements = [one for one in document["@graph"] if isinstance(one, dict)]
    stated = Counter((one.get("from"), one.get("relationshipType")) for one in elements)
    for one in elements:
        for relation in LICENCE_RELATIONS if one.get("type") in LICENSED else ():
            if stated[one["spdxId"], relation] != 1:
                name = str(one.get("name", ""))[:200]
                raise InvalidBom(f"not valid SPDX 3.0.1: {name!r} needs exactly one relationship {relation}")
