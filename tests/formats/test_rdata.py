"""R streams written by R (tests/support/make_r_fixtures.R) and built from the specification."""

import io
from pathlib import Path

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.rdata import RCall, RData, read_rdata
from tests.support.mutate import mutated

FIXTURES = Path(__file__).parent / "fixtures"


def read(name: str) -> RData:
    data = (FIXTURES / name).read_bytes()
    return read_rdata(io.BytesIO(data), len(data), Limits())


@pytest.mark.parametrize("name", ["closure.rds", "bytecode.rds"])
def test_calls_in_functions(name: str) -> None:
    calls = read(name).calls
    assert RCall("system", ("touch x",), "closure") in calls
    assert RCall("base::file.remove", ("y",), "closure") in calls


def test_promises_and_stored_calls() -> None:
    promise = read("promise.rds")
    assert (promise.promises, promise.root) == (1, "environment")
    assert promise.calls == [RCall("system", ("touch x",), "promise")]
    assert read("language.rds").calls == [RCall("system", ("touch x",), "")]


@pytest.mark.parametrize("name", ["model.rds", "values.rds", "ascii.rds", "version2.rds", "several.rda"])
def test_everything_else_of_r_is_walked_to_the_end(name: str) -> None:
    file = read(name)
    assert file.types["character"] >= 1
    assert file.truncated is False


def test_types_are_counted() -> None:
    types = read("values.rds").types
    assert (types["list"], types["raw"], types["complex"], types["logical"]) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"X\n\0\0\0\x09" + b"\0" * 8,
        b"X\n\0\0\0\x02" + b"\0" * 8 + b"\0\0\0\x13\x7f\xff\xff\xff",
        b"X\n\0\0\0\x02" + b"\0" * 8 + b"\0\0\0\x63",
        b"X\n\0\0\0\x02" + b"\0" * 8 + b"\0\0\x01\xff",
        b"A\n2\n1\n1\nx\n",
        b"A\n2\n1\n1\n",
    ],
)
def test_broken_streams(data: bytes) -> None:
    with pytest.raises(ContentError):
        read_rdata(io.BytesIO(data), len(data), Limits())


def test_nesting_costs_no_stack() -> None:
    nested = b"X\n\0\0\0\x02" + b"\0" * 8 + (b"\0\0\0\x13\0\0\0\x01" * 50_000) + b"\0\0\0\xfe"
    assert read_rdata(io.BytesIO(nested), len(nested), Limits()).types["list"] == 50_000


def test_mutated_streams_end_in_content_errors_only() -> None:
    names = ["closure.rds", "bytecode.rds", "promise.rds", "ascii.rds", "model.rds", "several.rda", "version2.rds"]
    for data in mutated([(FIXTURES / name).read_bytes() for name in names], 4000):
        try:
            read_rdata(io.BytesIO(data), len(data), Limits())
        except ContentError:
            continue
