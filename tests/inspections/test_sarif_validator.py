"""SARIF reports are accepted by the official schema and by the validator that it comes with, Microsoft's multitool."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import jsonschema_rs
import pytest

from assay.inspections.report import Report
from assay.inspections.report_sarif import to_sarif
from tests.inspections.test_reports import report

ROOT = Path(__file__).resolve().parent.parent.parent
TOOL = ROOT / ".cache" / "js" / "node_modules" / "@microsoft" / "sarif-multitool-linux" / "Sarif.Multitool"

pytestmark = pytest.mark.skipif(not TOOL.is_file(), reason="`make js` installs the validator; it needs npm")


def complaints(document: dict, folder: Path) -> list[tuple[str, str]]:
    """Level and rule of everything that the validator says."""
    TOOL.chmod(0o755)
    (folder / "in.sarif").write_text(json.dumps(document))
    command = [TOOL, "validate", folder / "in.sarif", "--output", folder / "out.sarif", "--log", "ForceOverwrite"]
    environment = os.environ | {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "DOTNET_CLI_TELEMETRY_OPTOUT": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert (folder / "out.sarif").exists(), done.stdout + done.stderr
    (run,) = json.loads((folder / "out.sarif").read_text("utf-8-sig"))["runs"]
    return [(result.get("level", "warning"), result["ruleId"]) for result in run["results"]]


@pytest.mark.parametrize("absolute", [False, True])
def test_a_report_has_no_errors(tmp_path: Path, absolute: bool) -> None:
    document = to_sarif(report())
    if absolute:
        document = json.loads(json.dumps(document).replace('"uri": "m/', '"uri": "file:///m/'))
    schema = json.loads((TOOL.parent / "sarif-2.1.0.json").read_text("utf-8-sig"))
    jsonschema_rs.Draft202012Validator(schema).validate(document)
    said = complaints(document, tmp_path)
    assert [one for one in said if one[0] == "error"] == []
    # Advice that is left: a web page of the tool, and a region for findings that are about a whole file or a member.
    assert {rule for _, rule in said} <= {"SARIF2005", "SARIF2017"}


def test_nothing_scanned_is_a_valid_report_too(tmp_path: Path) -> None:
    assert [one for one in complaints(to_sarif(Report()), tmp_path) if one[0] == "error"] == []


def test_the_validator_complains_when_there_is_reason(tmp_path: Path) -> None:
    document = to_sarif(report())
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "/m/a.bin"
    assert ("error", "SARIF1004") in complaints(document, tmp_path)
