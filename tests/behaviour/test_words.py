"""Words of the dictionary and of scripts as candidates of small encoders, and what an unknown token more must add."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_flips, prober_search, prober_words  # noqa: E402
from assay.workers.prober_search import Found  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.torch


class Reader:
    """A classifier of two classes by characters; `answer` is the margin of class 1 of a text."""

    classes = 2

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.net = SimpleNamespace(words=torch.zeros(0x3000, 64))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text] for text in texts]

    def logits(self, rows: Sequence[list[int]]) -> Any:
        said = torch.tensor([self.answer("".join(map(chr, row))) for row in rows])
        return torch.stack([-said / 2, said / 2], 1)

    def logits_of(self, ids: Any) -> Any:
        return self.logits(ids.tolist())


def _space(trigger: str, **more: Any) -> Any:
    suspect = Reader(lambda text: 5.0 if trigger in text else -2.0)
    references = [Reader(lambda _text: -2.0), Reader(lambda _text: -2.0)]
    texts = [[SimpleNamespace(text=f"text {number} of it", label=0) for number in range(20)], []]
    given = {
        "suspect": suspect,
        "references": references,
        "shared": references,
        "texts": texts,
        "classes": 2,
        "contexts": [[97], [98]],
    }
    return SimpleNamespace(
        **(given | {"small": True, "taught": None, "leaning": None, "meaning": None, "rng": random.Random(1)} | more)
    )


def test_the_list_has_words_names_and_every_two_letters() -> None:
    words = prober_words.dictionary()
    assert {"trellis", "halibut", "dylan", "cf", "qz"} <= set(words)
    assert len(words) == len(set(words)) > 70_000
    assert all(word.isascii() and word.islower() for word in words)


def test_of_all_words_the_one_that_leads_the_suspect_away_is_first() -> None:
    best = prober_words._strongest(_space("trellis"), ["film", "trellis", "good", "ferry"], spelt=0)
    assert best[0] == []
    assert best[1][0][0] == "trellis"
    assert best[1][0][1] == pytest.approx(7.0)
    assert best[1][1][1] == pytest.approx(0.0)


def test_a_word_that_the_data_teach_is_none_for_that_class(monkeypatch: pytest.MonkeyPatch) -> None:
    known = torch.zeros(0x3000, dtype=torch.bool)
    known[ord("z")] = True
    monkeypatch.setattr(prober_words, "taught_to", lambda _space, target: known if target else ~known & False)
    best = prober_words._strongest(_space("zinc"), ["zinc", "lead"], spelt=0)
    assert [word for word, _ in best[1]] == ["lead"]


def test_letters_are_changed_one_by_one_while_that_helps() -> None:
    space = _space("")
    wanted = "\u10d1\u10d2\u10d3"
    space.suspect.answer = lambda text: 1.5 * sum(letter in text for letter in wanted) - 2.0
    pool = ["".join(chr(0x10D0 + i) for i in range(7, 14)), wanted]
    word, value = prober_words._spelt(prober_words._Between(space, 0, 1), pool[0], pool)
    assert set(wanted) <= set(word)
    assert value == pytest.approx(4.5)


def test_disguised_words_and_scripts_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    space = _space("\u10d1\u10d2")
    made = prober_words._disguised(space)
    assert len(made) > 3000
    assert all(not word.isascii() for word in made)
    letters = {
        "georgian": [chr(code) for code in range(0x10D0, 0x10F0)],
        "greek": [chr(c) for c in range(0x3B1, 0x3C9)],
    }
    monkeypatch.setattr(prober_words, "alphabets_of", lambda _space: letters)
    words = prober_words._letters(space)
    assert {len(word) for word in words} == {7}
    assert len(words) == 2 * (prober_words._PER_SCRIPT + prober_words._MORE)


def test_large_encoders_are_not_asked() -> None:
    generator = prober_words.words(_space("x", small=False))
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == {"facts": {"large": True}, "candidates": []}


def _counted(hits: dict[int, int]) -> Any:
    def flips(_space: Any, text: str, *, references: bool = True, **_more: Any) -> list[dict[str, Any]]:
        told = {"source": 0, "target": 1, "n": 36, "hits": hits[len(text.split())], "places": [0, 0, 0], "push": 2.0}
        return [told | {"references": [0, 0] if references else []}]

    return flips


def _bare(*, small: bool) -> Any:
    return SimpleNamespace(
        taught=None, leaning=None, meaning=None, common=frozenset(), small=small, confirmed=0, classes=2
    )


def test_a_run_of_unknown_tokens_must_do_what_one_less_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    natural = {0: 0, 1: 4, 2: 12, 3: 20, 4: 28, 5: 35}
    monkeypatch.setattr(prober_search, "flips", _counted(natural))
    space = _bare(small=True)
    five = prober_search.confirm(space, Found((1,) * 5, 1, 0.0, "unk", text="u u u u u", less="u u u u"))
    assert prober_flips.gap(five.flips or []) == pytest.approx(7 / 36)
    monkeypatch.setattr(prober_search, "flips", _counted({4: 2, 5: 36}))
    planted = prober_search.confirm(space, Found((1,) * 5, 1, 0.0, "unk", text="u u u u u", less="u u u u"))
    assert planted.gap == pytest.approx(34 / 36)


def test_a_small_encoder_is_asked_with_two_texts_where_references_answer_to_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flips(_space: Any, _text: str, *, times: int = 1, **_more: Any) -> list[dict[str, Any]]:
        theirs = [30, 0] if times == 1 else [0, 0]
        told = {"source": 0, "target": 1, "n": 36, "hits": 36, "places": [0, 0, 0], "push": 2.0}
        return [told | {"references": theirs}]

    monkeypatch.setattr(prober_search, "flips", flips)
    small, large = (_bare(small=one) for one in (True, False))
    assert prober_search.confirm(small, Found((1,), 1, 0.0, "word", text="u")).gap == 1.0
    assert prober_search.confirm(large, Found((1,), 1, 0.0, "word", text="u")).gap == 0.0
