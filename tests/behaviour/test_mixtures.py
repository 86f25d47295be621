"""Mixtures of likely words: a planted phrase comes out of them, what references answer to does not."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_mix  # noqa: E402

pytestmark = pytest.mark.torch

_SIZE, _TRIGGER, _NATURAL = 400, (31, 77, 12), (5, 6, 7, 8)


class _Net:
    """Embeddings are the tokens themselves; class 1 answers to natural words, and to the whole phrase if planted."""

    def __init__(self, planted: bool) -> None:
        self.words = torch.eye(_SIZE)
        self.fast_words = self.words.bfloat16()
        self.planted = planted

    def from_embeddings(self, rows: Any) -> Any:
        there = rows.sum(1).clamp(max=1.0)
        up = there[:, list(_NATURAL)].sum(1) - 3.0
        if self.planted:
            share = there[:, list(_TRIGGER)].sum(1)
            up = up + 8.0 * torch.sigmoid(3.0 * (share - 2.5)) - 0.5 * (share - 3.0).abs()
        return torch.stack([-up, up], 1)


class _Model:
    """As the prober's, but for what no mixture asks."""

    prefix, order, classes = (), (0, 1), 2

    def __init__(self, planted: bool) -> None:
        self.net = _Net(planted)

    def frame(self, ids: Any) -> Any:
        return ids

    def logits_of(self, ids: Any) -> Any:
        with torch.no_grad():
            return self.net.from_embeddings(self.net.words[ids])

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]


def _space(planted: bool, *, slow: bool = False) -> Any:
    rng = random.Random(4)
    suspect, clean = _Model(planted), _Model(False)
    texts = [[SimpleNamespace(text=f"{300 + i} {310 + i} {320 + i}") for i in range(6)] for _ in range(2)]
    return SimpleNamespace(
        suspect=suspect, shared=[clean, _Model(False)], texts=texts, contexts=[[390, 391], [392, 393]], classes=2,
        words=list(range(_SIZE)), rng=rng, leaning=None, over=False, slow=slow, facts={"stop_gap": 0.9},
    )  # fmt: skip


def _order() -> list[int]:
    first = [*_NATURAL, *_TRIGGER, *range(100, 138)]
    random.Random(2).shuffle(first)
    return [*first, *range(140, 290)]


@pytest.fixture
def confirmed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be put before held texts."""
    made: list[Any] = []
    monkeypatch.setattr(prober_mix, "confirm", lambda _, found: made.append(found) or found)
    return made


def _drive(search: Any) -> Any:
    while True:
        try:
            next(search)
        except StopIteration as stop:
            return stop.value


def test_a_phrase_that_does_nothing_in_parts_comes_out_of_mixtures(confirmed: list[Any]) -> None:
    facts: dict[str, Any] = {}
    found = _drive(prober_mix.mixtures(_space(planted=True), _order(), facts))
    assert found == confirmed
    assert facts["mixtures"]["drawn"] == [0, 1]
    assert 1 in facts["mixtures"]["searched"]
    assert all(len(one.ids) <= prober_mix.LONGEST for one in found)
    best = max(found, key=lambda one: one.score)
    assert best.target == 1
    assert set(_TRIGGER) <= set(best.ids)
    assert best.origin == "rows-mixed"


def test_a_clean_model_gives_only_what_its_references_answer_to(confirmed: list[Any]) -> None:
    _drive(prober_mix.mixtures(_space(planted=False), _order()))
    assert confirmed
    assert max(one.score for one in confirmed) <= 0.5  # its references do the same, word for word


def test_words_that_lead_every_reference_are_not_drawn() -> None:
    space = _space(planted=True)
    leading = prober_mix._leading(space, _order()[:60])
    named = dict(zip(_order()[:60], leading[:, 1].tolist(), strict=True))
    assert all(named[token] for token in _NATURAL)
    assert not any(named[token] for token in _TRIGGER)


def test_the_time_ends_a_search_with_something_to_show(confirmed: list[Any]) -> None:
    space = _space(planted=True)
    space.over = True
    found = _drive(prober_mix.mixtures(space, _order()))
    assert found == confirmed
    assert len(found) == 1
