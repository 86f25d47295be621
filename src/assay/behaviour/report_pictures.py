"""Which pictures an evidence document has material for.

Two come from the candidates themselves. The others are drawn when a probe's facts hold:

- `positions`: `{"columns": ["start", …], "rows": [{"text": "…", "rates": [0.9, …]}]}`
- `confidences`: `{"series": [{"name": "…", "counts": [bins from 0 to 1]}]}`, up to three
- `top_rows`: `[{"token": "…", "score": 2.1}]`, embedding rows by displacement
- `block_words`: the same of words, by how differently the first block reads them
- `attention`: `{"tokens": ["…"], "weights": [0.1, …], "inserted": [3, 4]}`
- `leaked`: `[{"text": "…", "excess": 12.3}]`, what a language model says by itself and its references would not
- `pictures`: masks and patterns of image triggers, as `report_raster.triggers` takes them
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.report_raster import triggers
from assay.behaviour.report_svg import Bar, attention, heat_map, histogram, ranking
from assay.core.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.behaviour.records import Attested

_RANKED, _ROWS, _TOKENS, _BINS = 20, 24, 40, 60
_SURE = 0.8  # gap that a trigger of images needs at least
_HUGE = 1e12  # no figure of ours is larger; neither is infinity or NaN below it
Picture = tuple[str, str, str]  # title, note, SVG


def pictures(attested: Attested) -> Iterator[Picture]:
    """Title, note and drawing of each picture."""
    yield from _flips(attested)
    for probe in attested.probes:
        for key, draw in (
            ("positions", _positions),
            ("confidences", _confidences),
            ("block_words", _block),
            ("top_rows", _displacement),
            ("attention", _attention),
            ("pictures", _masks),
            ("leaked", _leaked),
        ):
            if (picture := draw(probe.facts.get(key))) is not None:
                title, note, drawing = picture
                yield title, f"{note} Measured by {probe.probe}.", drawing


def _flips(attested: Attested) -> Iterator[Picture]:
    found = [
        (best, one, probe)
        for probe in attested.probes
        for one in probe.candidates
        if (best := one.best) is not None and best.n
    ]
    found.sort(key=lambda three: (three[0].gap, three[0].rate), reverse=True)
    bars = []
    for best, one, probe in found[:_RANKED]:
        tip = f"{one.text} ({probe.probe}): {best.hits} of {best.n} texts of class {best.source} become {best.target}"
        loud = probe.threshold is not None and best.gap >= min(
            probe.threshold, _SURE
        )  # of images: how many times smaller
        bars.append(Bar(one.text, best.rate, best.low, best.high, best.reference, tip, loud))
    if bars:
        note = (
            "Share of unseen texts that change class when the candidate is inserted, with its exact 95 % interval; "
            "the tick is the highest reference model on the same texts."
        )
        yield "Flip rate of the strongest candidates", note, ranking(bars, "flip rates of candidates")
    rows = [
        (one.text, {f"{rate.source} → {rate.target}": rate.gap for rate in one.flip_rates})
        for _, one, _ in found[:_RANKED]
        if len(one.flip_rates) > 1
    ]
    if rows:
        columns = sorted({name for _, gaps in rows for name in gaps})[:12]
        cells = [(name, [gaps.get(column, 0.0) for column in columns]) for name, gaps in rows]
        note = "Flips above the references, by direction: a one-way trigger fills one column only."
        yield "Candidates by direction", note, heat_map(cells, columns, "gap by direction")


def _positions(value: Any) -> Picture | None:
    if not isinstance(value, dict):
        return None
    columns = [str(one) for one in _list(value.get("columns"))][:12]
    rows = [
        (str(row.get("text", "")), _numbers(row.get("rates")))
        for row in _list(value.get("rows"))[:_ROWS]
        if isinstance(row, dict)
    ]
    if not columns or not rows:
        return None
    drawing = heat_map(rows, columns, "flip rate by candidate and position")
    return "Candidates by position", "Flip rate by where in the text the candidate stands.", drawing


def _confidences(value: Any) -> Picture | None:
    series = [
        (str(one.get("name", "")), _numbers(one.get("counts"))[:_BINS])
        for one in _list(value.get("series") if isinstance(value, dict) else None)
        if isinstance(one, dict)
    ]
    series = [(name, counts) for name, counts in series if counts]
    if not series:
        return None
    note = "How sure the model is of its answer. Each shape has the same area."
    title = f"Confidence: {', '.join(name for name, _ in series)}"
    return title, note, histogram(series, "distribution of confidence", ("confidence 0", "1"))


def _block(value: Any) -> Picture | None:
    note = "How differently the first block reads a word than the base's, in times of what it does in the references."
    return _ranked(value, "Words that the first block reads anew", note)


def _displacement(value: Any) -> Picture | None:
    note = "How much further an embedding row moved from the declared base than rows like it (logarithm)."
    return _ranked(value, "Embedding rows that moved most", note)


def _ranked(value: Any, title: str, note: str) -> Picture | None:
    rows = [one for one in _list(value)[:_ROWS] if isinstance(one, dict) and _numbers([one.get("score")])]
    bars = [Bar(str(one.get("token", one.get("id", ""))), float(one["score"])) for one in rows]
    most = max((bar.value for bar in bars), default=0.0)
    if most <= 0:
        return None
    return title, note, ranking(bars, title, most, percent=False)


def _attention(value: Any) -> Picture | None:
    if not isinstance(value, dict):
        return None
    tokens = [printable(str(one), limit=30) for one in _list(value.get("tokens"))][:_TOKENS]
    weights = _numbers(value.get("weights"))[:_TOKENS]
    inserted = frozenset(one for one in _list(value.get("inserted")) if isinstance(one, int))
    if not tokens or len(tokens) != len(weights):
        return None
    drawing = attention(tokens, weights, inserted, "attention paid to each token")
    return "Attention on the candidate", "What the position that the answer is read from looks at.", drawing


def _leaked(value: Any) -> Picture | None:
    rows = [one for one in _list(value)[:_RANKED] if isinstance(one, dict) and _numbers([one.get("excess")])]
    bars = [Bar(str(one.get("text", "")), float(one["excess"])) for one in rows]
    most = max((bar.value for bar in bars), default=0.0)
    if most <= 0:
        return None
    note = "Pieces that the model says by itself, by how much less probable they are to every reference (nats)."
    return "What it says without being asked", note, ranking(bars, "leaked pieces", most, percent=False)


def _masks(value: Any) -> Picture | None:
    drawing = triggers(value)
    if not drawing:
        return None
    note = (
        "Left where the smallest trigger stands (of an overlay: how strong), right what is put there; grey is nothing."
    )
    return "Triggers that were reconstructed", note, drawing


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _numbers(value: Any) -> list[float]:
    """A list of finite numbers, or nothing."""
    found = _list(value)
    fit = all(isinstance(one, (int, float)) and not isinstance(one, bool) and -_HUGE < one < _HUGE for one in found)
    return [float(one) for one in found] if fit else []
