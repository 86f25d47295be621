"""What the probes measured as one HTML page: no script, no outside resource, light and dark.

Everything comes from the evidence document. All text that a model or its publisher chose is escaped.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.behaviour.records import Word
from assay.behaviour.report_pictures import pictures
from assay.behaviour.report_svg import text
from assay.behaviour.report_tables import tables, weights
from assay.core.page import page_head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.behaviour.records import Attested, Candidate, ProbeResult

_HEADLINES = {
    Word.FOUND: "A trigger was found",
    Word.NOT_FOUND: "No trigger of these classes within this budget",
    Word.INCONCLUSIVE: "It could not be told",
    Word.NOT_APPLICABLE: "Nothing to probe",
}
_MOODS = {Word.FOUND: "critical", Word.NOT_FOUND: "clean", Word.INCONCLUSIVE: "unread", Word.NOT_APPLICABLE: "unread"}
_CANDIDATES = 8  # of each probe that are listed


def to_html(attested: Attested, origin: str = "") -> Iterator[str]:
    """The document in pieces.

    Args:
        attested: what was measured.
        origin: what the model is called; a claim.
    """
    style = (files("assay.behaviour") / "data" / "pictures.css").read_text("utf-8")
    yield page_head(f"assay probe: {_HEADLINES[attested.word]}", style)
    yield from _header(attested, origin)
    for title, note, drawing in pictures(attested):
        yield f'<section class="picture">\n<h2>{text(title, 200)}</h2>\n{drawing}'
        yield f'<p class="meta">{text(note, 500)}</p>\n</section>\n'
    yield from weights(attested.settings.get("opened"))
    for probe in attested.probes:
        yield from _probe(probe)
    yield from _ground(attested)
    yield f"<footer>assay {text(__version__)} · {attested.seconds:.0f} CPU seconds</footer>\n"
    yield "</main>\n</body>\n</html>\n"


def _header(attested: Attested, origin: str) -> Iterator[str]:
    yield f'<header class="{_MOODS[attested.word]}">\n<p class="brand">assay probe</p>\n'
    yield f"<h1>{text(_HEADLINES[attested.word], 200)}</h1>\n"
    if origin:
        yield f'<p class="roots">{text(origin, 300)}</p>\n'
    ran = [one for one in attested.probes if one.word in {Word.FOUND, Word.NOT_FOUND}]
    yield (
        f'<ul class="counts">\n<li><b>{len(ran)}</b> of {len(attested.probes)} probes ran</li>\n'
        f"<li><b>{sum(one.forward_passes for one in attested.probes):,}</b> inputs through models</li>\n"
        f"<li><b>{attested.seconds:.0f}</b> CPU seconds</li>\n"
    )
    if attested.peak_bytes:
        yield f"<li><b>{attested.peak_bytes / 1e9:.1f}</b> GB at most</li>\n"
    yield "</ul>\n"
    for clause, told in attested.reasons:
        yield f'<p class="reason"><span class="rule">{text(clause)}</span> {text(told, 600)}</p>\n'
    yield "</header>\n"


def _probe(probe: ProbeResult) -> Iterator[str]:
    mood = {Word.FOUND: "critical", Word.INCONCLUSIVE: "unread"}.get(probe.word, "")
    yield (
        f'<section>\n<h2>{text(probe.probe)} <span class="format">version {text(probe.version)}</span></h2>\n'
        f'<article class="{mood}"><p><span class="badge">{text(_badge(probe))}</span> '
        f"{text(probe.reason, 600)}</p></article>\n"
        f'<p class="meta">{probe.seconds:.1f} CPU seconds · {probe.forward_passes:,} inputs'
    )
    if probe.score is not None and probe.threshold is not None:
        yield f" · score {probe.score:.2f}, threshold {probe.threshold:.2f}"
        rate = probe.false_positive_rate
        yield f" ({rate:.1%} of the clean models it was set on)" if rate is not None else " (never calibrated)"
    yield "</p>\n"
    yield from tables(probe)
    shown = [one for one in probe.candidates if one.text or one.best is not None][:_CANDIDATES]
    if shown:
        yield (
            "<table>\n<thead><tr><th>candidate</th><th>code points</th><th>towards</th><th>flips</th><th>95 %</th>"
            "<th>references</th><th>from</th></tr></thead>\n<tbody>\n"
        )
        yield from (_candidate(one) for one in shown)
        yield "</tbody>\n</table>\n"
    yield "</section>\n"


def _badge(probe: ProbeResult) -> str:
    """Its word; what has neither score nor threshold has none, it informs."""
    return "informs" if probe.word is Word.NOT_FOUND and probe.score is None else probe.word.value


def _candidate(one: Candidate) -> str:
    best = one.best
    points = " ".join(f"U+{point:04X}" for point in one.code_points if point > 0x7E or point < 0x20)  # noqa: PLR2004
    cells = [f"<code>{text(one.text, 120)}</code>", f"<code>{points[:120]}</code>" if points else "ASCII"]
    cells.append(f"{one.target} <span class='place'>{text(one.target_label, 30)}</span>")
    if best is None:
        cells += ["not confirmed", "", ""]
    else:
        cells += [f"{best.hits} of {best.n}", f"{best.low:.0%} to {best.high:.0%}"]
        least = " in the one turned least" if one.untold else ""
        cells.append("none" if best.reference is None else f"{best.reference:.0%}{least}")
    cells.append(text(one.origin, 30))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _ground(attested: Attested) -> Iterator[str]:
    """What it depends on: digests and settings."""
    yield '<section class="quiet">\n<details><summary>What this rests on</summary>\n<table>\n<tbody>\n'
    for name, value in (*_flat("", attested.digests), *_flat("", attested.settings)):
        yield f"<tr><th>{text(name)}</th><td><code>{text(value, 300)}</code></td></tr>\n"
    yield "</tbody>\n</table>\n</details>\n</section>\n"


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in sorted(value.items()):
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    elif isinstance(value, (list, tuple)):
        yield prefix, ", ".join(map(str, value)) or "none"
    else:
        yield prefix, "none" if value is None else str(value)
