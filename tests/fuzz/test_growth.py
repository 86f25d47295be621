"""No parser takes longer than its input grows; and the harness would tell."""

from __future__ import annotations

import pytest

from tests.support import growth
from tests.support.fuzz import Parser
from tests.support.fuzz_parsers import PARSERS


def _every_end(data: bytes) -> int:
    return sum(data.find(b"\n", place) for place in range(len(data)))


def test_a_parser_that_searches_to_the_end_again_and_again_is_told() -> None:
    quadratic = Parser("quadratic", _every_end, lambda: [b"x"], ())
    shapes = [found.shape for found in growth.superlinear(quadratic, every=1000)]
    assert shapes == [repr(growth.TOKENS[0])]


def test_a_parser_that_reads_everything_many_times_is_not() -> None:
    linear = Parser("linear", lambda data: [data.count(b"ab") for _ in range(2000)], lambda: [b"x"], ())
    assert not growth.superlinear(linear, every=1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", [parser.name for parser in PARSERS])
def test_no_parser_takes_longer_than_its_input_grows(name: str) -> None:
    parser = next(parser for parser in PARSERS if parser.name == name)
    assert not list(map(str, growth.superlinear(parser)))
