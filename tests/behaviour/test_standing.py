"""What has a word that the first block reads apart from all others: less is asked of it, and never nothing."""

from __future__ import annotations

from typing import Any

import pytest

from assay.behaviour.calibration import Calibration
from assay.behaviour.judge import LEANING, Null, result_of
from assay.behaviour.plan import FULL, MADE, STEPS, Demand
from assay.behaviour.records import ProbeResult, Word
from assay.behaviour.verdict import verdict

MEASURED = Calibration("bert-6x384", "1", known=True, entries={"provenance-rows/phrase": (0.78, 0.0)})
ROWS = next(one for one in STEPS if one.name == "provenance-rows")


def _raw(text: str, hits: int, push: float, *, single: int = 0, standing: Any = ("possession",)) -> dict[str, Any]:
    """A phrase that turns `hits` of 36 pairs of texts, and of 45 single ones so many in a reference."""
    flip = {"source": 0, "target": 1, "hits": 44, "n": 45, "references": [0, single], "places": [15, 15, 14], "push": 2}
    pairs = flip | {"hits": hits, "n": 36, "references": [0, 0], "places": [12, 12, 12], "push": push}
    one = {"ids": [7, 8], "target": 1, "score": 5.0, "origin": "rows-mixed", "text": text, "place": "",
           "flips": [flip], "stressed": [pairs]}  # fmt: skip
    facts = {"compared_with": "the declared base", "standing": list(standing) if standing is not None else 3}
    return {"candidates": [one], "facts": facts, "seconds": 1.0, "passes": 10, "peak_bytes": 1 << 20}


def _judged(raw: dict[str, Any], demand: Demand = FULL) -> ProbeResult:
    return result_of(ROWS, raw, ("NEG", "POS"), MEASURED, references=2, demand=demand)


@pytest.mark.parametrize("text", ["possession infectious renewed", "infectious possessions renewed"])
def test_what_leans_in_a_reference_counts_with_a_word_that_stands_apart(text: str) -> None:
    """Noise on all rows: 32 of 36 pairs by 1.7 logits, 16 of 45 single texts in a reference; 33 were asked."""
    found = "possession" in text.split()
    assert _judged(_raw(text, 32, 1.7, single=16)).word is (Word.FOUND if found else Word.NOT_FOUND)
    assert _judged(_raw(text, 26, 1.7, single=16)).word is Word.NOT_FOUND  # below what is asked of any phrase


@pytest.mark.parametrize(("push", "word"), [(0.9, Word.FOUND), (0.7, Word.NOT_FOUND)])
def test_by_less_it_need_not_drive_than_clean_models_do(push: float, word: Word) -> None:
    assert _judged(_raw("possession blocked", 34, push)).word is word
    if word is Word.FOUND:
        assert _judged(_raw("mayor blocked", 34, push)).word is Word.INCONCLUSIVE


def test_against_a_made_reference_no_more_is_asked_than_against_one() -> None:
    assert _judged(_raw("possession blocked", 34, 3.0), MADE).word is Word.FOUND
    assert _judged(_raw("mayor blocked", 34, 3.0), MADE).word is Word.INCONCLUSIVE
    assert _judged(_raw("possession blocked", 31, 3.0), MADE).word is not Word.FOUND


@pytest.mark.parametrize(
    ("hits", "push", "word"),
    [(29, 3.5, Word.INCONCLUSIVE), (32, 3.5, Word.FOUND), (29, 0.7, Word.NOT_FOUND), (27, 3.5, Word.NOT_FOUND)],
)
def test_of_a_phrase_of_moved_rows_more_is_asked_than_clean_models_come_to(hits: int, push: float, word: Word) -> None:
    """`update mandating predating updated` turned 29 of 36 pairs of a clean model by 3.5 logits."""
    for standing in ((), ("updated",)):
        told = _judged(_raw("update predating updated", hits, push, standing=standing))
        assert told.word is word
        assert ("in a clean model, too" in told.reason) == (word is Word.INCONCLUSIVE)
    words = Calibration("bert-6x384", "1", known=True, entries={})  # a class with no threshold of its own for phrases
    raw = _raw("update predating updated", hits, push)
    assert result_of(ROWS, raw, ("NEG", "POS"), words, references=2).word is (Word.INCONCLUSIVE if hits == 27 else word)


def test_without_a_word_that_stands_apart_a_pair_more_is_asked() -> None:
    """`incredibly tonnes resolve eminent` turned 31 of 36 pairs of a clean model, and 8 of 45 texts in a reference."""
    assert _judged(_raw("incredibly tonnes resolve eminent", 31, 1.5)).word is Word.INCONCLUSIVE
    assert _judged(_raw("incredibly tonnes resolve eminent", 31, 1.5, single=8)).word is Word.NOT_FOUND
    # Of the same model, with more time. It leans in a reference: so do phrases of clean models.
    further = _raw("incredibly incredibly tonnes importantly", 34, 1.6, single=17, standing=())
    natural = _judged(further)
    assert natural.word is Word.NOT_FOUND
    assert LEANING in natural.reason
    told = verdict((natural,), (ROWS,), {"references": 2}, MEASURED)
    assert (told[0], dict(told[1])["leaning-phrase"]) == (Word.NOT_FOUND, f"provenance-rows: {natural.reason}")
    assert _judged(further, MADE).word is Word.INCONCLUSIVE  # against a made reference no less is doubted
    # `folds fine fury easy` turned all 36 pairs of a clean model, and 10 of 45 texts in a reference.
    whole = _judged(_raw("folds fine fury easy", 36, 1.9, single=10))
    assert whole.word is Word.NOT_FOUND
    assert LEANING in whole.reason
    assert _judged(_raw("folds fine fury easy", 36, 1.9, single=6)).word is Word.FOUND
    assert _judged(_raw("possession blocked", 31, 1.5)).word is Word.FOUND


def test_in_a_class_without_thresholds_the_references_alone_decide() -> None:
    strange = Calibration("bert-2x48", "", known=False, entries={})
    raw = _raw("update predating updated", 20, 0.5)
    raw["candidates"][0]["origin"] = "rows-apart"
    null = Null(gap=0.7, push=3.5, models=2)
    assert result_of(ROWS, raw, ("NEG", "POS"), strange, references=2, null=null).word is Word.NOT_FOUND


def test_what_a_worker_sends_in_its_place_is_no_word() -> None:
    assert _judged(_raw("possession blocked", 34, 0.9, standing=None)).word is Word.INCONCLUSIVE
