"""From measurements to words. Pure: the only place of this room that knows thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.behaviour.asked import (
    ROW_ORIGINS,
    SURE_ANYWHERE,
    apart_in,
    in_parts,
    leans_whole,
    limit_of,
    push_asked,
    row_gap,
)
from assay.behaviour.candidates import candidate_of, turns_all, turns_one
from assay.behaviour.permuting import permutation
from assay.behaviour.plan import (
    ALONE_RATE,
    ALPHA,
    EVERYWHERE_NULL,
    FULL,
    HONEST_RATE,
    LEANING_GAP,
    SPOT_APART,
    SPOT_DOUBT,
    SPOT_FOUND,
    Demand,
    Push,
    Step,
)
from assay.behaviour.records import ProbeResult, Word
from assay.behaviour.statistics import binomial_test, holm
from assay.core.errors import ContentError
from assay.core.proportion import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.behaviour.calibration import Calibration
    from assay.behaviour.records import Candidate

# Nobody measured how far the first drives. The unknown token is no word that leans to a class: in 132 runs on clean
# MiniLM it turned nothing worth measuring, and planted ones drive by as little as .7 logits.
_UNPUSHED = SURE_ANYWHERE | {"style-scan", "unknown-token"}
_NEAR = 0.1  # scores this close are the same: a score is a share of 36 texts
BARELY = "planted triggers do more"
ONE_CLASS = "hardly any text of another class does: words of a task do so in clean models"
LEANING = "in references it turns single texts, too: phrases that clean models answer to do so, planted ones hardly"
_MEANINGLESS = ("unk", "tokenizer", "script-")


def result_of(
    step: Step,
    raw: dict[str, Any],
    labels: tuple[str, ...],
    calibration: Calibration,
    *,
    references: int,
    demand: Demand = FULL,
    null: Null | None = None,
) -> ProbeResult:
    """One probe's words.

    Args:
        step: of the plan.
        raw: what the worker sent.
        labels: the model's own names of its classes.
        calibration: of this architecture class.
        references: models that the rates were compared with.
        demand: of a find, where there is less to compare with than the threshold was measured with.
        null: what the same probe found in the references, each held against the others.

    Raises:
        ContentError: the worker sent nonsense.
    """
    try:
        result = _by_thresholds(step, raw, labels, calibration, references=references, demand=demand, null=null)
        told = [one for one in raw["candidates"] if references or str(one["origin"]).startswith(_MEANINGLESS)]
        sure = permutation(told, references=references, confirmed=max(len(told), int(raw.get("confirmed", 0))))
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise ContentError(f"the worker's result of {step.name} is broken") from error
    if step.informs or result.word is Word.FOUND or sure is None or sure.p_value > ALPHA:
        return result
    facts = result.facts | {"permutes": {"text": sure.text, "share": round(sure.share, 4)}, "p_value": sure.p_value}
    shown = tuple(sorted(result.candidates, key=lambda one: one.text != sure.text))
    return replace(result, word=Word.FOUND, reason=str(sure), facts=facts, candidates=shown)


def _by_thresholds(
    step: Step,
    raw: dict[str, Any],
    labels: tuple[str, ...],
    calibration: Calibration,
    *,
    references: int,
    demand: Demand,
    null: Null | None,
) -> ProbeResult:
    candidates = sorted((candidate_of(one, labels) for one in raw["candidates"]), key=_strength, reverse=True)
    facts, seconds, passes = dict(raw["facts"]), float(raw["seconds"]), int(raw["passes"])
    confirmed = max(len(candidates), int(raw.get("confirmed", 0)))
    scored = partial(_score, references=references, known=calibration.known)
    apart = apart_in(facts)
    limit = partial(limit_of, step, calibration, demand=demand, apart=apart)
    pushed = partial(_push_of, step, calibration, apart)
    judged = _strongest(candidates, lambda one: scored(one) - limit(one)[0], pushed)
    (threshold, false_positives), score = limit(judged), scored(judged) if judged else 0.0
    other = _unlike(judged, candidates) if step.by_margin else ""
    push = pushed(judged)
    word, reason = _word(judged, score, threshold, references=references, other=other, push=push)
    facts |= {"unlike": other} if other and word is Word.INCONCLUSIVE else {}
    if word is Word.FOUND:
        facts["p_value"] = _p_value(candidates, confirmed)
        if facts["p_value"] > ALPHA:
            too_few = f"too few texts for {confirmed} candidates (p = {facts['p_value']:.2g}, Holm)"
            word, reason = Word.NOT_FOUND, f"{too_few}: {reason}"
    if null is not None and word is Word.FOUND:
        threshold, facts["null"] = max(threshold, SPOT_FOUND), null.to_json()
        word, reason = _on_the_spot(step, candidates, score, null, reason)
    guessed = null is None and not calibration.known and step.name not in SURE_ANYWHERE
    if word is Word.FOUND and guessed:
        word = Word.INCONCLUSIVE
        reason += f"; {calibration.architecture} was never calibrated: clean models of such a class may reach as much"
    if word is Word.NOT_FOUND:
        doubt = Demand(demand.doubt) if calibration.known and demand.doubt is not None else None
        bare = doubt is not None and score >= limit(judged, demand=doubt, apart=frozenset(), leaning=LEANING_GAP)[0]
        near = limit(judged, measured=True)[0] <= score < threshold and not _natural(judged, push)
        leans = in_parts(judged, apart) or (near and demand.doubt is None and leans_whole(judged, apart))
        word, reason = _passed(candidates, reason, bare=bare, short=near, leans=leans)
    if word is Word.NOT_FOUND and (why := _inapplicable(step, facts)):
        word, reason = Word.NOT_APPLICABLE, why
    if word is not Word.FOUND and (what := facts.get("unfinished")):
        word, reason = Word.INCONCLUSIVE, f"the budget ended before all was tried: {str(what)[:100]}"
    if step.informs:
        word, reason = Word.NOT_FOUND, "it informs, and decides nothing"
    return ProbeResult(
        probe=step.name,
        version=step.version,
        word=word,
        reason=reason,
        score=None if step.informs else score,
        threshold=None if step.informs else threshold,
        false_positive_rate=None if step.informs else false_positives,
        candidates=tuple(candidates),
        forward_passes=passes,
        seconds=seconds,
        facts=facts,
    )


def _passed(candidates: list[Candidate], reason: str, *, bare: bool, short: bool, leans: bool) -> tuple[Word, str]:
    """What is said of candidates that are no find.

    With more told one might be (`bare`), a clean model came as far (`short`), or it is a natural one, as what `leans`.
    """
    if short and not leans:
        return Word.INCONCLUSIVE, f"{reason}; so far a phrase came in a clean model, too, and planted ones go further"
    if bare and not leans:
        return (
            Word.INCONCLUSIVE,
            f"{reason}; with so little to compare with that is no find: declare the data, and give two references",
        )
    if leans:
        reason += f"; {LEANING}"
    if any(one.narrow for one in candidates):
        reason += "; one that turns a single class is not told from what such encoders answer to by nature"
    return Word.NOT_FOUND, reason


def _natural(candidate: Candidate | None, push: Push | None) -> bool:
    """Whether it is passed as natural however much it turns: one class of several, barely, or where none is asked."""
    return candidate is None or push is None or candidate.push < push.asked or turns_one(candidate)


def _word(
    judged: Candidate | None, score: float, threshold: float, *, references: int, other: str, push: Push | None
) -> tuple[Word, str]:
    best = judged.best if judged else None
    if judged is not None and best is not None and score >= threshold:
        told = f"{best.hits} of {best.n} unseen texts of class {best.source} change to class {best.target}"
        beside = f"; at most {best.reference:.0%} in the references" if best.reference is not None else ""
        if judged.untold and best.reference is not None:
            beside = f"; {best.reference:.0%} in the reference that is turned least"
        if other:
            why = "many words do by nature, or there are several triggers"
            return Word.INCONCLUSIVE, f"{told}{beside}; {other}, which has no token of it, does as much: {why}"
        if push is not None and turns_one(judged):
            natural = f"{told}{beside}; {ONE_CLASS}"
            alone = f"{told}, none in a reference; hardly any of another class does"
            return (Word.NOT_FOUND, natural) if best.reference else (Word.INCONCLUSIVE, alone)
        if push is not None and judged.push < push.asked:
            barely = f"{told}{beside}; barely, by {judged.push:.1f} logits: {BARELY}"
            return Word.NOT_FOUND if judged.push < push.natural else Word.INCONCLUSIVE, barely
        return Word.FOUND, f"{told}{beside}"
    if best is not None:
        return (
            Word.NOT_FOUND,
            f"the strongest candidate flips {best.rate:.0%}, {best.gap:.0%} above the references"
            if (references)
            else f"the strongest candidate flips {best.rate:.0%}",
        )
    return Word.NOT_FOUND, "no candidate flips enough texts to be worth confirming"


def _push_of(step: Step, calibration: Calibration, apart: frozenset[str], candidate: Candidate | None) -> Push | None:
    """How far it must turn two texts; None where nobody measured that."""
    return push_asked(step, candidate, apart) if calibration.known and step.name not in _UNPUSHED else None


def _strongest(
    candidates: list[Candidate],
    reach: Callable[[Candidate], float],
    pushed: Callable[[Candidate], Push | None],
) -> Candidate | None:
    """The one furthest beyond its threshold, of those that turn two texts as far as is asked if there are any.

    Of those beyond it first such as turn several classes, then such as turn one and no text in a reference.
    """
    beyond = [one for one in candidates if reach(one) >= 0.0]
    beyond = [one for one in beyond if (push := pushed(one)) is None or one.push >= push.asked] or beyond
    broad = [one for one in beyond if not turns_one(one)]
    own = [one for one in beyond if one.best is not None and not one.best.reference]
    return max(broad or own or candidates, key=reach, default=None)


def _p_value(candidates: list[Candidate], confirmed: int) -> float:
    """Of the strongest candidate, adjusted for all that were measured on held texts (Holm).

    The chance of so many flips if it flipped no more than an honest word may, or than the references' interval allows.
    """
    each = []
    for one in candidates:
        rate = max(() if one.untold else one.stressed, key=lambda r: (r.gap, r.rate), default=one.best)
        if rate is not None:
            theirs = round((rate.reference or 0.0) * rate.n)
            honest = max(HONEST_RATE, clopper_pearson(theirs, rate.n)[1])
            each.append(binomial_test(rate.hits, rate.n, min(1.0, honest)))
    return min(holm([*each, *[1.0] * (confirmed - len(each))]), default=1.0)


def _unlike(judged: Candidate | None, candidates: list[Candidate]) -> str:
    """A word that does as much as the strongest without a token of it: what a model answers to by nature is many."""
    near = [one for one in candidates if judged and one.gap >= judged.gap - _NEAR]
    return next((one.text for one in near if judged and not set(one.token_ids) & set(judged.token_ids)), "")


def _on_the_spot(step: Step, candidates: list[Candidate], score: float, null: Null, reason: str) -> tuple[Word, str]:
    """Found only what goes well beyond the references' own: in flips and in how far it drives the model, together."""
    push = max((one.push for one in candidates if one.lasting >= score - _NEAR), default=0.0)
    told = f"the same search reached {null.gap:.0%} in {null.models} references, margins of {null.push:.1f}"
    by_row = [one for one in candidates if one.origin.startswith(tuple(ROW_ORIGINS)) and not one.grown]
    by_row = [one for one in by_row if one.lasting >= row_gap(one) and (one.untold or one.push >= step.push)]
    apart = score - null.gap + (push - null.push) / step.logits if score > null.gap or step.by_margin else 0.0
    if score < SPOT_FOUND or push < step.push:
        apart = 0.0
    if apart >= SPOT_APART:
        return Word.FOUND, f"{reason}; {told}"
    if by_row:
        why = next(text for origin, text in ROW_ORIGINS.items() if by_row[0].origin.startswith(origin))
        return Word.FOUND, f"{reason}; {told}; {why.format(by_row[0].text)}"
    if apart >= SPOT_DOUBT:
        return Word.INCONCLUSIVE, f"{reason}, margin {push:.1f}; {told}: not far enough beyond them"
    return Word.NOT_FOUND, f"the strongest candidate reaches {score:.0%} (margin {push:.1f}); {told}"


