"""Masks and patterns of image triggers as SVG: one square for each pixel, from numbers that were checked."""

from __future__ import annotations

from typing import Any

from assay.behaviour.report_svg import text

_MOST = 32  # pixels of a side
_SQUARE, _GAP = 7, 40
_COLOURS = 3
Rows = list[list[tuple[int, int, int]]]


def triggers(value: Any) -> str:
    """Masks and patterns of `[{"name": …, "mask": [[0…255]], "pattern": [[[r, g, b]]]}]`; empty for other things."""
    parts: list[str] = []
    top = 0
    for one in value[:3] if isinstance(value, list) else []:
        panels = [_rows(one.get("mask")), _rows(one.get("pattern"))] if isinstance(one, dict) else []
        if len(panels) != 2 or not all(panels):  # noqa: PLR2004 - a mask and a pattern
            continue
        parts.append(f'<text class="key" x="0" y="{top + 14}">{text(str(one.get("name", "")), 80)}</text>')
        left = 0
        for name, rows in zip(("mask", "pattern"), panels, strict=True):
            parts.append(f"<g><title>{name}</title>")
            parts += [
                f'<rect x="{left + _SQUARE * x}" y="{top + 22 + _SQUARE * y}" width="{_SQUARE}" height="{_SQUARE}" '
                f'fill="#{r:02x}{g:02x}{b:02x}"/>'
                for y, row in enumerate(rows)
                for x, (r, g, b) in enumerate(row)
            ]
            parts.append("</g>")
            left += _SQUARE * len(rows[0]) + _GAP
        top += 22 + _SQUARE * len(panels[0]) + 16
    if not parts:
        return ""
    return f'<svg viewBox="0 0 600 {top}" role="img" aria-label="masks and patterns">{"".join(parts)}</svg>\n'


def _rows(value: Any) -> Rows:
    """A picture of whole numbers from 0 to 255, or nothing."""
    found: Rows = []
    for row in value[:_MOST] if isinstance(value, list) else []:
        if not isinstance(row, list):
            return []
        cells = [[one] * _COLOURS if type(one) is int else one for one in row[:_MOST]]
        if not all(isinstance(one, list) and len(one) == _COLOURS and all(map(_level, one)) for one in cells):
            return []
        found.append([(one[0], one[1], one[2]) for one in cells])
    return found if found and found[0] and len({len(row) for row in found}) == 1 else []


def _level(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 255  # noqa: PLR2004 - a byte
