"""The SARIF report over every hostile file: valid, and every place lies inside the file that it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import jsonschema_rs
import pytest

from assay.inspections.report_sarif import to_sarif
from assay.inspections.scan import scan
from tests.inspections.sarif_schema import SARIF

from . import build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def _outside(path: Path, region: dict[str, Any]) -> str:
    if "startLine" in region and not 1 <= region["startLine"] <= path.read_bytes().count(b"\n") + 1:
        return f"line {region['startLine']}"
    if "byteOffset" in region and not 0 <= region["byteOffset"] <= path.stat().st_size - region["byteLength"]:
        return f"byte {region['byteOffset']}"
    return ""


def _places(document: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any], str]]:
    for result in document["runs"][0]["results"]:
        for location in result["locations"]:
            physical = location["physicalLocation"]
            path = Path(unquote(urlparse(physical["artifactLocation"]["uri"]).path))
            yield path, physical.get("region", {}), result["ruleId"]


def test_every_place_lies_in_its_file(tmp_path: Path) -> None:
    build.write(build.hostile_samples(), tmp_path)
    document = json.loads(json.dumps(to_sarif(scan([str(tmp_path)]))))
    jsonschema_rs.Draft202012Validator(SARIF).validate(document)
    places = [place for place in _places(document) if place[0].is_file()]
    assert sum(bool(region) for _, region, _ in places) > 1000
    assert [(path.name, rule, said) for path, region, rule in places if (said := _outside(path, region))] == []