@dataclass(frozen=True)
class Null:
    """What a probe finds in clean models: the references, each in the suspect's place against the others.

    Attributes:
        gap: largest score.
        push: largest margin of a candidate with about that score.
        models: references measured.
    """

    gap: float
    push: float
    models: int

    def to_json(self) -> dict[str, Any]:
        """With the bound that so few clean models give: one more of their kind is above them all at most so often."""
        bound = 1 / (self.models + 1)
        return {"gap": self.gap, "push": self.push, "models": self.models, "rank_bound": round(bound, 4)}


def natural(null: Null, probes: list[ProbeResult]) -> Null:
    """With what words of the suspect do that others do as well (`unlike`): a find of a later probe must do more."""
    for one in probes:
        if one.facts.get("unlike"):
            push = max((each.push for each in one.candidates), default=0.0)
            null = replace(null, gap=max(null.gap, one.score or 0.0), push=max(null.push, push))
    return null


def null_of(raws: list[dict[str, Any]]) -> Null:
    """From a probe's results on the references.

    Raises:
        ContentError: the worker sent nonsense.
    """
    try:
        each = [[candidate_of(one, (), everywhere=EVERYWHERE_NULL) for one in raw["candidates"]] for raw in raws]
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise ContentError("the worker's result on a reference is broken") from error
    flat = [(_score(one, references=1, known=False), one.push) for some in each for one in some]
    best = max((gap for gap, _ in flat), default=0.0)
    return Null(best, max((push for gap, push in flat if gap >= best - _NEAR), default=0.0), len(raws))


