"""R objects judged."""

import gzip
from pathlib import Path

import pytest

from assay.inspections.rdata import RObjects
from tests.support.scan import found, scan, worst

FIXTURES = Path(__file__).parent.parent / "formats" / "fixtures"


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
@pytest.mark.parametrize(
    ("name", "rule", "severity"),
    [
        ("promise.rds", "r-promise", "high"),
        ("promise.rds", "r-code", "critical"),
        ("closure.rds", "r-code", "high"),
        ("bytecode.rds", "r-code", "high"),
        ("language.rds", "r-code", "medium"),
        ("several.rda", "r-code", "critical"),
    ],
)
def test_code_in_r_objects(pack: object, name: str, rule: str, severity: str) -> None:
    finding = found(RObjects(), {name: pack((FIXTURES / name).read_bytes())})[rule]  # type: ignore[operator]
    assert finding.severity.label == severity
    assert "system" in finding.facts["call"] or "file.remove" in finding.facts["call"]


@pytest.mark.parametrize("name", ["model.rds", "values.rds", "ascii.rds", "version2.rds"])
def test_data_and_models_are_clean(name: str) -> None:
    assert worst(RObjects(), {name: (FIXTURES / name).read_bytes()}) == "clean"


def test_a_cut_stream_is_unread() -> None:
    assert scan(RObjects(), {"x.rds": (FIXTURES / "model.rds").read_bytes()[:-20]}).unread
