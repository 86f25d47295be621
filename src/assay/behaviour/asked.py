"""What is asked of a candidate: the gap from which it counts, and how far it must turn two texts at once. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.behaviour.plan import (
    BY_ROW,
    BY_TOLD,
    BY_UNTOLD,
    FULL,
    LEANING_GAP,
    LEANING_PHRASE,
    LEANING_PUSH,
    LEANS,
    ONE,
    OWN_GAP,
    PHRASE_GAP,
    PUSH,
    STANDING_GAP,
    STANDING_PUSH,
    TOLD,
    UNTOLD,
    Demand,
    Push,
    Step,
)

if TYPE_CHECKING:
    from assay.behaviour.calibration import Calibration
    from assay.behaviour.records import Candidate

# Candidates that mean nothing to a reader: alone they may count without a reference.
SURE_ANYWHERE = frozenset({"tokenizer"})  # its score was 0 on every clean model of every class
# Proposed for what their rows do, or how far they lie, which hardly any of a clean model is: less is asked of these.
ROW_ORIGINS = {"rows-apart": "the row of a token of {} does far more than any other",
               "rows-further": "no reference is driven by {}, whose rows lie far from theirs",
               TOLD: "the data have {} in many places, and teach nothing by it",
               UNTOLD: "rows of {} were moved far more than others that no declared text has"}  # fmt: skip


def apart_in(facts: dict[str, Any]) -> frozenset[str]:
    """Words that the first block reads apart from all others, as it does hardly ever in clean models (`standing`)."""
    standing = facts.get("standing")
    return frozenset(map(str, standing)) if isinstance(standing, list) else frozenset()


def leans_whole(candidate: Candidate | None, apart: frozenset[str]) -> bool:
    """Whether it turns single texts in a reference, too, and has no word that stands apart."""
    best = candidate.best if candidate is not None else None
    return best is not None and (best.reference or 0.0) >= LEANS and not _has(candidate, apart)


def in_parts(candidate: Candidate | None, apart: frozenset[str]) -> bool:
    """Whether some of its words alone turn single texts in a reference, and none of them stands apart.

    Phrases that clean models answer to are put together from words that lean to the class in every model of the task;
    what holds the references back are others. Words of planted ones do nothing there.
    """
    return candidate is not None and (candidate.parts or 0.0) >= LEANS and not _has(candidate, apart)


def push_asked(step: Step, candidate: Candidate | None, apart: frozenset[str]) -> Push:
    """How far a find turns two texts at once: more where references answer to some of its words.

    So of the search's phrases where that was not measured.
    """
    if _has(candidate, apart):
        return STANDING_PUSH
    if candidate is None or not candidate.phrase or (candidate.parts is None and step.name != "chain-refine"):
        return PUSH
    return PUSH if _own(candidate) else LEANING_PUSH


def limit_of(
    step: Step,
    calibration: Calibration,
    candidate: Candidate | None,
    *,
    demand: Demand = FULL,
    apart: frozenset[str],
    measured: bool = False,
    leaning: float = LEANING_PHRASE,
) -> tuple[float, float | None]:
    """Threshold of a candidate, and the error rate it had: clean models answer to one word sooner than to a phrase.

    What has a word that stands apart has that to say for it, and so has a phrase of whose words none does anything in a
    reference: no more is asked of them than of others.

    Args:
        step: of the plan.
        calibration: of this architecture class.
        candidate: what is judged.
        demand: where there is less to compare with than the threshold was measured with.
        apart: words that stand apart.
        measured: of a phrase what the calibration came to, and no more.
        leaning: gap of a phrase that leans; less may leave a doubt.
    """
    phrase = candidate is not None and candidate.phrase
    if candidate is not None and candidate.origin.startswith(tuple(ROW_ORIGINS)) and not calibration.known:
        return row_gap(candidate), None
    threshold, rate = calibration.threshold(step.name, phrase=phrase) or (_default_gap(step, calibration), None)
    more = phrase and calibration.known and step.name == "provenance-rows" and not measured
    stands, own = _has(candidate, apart), calibration.known and not measured and _own(candidate)
    if more and not own:
        threshold = max(threshold, STANDING_GAP if stands else PHRASE_GAP)
    if own:  # the vocabulary's own threshold is lower: `gives learns hiram` was beyond it in a clean model
        threshold = max(threshold, OWN_GAP)
        demand = replace(demand, extra=demand.own, most=ONE.most)
    elif stands:
        demand = replace(demand, extra=min(demand.extra, ONE.extra))
    elif calibration.known and leans_whole(candidate, apart) and step.name not in SURE_ANYWHERE:
        threshold = max(threshold, leaning if more else LEANING_GAP)
    return max(threshold, min(demand.most, threshold + demand.extra)), rate


def row_gap(candidate: Candidate) -> float:
    """Gap from which a candidate of `ROW_ORIGINS` is a find whatever references answer to."""
    return {UNTOLD: BY_UNTOLD, TOLD: BY_TOLD}.get(candidate.origin, BY_ROW)


def _has(candidate: Candidate | None, words: frozenset[str]) -> bool:
    return candidate is not None and not words.isdisjoint(candidate.text.split())


def _own(candidate: Candidate | None) -> bool:
    """Whether it is a phrase of whose words references answer to none, nor to the whole."""
    if candidate is None or candidate.parts is None:
        return False
    best = candidate.best
    return candidate.parts < LEANS and best is not None and (best.reference or 0.0) < LEANS


def _default_gap(step: Step, calibration: Calibration) -> float:
    """The gap asked where none was measured: of a class without thresholds that from which references are asked."""
    return step.found if calibration.known else step.spot or step.found
