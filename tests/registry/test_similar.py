"""The hint for a name that missed."""

from __future__ import annotations

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


class _Letter(int):
    """A character that counts how often it is compared."""

    compared = 0
    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        _Letter.compared += 1
        return int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other


def test_a_miss_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Letter, "compared", 0)
    one, other = (tuple(_Letter(1000 * n + i) for i in range(400)) for n in (1, 2))
    assert edits(one, other, 2) == 3  # type: ignore[arg-type]  # what it does with characters it does with these
    assert 0 < _Letter.compared < 100  # of 160,000 pairs
    assert edits(one, other[:300], 2) == 3  # type: ignore[arg-type]
    assert _Letter.compared < 100  # lengths alone tell
    same = tuple(_Letter(n) for n in range(400))
    assert edits((*same, *one), (*same, *other), 2) == 3  # type: ignore[arg-type]
    assert _Letter.compared < 100 + 3 * 400  # what both begin with is passed once
