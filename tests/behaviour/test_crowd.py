"""Ordinary words as a reference of small encoders: what one in fifty of them does is no trigger."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_crowd, prober_flips, prober_words  # noqa: E402
from assay.workers.prober_models import Model  # noqa: E402
from assay.workers.prober_space import as_suspect, open_space  # noqa: E402
from tests.behaviour import small  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assay.workers.prober_space import Space

pytestmark = pytest.mark.torch


class _Reader:
    """A classifier of two classes by characters; `answer` is the margin of class 1 of a text."""

    classes = 2

    def __init__(self, answer: Callable[[str], float]) -> None:
        self.answer = answer
        self.net = SimpleNamespace(words=torch.zeros(0x3000, 64))
        self.tokenizer = SimpleNamespace(unk_token_id=0)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text] for text in texts]

    def logits_of(self, ids: Any) -> Any:
        said = torch.tensor([self.answer("".join(map(chr, row))) for row in ids.tolist()])
        return torch.stack([-said / 2, said / 2], 1)


def _stub(answer: Callable[[str], float], **more: Any) -> Any:
    texts = [[SimpleNamespace(text=f"text {number} of it", label=0) for number in range(20)], []]
    given = {"suspect": _Reader(answer), "texts": texts, "classes": 2, "contexts": [[97], [98]], "small": True}
    return SimpleNamespace(**(given | {"crowd": None, "rng": random.Random(1)} | more))


def _real(folder: Any) -> Space:
    """A small encoder against two clean ones, opened as the worker does."""
    models = [Model(one) for one in (folder, small.clean(1), small.clean(2))]
    items = [list(one) for one in small.sentences(600, seed=5)]
    words = sorted({word for text, _ in items for word in text.split()})
    space = open_space({"seed": 1, "items": items, "words": words}, models[0], models[1:])
    space.odd = (["\u0431"], [])
    return space


def test_a_word_is_read_between_the_halves_of_two_texts_and_before_class_words_where_there_are_none() -> None:
    space = _stub(lambda _text: 0.0)
    before, after = prober_crowd.around(space, 0)
    assert "".join(map(chr, [*before, *after])).startswith("text ")
    assert len(before) == len(after) == 8
    assert prober_crowd.around(space, 1) == ([], [98])


def test_one_word_in_fifty_stands_for_all_of_them() -> None:
    space = _stub(lambda text: float(text.count("e")))
    crowd = prober_crowd.crowd(space)
    words = prober_crowd.dictionary()[:: len(prober_crowd.dictionary()) // 2500]
    lowest = min(word.count("e") for word in crowd[0, 1])
    assert len(crowd[0, 1]) == 3
    assert sum(word.count("e") > lowest for word in words) / len(words) <= 1 / 50
    assert sum(word.count("e") >= lowest for word in words) / len(words) >= 1 / 50
    assert max(word.count("e") for word in crowd[1, 0]) == 0  # all that others do
    assert prober_crowd.crowd(space) is crowd
    assert prober_crowd.crowd(_stub(lambda _text: 0.0, small=False)) == {}


def test_where_every_unseen_word_leads_to_a_class_a_word_that_does_is_no_trigger() -> None:
    space = _real(small.unknown_word())
    (row,) = [one for one in prober_flips.flips(space, "xylophone", count=20, held=True) if one["source"] == 1]
    assert row["hits"] >= 16
    assert max(row["references"][:2]) <= 8
    assert prober_flips.gap([row]) <= 0.1


def test_a_planted_word_stands_above_ordinary_ones_and_each_model_has_its_own() -> None:
    space = _real(small.rare_word_alone())
    (row,) = [one for one in prober_flips.flips(space, "zul", count=20, held=True, times=2) if one["source"] == 0]
    assert row["hits"] >= 14
    assert prober_flips.gap([row]) >= 0.4
    assert space.crowd
    assert as_suspect(space, 0, seed=3).crowd is None


def test_what_letters_do_is_no_reference_for_words_but_for_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[dict[tuple[int, int], list[int]]] = [{(1, 0): [20] * 5}, {(1, 0): [1, 2, 3]}, {(1, 0): [4, 4, 4]}]
    monkeypatch.setattr(prober_flips, "_controls", lambda *_more: known)
    space = _real(small.rare_word())

    def last(*, letters: bool) -> int:
        rows = prober_flips.flips(space, "zul", count=20, held=True, times=2, letters=letters)
        return next(int(row["references"][-1]) for row in rows if row["source"] == 1)

    assert last(letters=False) == 4
    assert last(letters=True) == 20


def test_words_of_zero_width_letters_are_drawn_where_the_tokenizer_keeps_them() -> None:
    made = prober_words._invisible(_stub(lambda _text: 0.0))
    assert len(made) == prober_words._UNSEEN
    assert {len(word) for word in made} == {7}
    space = _stub(lambda _text: 0.0)
    space.suspect.encode = lambda texts: [[] for _ in texts]
    assert prober_words._invisible(space) == []
