"""Curves over powers of ten, both axes logarithmic, as one SVG file without a script or an outside resource."""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 760, 420
_LEFT, _TOP, _PLOT, _TALL = 60, 40, 380, 320  # of the plot's box
_COLOURS = (
    "#0b6bcb",
    "#c1440e",
    "#2e7d32",
    "#7b1fa2",
    "#b8860b",
    "#00838f",
    "#ad1457",
    "#455a64",
    "#5d4037",
    "#283593",
)


def curves(points: dict[str, list[tuple[int, float]]], title: str) -> str:
    """The file's text.

    Args:
        points: (size, milliseconds) of each curve; all above 0.
        title: above the plot.
    """
    sizes = sorted({size for curve in points.values() for size, _ in curve})
    times = [value for curve in points.values() for _, value in curve]
    low, high = floor(log10(min(times))), ceil(log10(max(times)))
    span = max(log10(sizes[-1] / sizes[0]), 1e-9), max(high - low, 1)

    def across(size: int) -> float:
        return _LEFT + _PLOT * log10(size / sizes[0]) / span[0]

    def up(value: float) -> float:
        return _TOP + _TALL * (high - log10(value)) / span[1]

    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="sans-serif" font-size="12"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}><title>{escape(title)}</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        y = up(10**power)
        out.append(f'<path d="M{_LEFT} {y:.1f}h{_PLOT}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10**power:g} ms</text>')
    for size in sizes:
        x = across(size)
        out.append(f'<path d="M{x:.1f} {_TOP}v{_TALL}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{_TOP + _TALL + 18}" text-anchor="middle">{size:,}</text>')
    out.append(
        f'<text x="{_LEFT + _PLOT / 2}" y="{_TOP + _TALL + 38}" text-anchor="middle">snapshots in the index</text>'
    )
    for number, (name, curve) in enumerate(points.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(f"{across(size):.1f},{up(value):.1f}" for size, value in sorted(curve))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [
            f'<circle cx="{across(size):.1f}" cy="{up(value):.1f}" r="3" fill="{colour}"/>' for size, value in curve
        ]
        y = _TOP + 12 + 20 * number
        out.append(f'<path d="M{_LEFT + _PLOT + 20} {y - 4}h16" stroke="{colour}" stroke-width="3"/>')
        last = max(curve)[1]
        out.append(f'<text x="{_LEFT + _PLOT + 42}" y="{y}">{escape(name)}: {last:.2g} ms</text>')
    return "\n".join([*out, "</svg>", ""])