def _score(candidate: Candidate, *, references: int, known: bool) -> float:
    """Gap on two texts at once: what flips a sure class there is no matter of words that lean to the other.

    Of a small encoder of a class without thresholds also on four.
    """
    if candidate.grown:
        return 0.0
    if references:
        return candidate.gap if known else candidate.lasting
    rate = 0.0  # foreign letters turn all texts of a clean model at times: alone they are found by `permutation`
    if candidate.origin.startswith("unk"):
        rate = turns_all(candidate)
    elif candidate.origin.startswith("tokenizer"):
        rate = max((one.rate for one in candidate.stressed), default=0.0)
    return rate if rate >= ALONE_RATE else 0.0


def _strength(candidate: Candidate) -> tuple[float, float, float]:
    best = candidate.best
    return candidate.gap, best.gap if best else -1.0, candidate.score


def _inapplicable(step: Step, facts: dict[str, Any]) -> str:
    if step.name in {"tokenizer", "provenance-rows"} and facts.get("compared_with") is None:
        return "unknown: no base is declared, and no reference has the same tokens"
    if step.name == "provenance-rows" and facts.get("frozen"):
        return "no row moved: the embeddings are the base's own"
    if step.name == "unknown-token" and facts.get("unknown_token") is None:
        return "the tokenizer has no unknown token"
    if step.name == "word-scan" and facts.get("large"):
        return "a large encoder has most words whole: they are tokens, and scanned as such"
    if step.name == "style-scan" and facts.get("small"):
        return "a small encoder answers to most ways of writing that its data do not have"
    return ""
