"""Pictures as SVG text: bars and the lineage. Colours are the style sheet's; each has its words beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from assay.core.escape import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.registry.lineage import Edge, Node

_WIDTH: Final = 640  # units of the view box
_HEIGHT: Final = 120  # of the highest bar
_TOP: Final = 20  # above it, for its number
_ROW: Final = 44  # units from one node of the lineage to the next
_BOX: Final = (250, 34)  # units of a node
_PIXEL: Final = 7  # units
_MOST_NODES: Final = 12  # on each side
_LABEL: Final = 34  # characters of a node's text


def bars(values: Sequence[tuple[str, int]], title: str) -> Markup:
    """Upright bars, one for each (label, count); the count stands in each bar's title."""
    most = max((count for _, count in values), default=0) or 1
    step = _WIDTH / max(len(values), 1)
    parts = [
        Markup(
            '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
        ).format(
            place * step + 2,
            _TOP + _HEIGHT - _HEIGHT * count / most,
            max(step - 4, 1),
            _HEIGHT * count / most,
            f"{label}: {count}",
        )
        for place, (label, count) in enumerate(values)
    ]
    ends = Markup("")
    if values:
        ends = Markup('<text x="0" y="{0}">{1}</text><text x="{2}" y="{0}" text-anchor="end">{3}</text>').format(
            _TOP + _HEIGHT + 16, values[0][0], _WIDTH, values[-1][0]
        )
    base = Markup('<line class="axis" x1="0" y1="{0}" x2="{1}" y2="{0}"/>').format(_TOP + _HEIGHT, _WIDTH)
    base += Markup('<line class="grid" x1="0" y1="{0}" x2="{1}" y2="{0}"/><text x="0" y="{2}">{3}</text>').format(
        _TOP, _WIDTH, _TOP - 5, most
    )
    total = sum(count for _, count in values)
    label = f"{title}: {total} in all, at most {most if total else 0}"
    return _svg(_WIDTH, _TOP + _HEIGHT + 20, label, base + Markup("").join(parts) + ends)


def shares(values: Sequence[tuple[str, int]], title: str) -> Markup:
    """Lying bars with their label and count, one below the other."""
    most = max((count for _, count in values), default=0) or 1
    parts = []
    for place, (label, count) in enumerate(values):
        top = place * 26
        parts.append(
            Markup(
                '<text x="0" y="{}">{}</text><rect class="bar {}" x="150" y="{}" width="{:.1f}" height="16"/>'
                '<text x="{:.1f}" y="{}">{}</text>'
            ).format(
                top + 15,
                printable(label, limit=22),
                label if label.isalpha() else "",
                top + 2,
                400 * count / most,
                158 + 400 * count / most,
                top + 15,
                count,
            )
        )
    said = ", ".join(f"{label} {count}" for label, count in values)
    return _svg(_WIDTH, max(26 * len(values), 1), f"{title}: {said}", Markup("").join(parts))


def rates(values: Sequence[tuple[str, float, float, float]]) -> Markup:
    """Rates from 0 to 1 with their interval: (label, rate, low, high), one below the other."""
    parts = []
    for place, (label, rate, low, high) in enumerate(values):
        top = place * 30
        parts.append(
            Markup(
                '<text x="0" y="{}">{}</text><rect class="track" x="210" y="{}" width="360" height="12"/>'
                '<rect class="bar" x="210" y="{}" width="{:.1f}" height="12"/>'
                '<line class="whisker" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/><text x="580" y="{}">{:.0%}</text>'
            ).format(
                top + 17,
                printable(label, limit=30),
                top + 7,
                top + 7,
                360 * rate,
                210 + 360 * low,
                210 + 360 * high,
                top + 13,
                top + 13,
                top + 17,
                rate,
            )
        )
    said = ", ".join(f"{printable(label)} {rate:.0%}" for label, rate, _, _ in values)
    return _svg(_WIDTH, max(30 * len(values), 1), f"Flip rates: {said}", Markup("").join(parts))


def raster(panels: Sequence[Sequence[Sequence[tuple[int, int, int]]]], title: str) -> Markup:
    """Pictures of few pixels side by side, a square for each pixel."""
    parts, left = [], 0
    for panel in panels:
        parts += [
            Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="#{}"/>').format(
                left + _PIXEL * x, _PIXEL * y, _PIXEL, _PIXEL, f"{red:02x}{green:02x}{blue:02x}"
            )
            for y, row in enumerate(panel)
            for x, (red, green, blue) in enumerate(row)
        ]
        left += _PIXEL * len(panel[0]) + 4 * _PIXEL
    return _svg(_WIDTH, _PIXEL * max(map(len, panels)), title, Markup("").join(parts), "figure raster")


def lineage(own: Node, edges: Sequence[Edge], names: dict[str, str]) -> Markup:
    """The node in the middle, what it comes from on the left, what comes from it on the right.

    Args:
        own: the node in the middle.
        edges: at it; edges to files are left out.
        names: text of a node by its key.
    """
    told = [edge for edge in edges if edge.relation != "holds"]
    left = [(edge.parent, edge) for edge in told if edge.child == own][:_MOST_NODES]
    right = [(edge.child, edge) for edge in told if edge.parent == own][:_MOST_NODES]
    rows = max(len(left), len(right), 1)
    width, height = 3 * _BOX[0] + 2 * 130, rows * _ROW
    middle = (height - _BOX[1]) / 2
    x_own, x_right = _BOX[0] + 130, 2 * (_BOX[0] + 130)
    parts = [_node(x_own, middle, names.get(own.key, own.key), "own")]
    for at, side in ((0, left), (x_right, right)):
        start = (height - len(side) * _ROW) / 2
        for place, (node, edge) in enumerate(side):
            top = start + place * _ROW + (_ROW - _BOX[1]) / 2
            parts.append(_node(at, top, names.get(node.key, node.key), node.kind))
            ends = (_BOX[0], x_own) if at == 0 else (x_own + _BOX[0], x_right)
            heights = (top, middle) if at == 0 else (middle, top)
            parts.append(_edge(ends, heights, 0 if at == 0 else 1, edge))
    return _svg(width, height, "Lineage; the same as a table below", Markup("").join(parts), "graph")


def _node(x: float, y: float, text: str, kind: str) -> Markup:
    shown = printable(text)
    short = shown if len(shown) <= _LABEL else f"{shown[: _LABEL - 1]}…"
    return Markup(
        '<g class="node {}"><title>{}</title><rect x="{:.1f}" y="{:.1f}" width="{}" height="{}" rx="6"/>'
        '<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text></g>'
    ).format(kind, shown, x, y, *_BOX, x + _BOX[0] / 2, y + 22, short)


def _edge(ends: tuple[float, float], tops: tuple[float, float], outer: int, edge: Edge) -> Markup:
    y1, y2 = (top + _BOX[1] / 2 for top in tops)
    share = 0.3 if outer == 0 else 0.7  # the words stand near the outer end, where the lines are apart
    x, y = ends[0] + share * (ends[1] - ends[0]), y1 + share * (y2 - y1)
    return Markup(
        '<line class="edge {}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'
        '<text class="relation" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
    ).format(edge.basis, ends[0], y1, ends[1], y2, x, y - 4, edge.relation)


def _svg(width: float, height: float, label: str, inside: Markup, kind: str = "figure") -> Markup:
    return Markup('<svg class="picture {}" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, label, inside
    )
