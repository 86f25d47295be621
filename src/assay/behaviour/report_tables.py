"""Tables of what only informs: the perturbation suite, how confidences drift, how a candidate acts inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.report_svg import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.behaviour.records import ProbeResult

_HUGE = 1e12
_FROM_ZERO = 10
_NAMED = 3  # a tensor, the directions in which it moved, and all that it has
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
    core = probe.facts.get("core")
    if isinstance(core, dict):
        yield from _table(
            ("of the strongest candidate suffices", "flips", "whole"),
            [(str(core.get("text")), _share(core.get("rate")), _share(core.get("whole")))],
        )
    inside = [
        (name, _number(probe.facts[key]), meaning)
        for key, (name, meaning) in _INSIDE.items()
        if _number(probe.facts.get(key))
    ]
    if inside:
        yield from _table(("inside", "measured", ""), inside)


def weights(opened: Any) -> Iterator[str]:
    """What moved since the declared base; nothing where none was declared.

    Args:
        opened: what the worker told as it opened the models.
    """
    told = opened.get("weights") if isinstance(opened, dict) else None
    if not isinstance(told, dict) or not told.get("compared"):
        return
    ranks = {str(one[0]): one[1:] for one in _rows(told.get("ranks")) if isinstance(one, list) and len(one) == _NAMED}
    yield "<section>\n<h2>Since the declared base</h2>\n"
    how = "no fine-tune of it" if told.get("is_a_fine_tune") is False else "a fine-tune of it"
    few = ", in few directions, as a merged LoRA is" if told.get("low_rank") else ""
    yield (
        f'<p class="meta">By its weights {how}{few}: {_count(told.get("compared"))} tensors compared, '
        f"{_count(told.get('unchanged'))} unchanged, {_count(told.get('unmatched'))} without a counterpart</p>\n"
    )
    rows = [one for one in _rows(told.get("most_changed")) if isinstance(one, list) and len(one) == 2]  # noqa: PLR2004
    yield from _table(
        ("tensor", "moved by", "directions"),
        ((str(one[0]), _moved(one[1]), " of ".join(map(_count, ranks.get(str(one[0]), [])))) for one in rows),
    )
    yield "</section>\n"


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


def _rows(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _moved(value: Any) -> str:
    """Relative to its own norm; of what was zero in the base that says nothing."""
    return "from about zero" if _is_number(value) and value > _FROM_ZERO else _share(value)


def _count(value: Any) -> str:
    return f"{value:,.0f}" if _is_number(value) else "?"


def _number(value: Any) -> str:
    return f"{value:.3f}" if _is_number(value) else ""


def _share(value: Any) -> str:
    return f"{value:.0%}" if _is_number(value) else ""


def _signed(value: Any) -> str:
    return f"{value:+.3f}" if _is_number(value) else ""


def _shares(value: Any) -> str:
    return ", ".join(_share(one) for one in value[:8]) if isinstance(value, list) and value else "none"
