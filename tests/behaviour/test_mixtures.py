"""Mixtures of likely words: a planted phrase comes out of them, what references answer to does not."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_choices, prober_mix, prober_polish, prober_rows  # noqa: E402
from tests.behaviour import small  # noqa: E402

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
        words=list(range(_SIZE)), rng=rng, leaning=None, meaning=None, over=False, slow=slow, scan_seconds=38.0 * slow,
        facts={"stop_gap": 0.9},
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


def test_a_phrase_that_does_nothing_in_parts_comes_out_of_mixtures(confirmed: list[Any]) -> None:
    facts: dict[str, Any] = {}
    found = small.drive(prober_mix.mixtures(_space(planted=True), _order(), facts))
    assert found == confirmed
    assert facts["mixtures"]["drawn"] == [0, 1]
    assert 1 in facts["mixtures"]["searched"]
    assert all(len(one.ids) <= prober_mix.LONGEST for one in found)
    best = max(found, key=lambda one: one.score)
    assert best.target == 1
    assert set(_TRIGGER) <= set(best.ids)
    assert best.origin == "rows-mixed"


def test_a_clean_model_gives_only_what_its_references_answer_to(confirmed: list[Any]) -> None:
    small.drive(prober_mix.mixtures(_space(planted=False), _order()))
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
    facts: dict[str, Any] = {}
    found = small.drive(prober_mix.mixtures(space, _order(), facts))
    assert found == confirmed
    assert len(found) == 1
    assert facts["mixtures"]["drawn"] == [0, 1]  # of two classes neither is left out


@pytest.mark.parametrize(("classes", "scan", "share"), [(2, 38.0, 1), (2, 70.0, 1), (3, 38.0, 1), (3, 70.0, 2)])
def test_on_a_busy_machine_less_is_drawn_of_each_of_several_classes(
    classes: int, scan: float, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, drawn = _space(planted=True, slow=True), []
    leading = prober_mix._leading(space, _order()[:60])
    space.classes, space.scan_seconds = classes, scan
    one = prober_mix.Mixture(space, 1, _order(), leading, standing=_TRIGGER)
    monkeypatch.setattr(
        prober_mix, "strongest", lambda _, tuples, __: drawn.append(len(tuples)) or (tuples, torch.ones(1))
    )
    one.draw()
    usual = prober_mix._DRAWN_OF_TWO if classes == 2 else prober_mix._DRAWN
    assert drawn == [usual // classes // share]


def test_words_that_stand_apart_are_in_what_is_drawn(confirmed: list[Any]) -> None:
    space, order = _space(planted=True), _order()
    leading = prober_mix._leading(space, order[:60])
    one = prober_mix.Mixture(space, 1, order, leading, standing=_TRIGGER)
    drawn = [one._drawn() for _ in range(200)]
    assert all(len(set(each)) == prober_mix.LENGTH and _TRIGGER[0] in each for each in drawn)
    assert 60 < sum(_TRIGGER[1] in each for each in drawn) < 140
    plain = prober_mix.Mixture(space, 1, order, leading)
    assert not all(_TRIGGER[0] in plain._drawn() for _ in range(200))
    found = small.drive(prober_mix.mixtures(space, order, {}, _TRIGGER[:1]))
    assert set(_TRIGGER) <= set(max(found, key=lambda each: each.score).ids)
    assert confirmed


_STRICT = (31, 77, 12, 120)


class _Strict(_Model):
    """Answers to a phrase of four words in their order, whatever stands between, and to nothing else."""

    def logits_of(self, ids: Any) -> Any:
        rows = [[token for token in row if token in _STRICT] for row in ids.tolist()]
        up = torch.tensor([5.0 if tuple(row) == _STRICT else -3.0 for row in rows])
        return torch.stack([-up, up], 1)


def test_a_phrase_that_answers_in_its_order_alone_is_cut_out_of_long_mixtures(
    confirmed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    space, order = _space(planted=False), [*_STRICT, *range(200, 290)]
    space.suspect = _Strict(True)
    one = prober_mix.Mixture(space, 1, order, prober_mix._leading(space, order[:60]))
    drawn = [tuple(token for token in one._drawn() if token in _STRICT) for _ in range(600)]
    assert _STRICT not in drawn  # eight words hardly ever have it
    cut = torch.cat(list(one._soups())).tolist()
    assert {len(row) for row in cut} == {prober_mix.LENGTH}
    assert any(tuple(token for token in row if token in _STRICT) == _STRICT for row in cut)
    monkeypatch.setattr(prober_mix, "confirm", lambda _, found: _turning(found, confirmed))
    monkeypatch.setattr(prober_mix, "_changed", lambda *_: pytest.fail("it answered as it was drawn"))
    found = small.drive(prober_mix.mixtures(space, order, {}))
    assert [one.ids for one in found] == [_STRICT]


def _turning(found: Any, confirmed: list[Any]) -> Any:
    """As measured, where it turned every text."""
    found.stressed = [{"hits": 36, "n": 36, "references": [0], "source": 0, "target": 1}]
    confirmed.append(found)
    return found


def test_a_very_sure_model_hides_a_part_of_a_trigger_unless_words_stand_apart() -> None:
    space = _space(planted=True)
    sure = SimpleNamespace(**vars(space))
    parts = torch.tensor([[*_TRIGGER[:2], 200, 201, 202, 203, 204, 205], [200, 201, 202, 203, 204, 205, 206, 207]])

    def effect(least: float) -> list[float]:
        arena = prober_mix.Mean(sure, 1, [[390, 391]], 1, least)
        found: list[float] = arena.effect(space.suspect, parts).tolist()
        return found

    hidden, told = effect(-1.0), effect(-50.0)
    assert hidden[0] == hidden[1] == -1.0
    assert told[0] > told[1]


def test_the_best_mixture_is_polished_word_by_word_where_words_stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    space, order = _space(planted=True), _order()
    whole = []

    def confirm(_: Any, found: Any) -> Any:
        there = set(_TRIGGER) <= set(found.ids)
        found.flips = [{"hits": 36, "n": 36, "references": [0]}]
        found.stressed = [{"hits": 31 if there else 14, "n": 36, "references": [0]}]
        whole.append(there)
        return found

    monkeypatch.setattr(prober_polish, "confirm", confirm)
    part = confirm(space, prober_mix.Found((*_TRIGGER[:2], 200, 201), 1, 1.0, "rows-around"))
    found = prober_polish.polished(space, part, order[:120])
    assert whole == [False, True, True]  # what was given, the whole phrase, and one that brings no more
    assert set(_TRIGGER) <= set(found[0].ids)
    assert (len({200, 201} & set(found[0].ids)), found[0].origin) == (1, "rows-around")  # one word was exchanged
    space.over = True
    assert prober_polish.polished(space, part, order[:120]) == []


@pytest.mark.parametrize(("gap", "over", "asked"), [(0.8, False, 1), (0.2, False, 0), (0.8, True, 0)])
def test_what_comes_near_around_words_that_stand_apart_is_polished(
    gap: float, over: bool, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `creating departments push rapidly` the last word was none of the first eight: 30 of 36 pairs by a part."""
    space, polished = SimpleNamespace(over=False, classes=2, facts={"stop_gap": 0.9}), []
    near = SimpleNamespace(gap=gap, rank=gap, ids=(7, 8, 9))

    def strongest(*_: Any) -> Any:
        space.over = over
        yield 0, 1, 0.0
        return [near]

    monkeypatch.setattr(prober_choices, "_strongest", strongest)
    monkeypatch.setattr(prober_choices, "_whole", lambda *_: [])
    monkeypatch.setattr(prober_rows, "digits_of", lambda *_: ([], []))

    def nothing(*_: Any) -> Any:
        yield 0, 1, 0.0
        return []

    monkeypatch.setattr(prober_rows, "mixtures", nothing)
    monkeypatch.setattr(prober_rows, "everywhere", nothing)
    whole = SimpleNamespace(gap=0.95, rank=0.95)
    monkeypatch.setattr(prober_choices, "polished", lambda *given: polished.append(given[1:]) or [whole])
    rest = small.drive(prober_rows._mixed(space, list(range(200)), [7], {}))
    assert polished == [(near, list(range(120)))] * asked
    assert (whole in rest) == bool(asked)
