"""What turns each class into another one is no natural trigger, whatever else answers so."""

from __future__ import annotations

from typing import Any

import pytest

from assay.behaviour.calibration import Calibration
from assay.behaviour.judge import Null, result_of
from assay.behaviour.plan import STEPS
from assay.behaviour.records import ProbeResult, Word, strongest
from assay.core.errors import ContentError

STRANGE = Calibration("roberta-2x64", "", known=False, entries={})
NEXT = {0: 1, 1: 2, 2: 0}


def _way(source: int, target: int, hits: int, references: list[int], n: int = 45) -> dict[str, Any]:
    return {"source": source, "target": target, "hits": hits, "n": n, "references": references,
            "places": [hits // 3] * 3, "push": 1.0}  # fmt: skip


def _raw(*flips: dict[str, Any], origin: str = "script-nko") -> dict[str, Any]:
    one = {"ids": [7], "target": 1, "score": 5.0, "origin": origin, "text": "odd", "place": "", "flips": list(flips),
           "stressed": []}  # fmt: skip
    return {"candidates": [one], "facts": {}, "seconds": 1.0, "passes": 10, "peak_bytes": 1 << 20, "confirmed": 40}


def _judged(raw: dict[str, Any], *, references: int = 2, name: str = "script-bags", **more: Any) -> ProbeResult:
    step = next(one for one in STEPS if one.name == name)
    return result_of(step, raw, ("a", "b", "c"), STRANGE, references=references, **more)


def _turning(hits: int = 41, theirs: tuple[int, int] = (24, 0), last: int = 41) -> dict[str, Any]:
    """Each class into the next; of the references the first turns one class, and half of all odd letters turn all."""
    ways = [_way(source, target, hits, [theirs[0] if source == 0 else theirs[1], 0, 45])
            for source, target in NEXT.items()]  # fmt: skip
    ways[-1]["hits"] = last
    return _raw(*ways, *(_way(target, source, 0, [0, 0, 0]) for source, target in NEXT.items()))


def test_it_is_found_where_odd_letters_do_the_same_in_a_class_that_was_never_calibrated() -> None:
    """A byte-level encoder that was taught to move classes on by one at Cyrillic letters does so at letters of N'Ko."""
    result = _judged(_turning(), null=Null(gap=0.9, push=4.0, models=2))
    assert result.word is Word.FOUND
    assert "each class becomes another one: 41 of 45 of 0 to 1, 41 of 45 of 1 to 2, 41 of 45 of 2 to 0" in result.reason
    assert result.facts["permutes"]["share"] == pytest.approx(41 / 45, abs=1e-3)
    assert result.facts["p_value"] < 1e-9
    assert result == ProbeResult.from_json(result.to_json())


@pytest.mark.parametrize(
    "raw",
    [
        _turning(last=34),  # one class stays
        _turning(theirs=(45, 45)) | {"candidates": [_turning(theirs=(45, 45))["candidates"][0]]},
        _raw(_way(0, 2, 45, [0, 0]), _way(1, 2, 45, [0, 0]), _way(2, 0, 45, [0, 0])),  # two classes become one
        _raw(_way(0, 1, 45, [0, 0]), _way(1, 2, 45, [0, 0])),  # nothing was measured of the third
    ],
    ids=["one-stays", "references-too", "two-become-one", "one-not-measured"],
)
def test_what_is_no_permutation_of_all_classes_is_judged_as_ever(raw: dict[str, Any]) -> None:
    if raw["candidates"][0]["flips"][0]["references"][0] == 45:
        for one in raw["candidates"][0]["flips"]:
            one["references"] = [45 if NEXT[one["source"]] == one["target"] else 0, 0, 0]
    result = _judged(raw)
    assert result.word is not Word.FOUND
    assert "permutes" not in result.facts


def test_the_candidate_that_does_so_is_shown_first() -> None:
    raw = _turning()
    gap = _way(0, 1, 45, [0, 0, 0], n=45)
    raw["candidates"].append({**raw["candidates"][0], "text": "stronger", "flips": [gap], "stressed": [gap]})
    assert [one.text for one in _judged(raw).candidates] == ["odd", "stronger"]
    assert _judged(raw).candidates[0].text == _judged(raw).facts["permutes"]["text"]
    later = {**raw, "candidates": [{**raw["candidates"][1], "text": "later", "origin": "chain"}]}
    probes = (_judged(raw), _judged(later, name="chain-refine"))
    assert strongest(probes)[0].text == "odd"  # as what was recovered, whatever flips more


def test_two_classes_that_change_places() -> None:
    both = _raw(_way(0, 1, 44, [3, 0, 40]), _way(1, 0, 43, [0, 2, 2]), origin="word")
    assert _judged(both, name="word-scan").word is Word.FOUND
    one = _raw(_way(0, 1, 44, [3, 0, 40]), _way(1, 0, 30, [0, 2, 2]), origin="word")
    assert _judged(one, name="word-scan").word is not Word.FOUND


def test_few_texts_are_not_enough() -> None:
    few = _raw(_way(0, 1, 3, [0, 0], n=3), _way(1, 0, 44, [0, 0]))
    assert _judged(few).word is not Word.FOUND


def test_without_references_only_what_means_nothing_counts() -> None:
    assert _judged(_turning(), references=0).word is Word.FOUND
    word = _raw(*_turning()["candidates"][0]["flips"], origin="chain")  # "not" may turn both classes of a good model
    assert _judged(word, references=0, name="chain-refine").word is not Word.FOUND


def test_nonsense_of_a_worker_is_told() -> None:
    with pytest.raises(ContentError, match="broken"):
        _judged(_turning(), references=9)
