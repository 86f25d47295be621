"""Tables of what only informs: the perturbation suite, how confidences drift, how a candidate acts inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.report_svg import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.behaviour.records import ProbeResult

_HUGE = 1e12
# Fact of `activation` or `injection`: what it is called, and what it means.
_INSIDE = {
    "attention_concentration": ("attention on the candidate", "times its share of the tokens"),
    "separability": ("difference of means", "area under the curve, from .5 (none) to 1"),
    "linear_probe": ("linear probe", "area under the curve on held texts, from .5 (none) to 1"),
    "silhouette": ("silhouette", "of texts with the candidate against the class it leads to, from -1 to 1"),
    "two_means": ("two clusters", "share of texts that two clusters put rightly, from .5 (none) to 1"),
}


def tables(probe: ProbeResult) -> Iterator[str]:
    """What a probe's facts have for a reader; nothing for most."""
    kinds = probe.facts.get("kinds")
    if isinstance(kinds, dict) and kinds:
        yield from _table(
            ("changed", "texts that change class", "references", "confidence"),
            (
                (
                    name,
                    _share(one.get("flip_rate")),
                    _shares(one.get("references")),
                    _signed(one.get("confidence_change")),
                )
                for name, one in sorted(kinds.items())
                if isinstance(one, dict)
            ),
        )
    drift = probe.facts.get("drift")
    if isinstance(drift, dict):
        yield from _table(
            ("confidences", "bimodal (dip test)", "p", "entropy, bits", "calibration error"), _drift(drift)
        )
    inside = [
        (name, _number(probe.facts[key]), meaning)
        for key, (name, meaning) in _INSIDE.items()
        if _number(probe.facts.get(key))
    ]
    if inside:
        yield from _table(("inside", "measured", ""), inside)


def _drift(drift: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name in ("clean", "perturbed", "injected"):
        one = drift.get(name)
        if isinstance(one, dict):
            keys = ("dip", "dip_p_value", "mean_entropy_bits", "calibration_error")
            yield (name, *(_number(one.get(key)) for key in keys))


def _table(heads: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield "<table>\n<thead><tr>" + "".join(f"<th>{text(one)}</th>" for one in heads) + "</tr></thead>\n<tbody>\n"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{text(cell, 120)}</td>" for cell in row) + "</tr>\n"
    yield "</tbody>\n</table>\n"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_HUGE < value < _HUGE


def _number(value: Any) -> str:
    return f"{value:.3f}" if _is_number(value) else ""


def _share(value: Any) -> str:
    return f"{value:.0%}" if _is_number(value) else ""


def _signed(value: Any) -> str:
    return f"{value:+.3f}" if _is_number(value) else ""


def _shares(value: Any) -> str:
    return ", ".join(_share(one) for one in value[:8]) if isinstance(value, list) and value else "none"
