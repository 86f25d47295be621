"""Rows of an HTML table, with the cells that span several rows or columns in each of them."""

from __future__ import annotations

import re

from assay.evaluation.claims_place import clean

Row = tuple[int, list[str]]
MAX_CELLS = 60  # of a row
MAX_SPAN = 100  # rows or columns
_CELL = re.compile(r"<(t[hd])\b", re.IGNORECASE)
_SPAN = re.compile(r"\b(row|col)span\s*=\s*[\"']?\s*(\d{1,4})", re.IGNORECASE)


def html_rows(text: str, first_line: int) -> list[Row]:
    """Line and cells of the rows of an HTML table; titles in two lines, of which the first spans columns, as one.

    Args:
        text: from `<table` on.
        first_line: its number.
    """
    rows: list[Row] = []
    spans: dict[int, tuple[int, str]] = {}  # column: how many more rows, text
    titles: list[bool] = []  # whether a row has titles alone, and one that spans columns
    line = first_line
    for number, part in enumerate(re.split(r"<tr\b", text, flags=re.IGNORECASE)):
        if number and (found := _CELL.split(part)[1:]):
            kinds, cells = found[::2], found[1::2]
            rows.append((line + part[: len(part) - len(part.lstrip())].count("\n"), _placed(cells[:MAX_CELLS], spans)))
            titles.append(
                all(kind.lower() == "th" for kind in kinds) and any("colspan" in one.lower() for one in cells)
            )
        line += part.count("\n")
    if len(rows) > 2 and titles[0] and len(rows[0][1]) == len(rows[1][1]):  # noqa: PLR2004 - titles in two, and a row
        pairs = zip(rows[0][1], rows[1][1], strict=True)
        rows[:2] = [(rows[1][0], [over if over == under else f"{over} {under}".strip() for over, under in pairs])]
    return rows


def _placed(cells: list[str], spans: dict[int, tuple[int, str]]) -> list[str]:
    """Texts of a row's cells in their columns; what spans rows is kept in `spans` for those below."""
    made: list[str] = []

    def from_above() -> None:
        while len(made) in spans and len(made) < MAX_CELLS:
            left, text = spans.pop(len(made))
            if left > 1:
                spans[len(made)] = left - 1, text
            made.append(text)

    for cell in cells:
        from_above()
        head, _, inner = cell.partition(">")
        text = clean(inner.replace("\n", " "))
        size = {kind.lower(): min(int(count), MAX_SPAN) for kind, count in _SPAN.findall(head)}
        for _ in range(max(1, size.get("col", 1))):
            if len(made) < MAX_CELLS:
                if size.get("row", 1) > 1:
                    spans[len(made)] = size["row"] - 1, text
                made.append(text)
    from_above()
    return made
