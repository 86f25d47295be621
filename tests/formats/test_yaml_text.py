"""Front matter: plain values with lines, and none of what makes YAML dangerous."""

from __future__ import annotations

import time

import pytest

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.yaml_text import MAX_YAML_BYTES, read_yaml


def test_values_and_lines():
    found = read_yaml("a: 1\nb:\n- x\n- y: 0.5\n  z: 'yes'\nc: yes\nd: null\ne: 2020-01-01\n", depth=8, first_line=2)
    assert found.value == {"a": 1, "b": ["x", {"y": 0.5, "z": "yes"}], "c": True, "d": None, "e": "2020-01-01"}
    assert found.lines["b", 1, "y"] == 5
    assert found.lines["c",] == 7


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "a: *x",
        "? [1]\n: 2",
        "a: [",
        "a: b: c",
        "a: \x00",
        "a: 1\n---\nb: 2",
    ],
)
def test_what_is_refused(text):
    with pytest.raises(ContentError):
        read_yaml(text, depth=8)


def test_tags_construct_nothing(tmp_path):
    trace = tmp_path / "made"
    found = read_yaml(f"a: !!python/object/apply:os.mkdir ['{trace}']\nb: !own x\n", depth=8)
    assert found.value == {"a": [str(trace)], "b": "x"}
    assert not trace.exists()


@pytest.mark.parametrize("text", ["[" * 50 + "]" * 50, "a: " + "x" * MAX_YAML_BYTES, "[" * 20_000])
def test_limits(text):
    with pytest.raises(ContentError):
        read_yaml(text, depth=8)


def test_a_billion_laughs_end_at_once():
    text = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    start = time.monotonic()
    with pytest.raises(ContentError, match="anchors"):
        read_yaml(text, depth=8)
    assert time.monotonic() - start < 5


def test_a_long_number_stays_text():
    assert read_yaml("a: " + "9" * 5000, depth=8).value == {"a": "9" * 5000}
    with pytest.raises(LimitExceeded):
        read_yaml("{a: " * 9 + "1" + "}" * 9, depth=8)
