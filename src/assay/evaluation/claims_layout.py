"""Where a table begins in a text, and its rows: Markdown, grids of `+---+`, columns under `====`, HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.evaluation.claims_html import MAX_CELLS, Row, html_rows
from assay.evaluation.claims_place import clean
from assay.evaluation.claims_tables import cells_of
from assay.evaluation.names import squeeze

if TYPE_CHECKING:
    from collections.abc import Sequence

_RULE = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(?:\|\s*:?-{1,}:?\s*)*\|?\s*$")
_GRID = re.compile(r"^\s*\+[-=:+]+\+\s*$")
_COLUMNS = re.compile(r"^\s*={2,}(?:\s+={2,})+\s*$")  # a simple table of reStructuredText


def table_at(lines: Sequence[str], first_line: int, *, fenced: bool) -> tuple[list[Row], int]:
    """Rows of a table whose first line this is, and how many lines it has; none and 0 where it is no table.

    Args:
        lines: of the text, from here on.
        first_line: number of the first.
        fenced: in a block of code, where only what lm-evaluation-harness prints is a table of figures.
    """
    line, rest = lines[0], lines[1:]
    if fenced:
        rows, size = _ruled(line, rest, first_line)
        own = bool(rows) and {"metric", "stderr"} <= {squeeze(cell) for cell in rows[0][1]}
        return (rows if own else []), size
    if "<table" in line.lower():
        size = next((n for n, one in enumerate(lines, 1) if "</table" in one.lower()), len(lines))
        return html_rows("\n".join(lines[:size]), first_line), size
    if _GRID.match(line):
        size = next((n for n, one in enumerate(rest, 1) if not one.lstrip().startswith(("|", "+"))), len(lines))
        return [(first_line + i, cells_of(lines[i])) for i in range(size) if not _GRID.match(lines[i])], size
    if _COLUMNS.match(line):
        return _spaced(lines, first_line)
    if _bordered(line) and rest and _bordered(rest[0]) and not _RULE.match(rest[0]):  # its rule is missing
        size = 1 + next((n for n, one in enumerate(rest) if not _bordered(one)), len(rest))
        return [(first_line + i, cells_of(lines[i])) for i in range(size)], size
    return _ruled(line, rest, first_line)


def _ruled(line: str, rest: Sequence[str], first_line: int) -> tuple[list[Row], int]:
    if "|" not in line or not rest or not _RULE.match(rest[0]):
        return [], 0
    size = 1 + next((n for n, one in enumerate(rest) if "|" not in one), len(rest))
    at = [0, *range(2, size)]
    return [(first_line + i, cells_of(line if not i else rest[i - 1])) for i in at], size


def _bordered(line: str) -> bool:
    text = line.strip()
    return text.startswith("|") and text.endswith("|") and text.count("|") > 2  # noqa: PLR2004 - two cells


def _spaced(lines: Sequence[str], first_line: int) -> tuple[list[Row], int]:
    """A simple table: columns lie below the runs of `=`."""
    starts = [match.start() for match in re.finditer(r"=+", lines[0])][:MAX_CELLS]
    rules = [n for n, one in enumerate(lines) if _COLUMNS.match(one)][:3]
    size = rules[-1] + 1
    rows = []
    for index in range(size):
        if index not in rules and lines[index].strip():
            ends = [*starts[1:], None]
            cells = [clean(lines[index][begin:end]) for begin, end in zip(starts, ends, strict=True)]
            rows.append((first_line + index, cells))
    return rows, size
