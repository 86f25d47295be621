"""Text from a model never reaches a terminal raw."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.escape import printable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain äöü 日本", "plain äöü 日本"),
        ("a\nb\x1b[31m", "a\\x0ab\\x1b[31m"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("\udc80", "\\udc80"),
    ],
)
def test_control_and_bidi_characters_are_spelt_out(raw: str, shown: str) -> None:
    assert printable(raw) == shown


def test_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 12, limit=10) == "x" * 10 + "… (+2 characters)"


@given(st.text())
def test_nothing_hidden_ever_remains(raw: str) -> None:
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in printable(raw))
