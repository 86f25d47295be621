"""The hint for a name that missed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.registry.similar import closest, edits

_SERVED = ["sentence-transformers/all-MiniLM-L6-v2", "org/model", "gpt2"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("sentence-transfomers/all-MiniLM-L6-v2", _SERVED[0]),
        ("sentence-transformers/all-MinilM-L6-v2", _SERVED[0]),
        ("somebody/all-minilm-l6-v2", _SERVED[0]),
        ("rog/model", "org/model"),
        ("gpt-2", "gpt2"),
        ("gtp2", "gpt2"),
        ("bert-base", None),
        ("", None),
        ("/", None),
    ],
)
def test_closest(asked: str, meant: str | None) -> None:
    assert closest(asked, _SERVED) == meant


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("a", "", 1),
        ("", "ab", 2),
        ("abc", "acb", 1),
        ("abc", "abd", 1),
        ("abcd", "badc", 2),
        ("ab", "cd", 2),
    ],
)
def test_edits(one: str, other: str, distance: int) -> None:
    assert edits(one, other, 2) == edits(other, one, 2) == distance


def _plain(one: str, other: str) -> int:
    """Optimal string alignment by the book."""
    table = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(one), len(other)]


@given(st.text("ab-", max_size=8), st.text("ab-", max_size=8))
def test_edits_are_those_of_the_book(one: str, other: str) -> None:
    assert edits(one, other, 2) == min(_plain(one, other), 3)


def test_a_miss_is_cheap() -> None:
    names = [f"organisation{n % 97}/some-model-name-{n}" for n in range(5000)]
    start = time.process_time()
    assert closest("organisation5/some-model-nome-xyz", names) is None
    assert time.process_time() - start < 0.5
