"""Tables whose schema is a pickle."""

from __future__ import annotations

import base64

import pytest

from assay.inspections.arrow import ArrowSchema
from tests.support.scan import found, scan


def parquet(footer: bytes) -> bytes:
    return b"PAR1" + bytes(50) + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def arrow(footer: bytes) -> bytes:
    return b"ARROW1\0\0" + bytes(50) + footer + len(footer).to_bytes(4, "little") + b"ARROW1"


@pytest.mark.parametrize("before", range(3))
def test_python_extension_types(before):
    schema = b"x" * before + b"ARROW:extension:name arrow.py_extension_type ARROW:extension:metadata"
    for footer in (schema, b"ARROW:schema" + base64.b64encode(schema)):
        assert found(ArrowSchema, {"a.parquet": parquet(footer)})["arrow-python-type"].severity.label == "high"
    assert "arrow-python-type" in found(ArrowSchema, {"a.arrow": arrow(schema)})


def test_plain_tables_are_clean():
    footer = b"schema" + base64.b64encode(b"ARROW:extension:name arrow.json")
    assert scan(ArrowSchema, {"a.parquet": parquet(footer), "b.arrow": arrow(footer)}).outcome.value == "clean"


@pytest.mark.parametrize("data", [parquet(b"x" * 9)[:-3], b"PAR1" + b"\xff" * 4 + b"PAR1", parquet(b"")[:-4] + b"PARE"])
def test_footers_that_do_not_fit(data):
    assert scan(ArrowSchema, {"a.parquet": data}).outcome.value == "inconclusive"
