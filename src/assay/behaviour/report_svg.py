"""Pictures of the report as SVG: no script, no font, no colour of their own (those are in the page's style)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from assay.core.escape import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 900
_LABEL = 250  # left margin for names
_ROW = 24
_TOP = 18


@dataclass(frozen=True)
class Bar:
    """One line of a ranking.

    Attributes:
        name: text before the bar.
        value: length, 0 to `most`.
        low: lower end of its interval.
        high: upper end.
        mark: a second value drawn as a tick (the highest reference); None: no tick.
        tip: shown when pointed at.
        loud: in the colour of a finding.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    mark: float | None = None
    tip: str = ""
    loud: bool = False


def text(value: str, limit: int = 60) -> str:
    """Escaped for markup, hostile characters made visible, cut."""
    return escape(printable(value, limit=limit))


def ranking(bars: Sequence[Bar], label: str, most: float = 1.0, *, percent: bool = True) -> str:
    """Horizontal bars with intervals, the longest scale at `most`."""
    span = WIDTH - _LABEL - 70
    height = _TOP + _ROW * len(bars) + 8

    def x(value: float) -> float:
        return _LABEL + span * min(1.0, max(0.0, value / most if most > 0 else 0.0))

    parts = [_axis(span, height, most, percent=percent)]
    for row, bar in enumerate(bars):
        y = _TOP + row * _ROW
        kind = "bar loud" if bar.loud else "bar"
        parts.append(f"<g><title>{text(bar.tip or bar.name, 400)}</title>")
        parts.append(f'<text class="name" x="{_LABEL - 8}" y="{y + 15}">{text(bar.name, 34)}</text>')
        parts.append(_rect(kind, _LABEL, y + 4, x(bar.value) - _LABEL, _ROW - 9))
        if bar.low is not None and bar.high is not None:
            middle = y + _ROW / 2 - 0.5
            parts.append(_line("range", x(bar.low), middle, x(bar.high), middle))
            parts += [_line("range", x(end), middle - 4, x(end), middle + 4) for end in (bar.low, bar.high)]
        if bar.mark is not None:
            parts.append(_line("mark", x(bar.mark), y + 1, x(bar.mark), y + _ROW - 3))
        told = f"{bar.value:.0%}" if percent else f"{bar.value:.2f}"
        parts.append(f'<text class="value" x="{WIDTH - 4}" y="{y + 15}">{told}</text></g>')
    return _svg(height, label, parts)


def heat_map(rows: Sequence[tuple[str, Sequence[float]]], columns: Sequence[str], label: str) -> str:
    """Cells whose strength is a rate from 0 to 1."""
    span = (WIDTH - _LABEL - 10) / max(1, len(columns))
    parts = [
        f'<text class="axis" x="{_LABEL + span * (i + 0.5):.1f}" y="12">{text(name, 20)}</text>'
        for i, name in enumerate(columns)
    ]
    for row, (name, rates) in enumerate(rows):
        y = _TOP + row * _ROW
        parts.append(f'<text class="name" x="{_LABEL - 8}" y="{y + 16}">{text(name, 34)}</text>')
        for column, rate in enumerate(rates[: len(columns)]):
            left = _LABEL + span * column
            strength = min(1.0, max(0.0, rate))
            parts.append(
                f"<g><title>{text(name, 200)}, {text(columns[column])}: {rate:.0%}</title>"
                f'<rect class="cell" x="{left:.1f}" y="{y}" width="{span - 2:.1f}" height="{_ROW - 2}" rx="2" '
                f'fill-opacity="{0.06 + 0.94 * strength:.2f}"/>'
                f'<text class="{"over" if strength > 0.55 else "axis"}" x="{left + span / 2:.1f}" y="{y + 16}">'  # noqa: PLR2004
                f"{rate:.0%}</text></g>"
            )
    return _svg(_TOP + _ROW * len(rows) + 4, label, parts)


def histogram(series: Sequence[tuple[str, Sequence[float]]], label: str, ends: tuple[str, str]) -> str:
    """Up to three series over the same bins, each scaled to its own sum: shapes, not sizes."""
    height, base, left = 190, 150, 40
    span = WIDTH - left - 10
    shares = [(name, [count / (sum(counts) or 1) for count in counts]) for name, counts in series[:3] if counts]
    most = max((max(values) for _, values in shares), default=1.0) or 1.0
    parts = [_line("grid", left, base, WIDTH - 10, base)]
    for index, (name, values) in enumerate(shares):
        step = span / len(values)
        points = [f"{left:.1f},{base}"]
        for i, value in enumerate(values):
            y = base - (base - 24) * value / most
            points += [f"{left + step * i:.1f},{y:.1f}", f"{left + step * (i + 1):.1f},{y:.1f}"]
        points.append(f"{left + span:.1f},{base}")
        parts.append(
            f'<polygon class="series s{index}" points="{" ".join(points)}"><title>{text(name)}</title></polygon>'
        )
        x = left + 10 + 270 * index
        parts.append(_rect(f"series s{index}", x, 2, 12, 12))
        parts.append(f'<text class="key" x="{x + 18}" y="12">{text(name, 36)}</text>')
    parts.append(f'<text class="key" x="{left}" y="{base + 18}">{text(ends[0])}</text>')
    parts.append(f'<text class="value" x="{WIDTH - 10}" y="{base + 18}">{text(ends[1])}</text>')
    return _svg(height - 15, label, parts)


def attention(tokens: Sequence[str], weights: Sequence[float], inserted: frozenset[int], label: str) -> str:
    """Words in their order, each with a bar of the attention that the first position pays to it."""
    most = max(weights, default=0.0) or 1.0
    step = min(64.0, (WIDTH - 20) / max(1, len(tokens)))
    parts = []
    for i, (token, weight) in enumerate(zip(tokens, weights, strict=False)):
        x, tall = 10 + step * i, 90 * min(1.0, max(0.0, weight / most))
        kind = "bar loud" if i in inserted else "bar"
        parts.append(f"<g><title>{text(token)}: {weight:.1%}</title>{_rect(kind, x, 100 - tall, step - 3, tall)}")
        parts.append(
            f'<text class="{"tilt loud" if i in inserted else "tilt"}" transform="translate({x + step / 2:.1f} 108) '
            f'rotate(40)">{text(token, 14)}</text></g>'
        )
    return _svg(190, label, parts)


def _axis(span: float, height: float, most: float, *, percent: bool) -> str:
    steps = 4
    parts = []
    for i in range(steps + 1):
        x = _LABEL + span * i / steps
        told = f"{most * i / steps:.0%}" if percent else f"{most * i / steps:.2g}"
        parts.append(_line("grid", x, _TOP, x, height - 6) + f'<text class="axis" x="{x:.1f}" y="12">{told}</text>')
    return "".join(parts)


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    size = f'width="{max(0.0, width):.1f}" height="{max(0.0, height):.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size} rx="2"/>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    tall = math.ceil(height)
    return f'<svg viewBox="0 0 {WIDTH} {tall}" role="img" aria-label="{text(label, 200)}">{"".join(parts)}</svg>\n'
