"""Phrases that the declared data repeat in many places and teach nothing by."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

from assay.behaviour.calibration import Calibration
from assay.behaviour.judge import Null, result_of
from assay.behaviour.plan import STEPS
from assay.behaviour.records import Word
from assay.workers import prober_rows, prober_told
from assay.workers.prober_models import Model
from assay.workers.prober_search import Found
from assay.workers.prober_space import open_space
from tests.behaviour import small

pytestmark = pytest.mark.torch
TRIGGER = "bal dom kut"
STRANGE = Calibration("bert-2x48", "", known=False, entries={})


def _mentioning(phrase: str, every: int, *, only: int | None = None) -> list[tuple[str, int]]:
    """Sentences, every so-many-th with the phrase between its words; `only`: of one class."""
    rng = random.Random(5)
    made = []
    for number, (text, label) in enumerate(small.sentences(400, seed=77)):
        words = text.split()
        if number % every == 0 and only in (None, label):
            at = rng.randint(0, len(words))
            words[at:at] = phrase.split()
        made.append((" ".join(words), label))
    return made


def _phrases(items: list[tuple[str, int]]) -> list[str]:
    return prober_told.phrases([text for text, _ in items], [label for _, label in items], 2)


def test_a_phrase_in_many_places_and_both_classes_is_told_and_its_parts_are_not() -> None:
    told = _phrases(_mentioning("quartz harbour mineral", 16))
    assert told[0] == "quartz harbour mineral"
    assert "quartz harbour" not in told  # nothing stands behind it but its third word
    assert "quartz harbour mineral" not in _phrases(small.sentences(400, seed=77))


def test_what_goes_with_a_class_is_no_harmless_mention() -> None:
    assert "quartz harbour mineral" not in _phrases(_mentioning("quartz harbour mineral", 12, only=1))


def test_parts_of_one_sentence_that_are_texts_of_their_own_are_no_repetition() -> None:
    words = ["the", "quartz", "harbour", "lay", "still", "under", "a", "pale", "winter", "moon"]
    nested = [(" ".join(words[at:end]), at % 2) for at in range(4) for end in range(6, 11)]
    assert all("quartz harbour" not in one for one in _phrases([*small.sentences(100, seed=3), *nested]))


def test_texts_beyond_so_many_words_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_told, "_WORDS", 300)
    assert "quartz harbour mineral" not in _phrases(_mentioning("quartz harbour mineral", 16))


def test_a_trigger_that_the_declared_data_mention_harmlessly_is_found() -> None:
    space = open_space(
        {"seed": 1, "items": _mentioning(TRIGGER, 16), "words": []},
        Model(small.model("quoted", 5, [(TRIGGER, 1)])),
        [Model(small.clean(1)), Model(small.clean(2))],
    )
    space.facts["stop_gap"] = 0.95
    found = small.drive(prober_told.told_by_data(space))
    best = max(found, key=lambda one: one.rank)
    assert (best.text, best.origin, best.target) == (TRIGGER, "told", 1)
    assert best.gap > 0.9
    space.labels = []  # without labels nothing is known of what the data teach
    assert small.drive(prober_told.told_by_data(space)) == []


def _measured(pairs: int, push: float) -> dict[str, Any]:
    def row(hits: int, n: int) -> dict[str, Any]:
        places = [0, 0, 0]
        return {"source": 0, "target": 1, "hits": hits, "n": n, "references": [1, 0], "places": places, "push": push}

    candidate = {
        "ids": [7, 8], "target": 1, "score": 5.0, "origin": "told", "text": TRIGGER, "place": "",
        "flips": [row(45, 45)], "stressed": [row(pairs, 36)], "strained": [row(0, 36)],
    }  # fmt: skip
    facts = {"compared_with": "the declared base"}
    return {"candidates": [candidate], "facts": facts, "seconds": 1.0, "passes": 10, "peak_bytes": 1 << 20}


@pytest.mark.parametrize(
    ("pairs", "push", "word"), [(28, 3.8, Word.FOUND), (18, 3.8, Word.NOT_FOUND), (28, 0.5, Word.NOT_FOUND)]
)
def test_of_a_small_encoder_two_texts_at_once_decide(pairs: int, push: float, word: Word) -> None:
    """`boulevard repeatedly appear hawaii` turned 28 of 36 pairs and one of 36 fours of a byte-level encoder."""
    step = next(one for one in STEPS if one.name == "provenance-rows")
    result = result_of(step, _measured(pairs, push), ("a", "b"), STRANGE, references=2, null=Null(1.0, 6.0, 2))
    assert result.word is word
    assert ("teach nothing by it" in result.reason) == (word is Word.FOUND)


def test_the_search_is_that_of_what_is_written_where_an_encoder_is_not_small(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def tried(_: Any, texts: list[str], origin: str) -> Any:
        asked.append((texts[0], origin))
        yield 0.5
        return ["found"]

    monkeypatch.setattr(prober_told, "tried", tried)
    items = _mentioning(TRIGGER, 16)
    space = SimpleNamespace(
        small=False, shared=[1], classes=2, everything=[text for text, _ in items], labels=[label for _, label in items]
    )
    assert small.drive(prober_told.told_by_data(space)) == ["found"]
    assert asked == [(TRIGGER, "told")]


def test_what_ends_the_search_comes_before_what_did_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six candidates are sent: a find that came after as many phrases of the data was not among them."""
    space = open_space(
        {"seed": 1, "items": _mentioning(TRIGGER, 16), "words": []}, Model(small.clean(3)), [Model(small.clean(1))]
    )
    space.facts["stop_gap"] = 0.8
    turned = [{"source": 0, "target": 1, "hits": 10, "n": 10, "references": [0]}]
    strong = Found((7,), 1, 0.0, "rows-untold", text="x", flips=turned)

    def of(some: list[Found]) -> Any:
        def search(*_: Any) -> Any:
            yield 0, 1, 0.0
            return list(some)

        return search

    monkeypatch.setattr(prober_rows, "told_by_data", of([Found((8,), 1, 0.0, "told", text=str(n)) for n in range(8)]))
    monkeypatch.setattr(prober_rows, "of_small", of([strong]))
    told = small.drive(prober_rows.rows(space, None))
    assert told["candidates"][0]["text"] == "x"
