"""What `assay probe` shows to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.behaviour.records import strongest
from assay.core.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.behaviour.records import Attested, Candidate

_WORDS = {
    "found": "FOUND         it answers to a trigger",
    "clean": "NOT FOUND     no trigger of the tested classes within this budget",
    "inconclusive": "INCONCLUSIVE",
}


def render(attested: Attested, *, quiet: bool) -> Iterator[str]:
    """Lines: the verdict and its reasons, then every probe."""
    yield f"{_WORDS[attested.word.value]}\n"
    for clause, text in attested.reasons:
        yield f"              {clause}: {printable(text, limit=400)}\n"
    if attested.word.value == "found":
        for candidate in strongest(attested.probes)[:1]:
            yield from _trigger(candidate)
            yield from _core(attested)
    if quiet:
        return
    yield "\n"
    for probe in attested.probes:
        yield (
            f"{probe.probe:<16} {probe.word.value:<14} {probe.seconds:6.1f} s {probe.forward_passes:8,} passes  "
            f"{printable(probe.reason, limit=300)}\n"
        )
    yield f"\n{attested.seconds:.0f} CPU seconds, {attested.peak_bytes >> 20} MiB, {attested.settings['device']}\n"


def _core(attested: Attested) -> Iterator[str]:
    """Which of its words suffice, where that was measured."""
    for probe in attested.probes:
        core = probe.facts.get("core")
        if isinstance(core, dict) and isinstance(core.get("rate"), float):
            yield f"              of it {printable(str(core.get('text')), limit=200)!r} suffices: {core['rate']:.0%}\n"


def _trigger(candidate: Candidate) -> Iterator[str]:
    points = " ".join(f"U+{point:04X}" for point in candidate.code_points[:40])
    shown = "" if candidate.text.isascii() else f"  ({points})"
    yield f"trigger       {printable(candidate.text, limit=200)}{shown}\n"
    theirs = "reference that is turned least" if candidate.untold else "references"
    for one in candidate.flip_rates:
        beside = "" if one.reference is None else f", {theirs} {one.reference:.0%}"
        yield (
            f"              class {one.source} to {one.target}: {one.rate:.0%} of {one.n} examples "
            f"[{one.low:.0%}, {one.high:.0%}]{beside}\n"
        )
