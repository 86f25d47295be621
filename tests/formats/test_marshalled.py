"""Code objects of every Python since 2.7, read for their names. Fixtures: tests/support/make_marshalled_fixtures.sh."""

import base64
import marshal
from pathlib import Path

import pytest

from assay.core.errors import ContentError
from assay.formats.marshalled import CodeObject, read_marshalled
from tests.support.mutate import mutated

LINES = (Path(__file__).parent / "fixtures" / "marshalled.txt").read_text().splitlines()
BY_VERSION = {line.split()[0]: base64.b64decode(line.split()[1]) for line in LINES}


@pytest.mark.parametrize("version", BY_VERSION)
def test_names_and_constants(version: str) -> None:
    code = read_marshalled(BY_VERSION[version])
    assert isinstance(code, CodeObject)
    assert code.name == "f"
    assert code.names == ("os", "system")
    constants = [c.decode() if isinstance(c, bytes) else c for c in code.constants]
    assert "touch x" in constants
    assert "<lambda>" in {c.name for c in code.all()}


def test_the_versions_are_all_there() -> None:
    assert set(BY_VERSION) == {"2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"}


@pytest.mark.parametrize(
    "value", [None, True, 1, -(2**70), "ü", b"x", (1, "a"), [1], {1}, frozenset({2}), 1.5, 2j, ...]
)
def test_other_values_do_not_stop_the_reader(value: object) -> None:
    read_marshalled(marshal.dumps((value, value)))


def test_integers() -> None:
    assert read_marshalled(marshal.dumps((2**70, -(2**70), 7))) == (2**70, -(2**70), 7)


@pytest.mark.parametrize("data", [b"", b"(\xff\xff\xff\x7f", b"c" * 10, b"r\0\0\0\0", b")\x01" * 500 + b"N", b"\xff"])
def test_broken(data: bytes) -> None:
    with pytest.raises(ContentError):
        read_marshalled(data)


def test_mutated_code_never_raises_anything_else() -> None:
    for data in mutated(list(BY_VERSION.values()), 4000):
        try:
            read_marshalled(data)
        except ContentError:
            continue
