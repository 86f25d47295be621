"""Lines of two revisions: compared as the whole files would be, and within a bound."""

from __future__ import annotations

from difflib import unified_diff

import pytest

from assay.core.digest import Digest
from assay.core.snapshot import FileEntry
from assay.server.pages.diff import Change, lines_of
from assay.store.blobs import open_blobs

LONG = [f"line {number}" for number in range(2500)]


@pytest.fixture
def blobs(tmp_path):
    return open_blobs(tmp_path / "blobs")


def _change(blobs, *sides):
    contents = ["\n".join(lines).encode() for lines in sides]
    entries = [FileEntry("a.md", len(one), Digest.of(one)) if one else None for one in contents]
    for one in contents:
        blobs.put([one])
    return Change("a.md", *entries)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LONG, [*LONG[:1200], "other", *LONG[1201:]]),
        (LONG, ["first", *LONG]),
        (LONG, [*LONG, "last"]),
        (LONG, LONG[:700] + LONG[900:]),
        (LONG[:2], LONG[:1]),
        ([], LONG[:50]),
        (["@@ -1 +1 @@"] * 9, ["@@ -1 +1 @@"] * 4 + ["@@ -7 +7 @@"]),
    ],
)
def test_lines_are_compared_as_the_whole_files_would_be(blobs, old, new):
    assert lines_of(blobs, _change(blobs, old, new)) == list(unified_diff(old, new, lineterm=""))[2:]


def test_what_would_take_minutes_to_compare_is_not_compared(blobs):
    """Nothing but matches of one line, each found by looking at all others: the square of the lines."""
    old = [f"{number:x}" for number in range(8000)]
    new = [line for each in old[:5000] for line in (each, f"z{each}")]
    assert lines_of(blobs, _change(blobs, old, new)) is None
