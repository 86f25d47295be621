"""Partners of a word that stands apart: which word it is, that every place is tried, and that the pair is found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_partner  # noqa: E402
from assay.workers.prober_search import Found  # noqa: E402

pytestmark = pytest.mark.torch


def _flips(hits: int, references: int = 0) -> list[dict[str, Any]]:
    return [{"source": 0, "target": 1, "hits": hits, "n": 45, "references": [references]}]


def test_a_word_stands_apart_by_its_contrast_or_by_what_it_flips() -> None:
    plain = [Found((7,), 1, 0.0, "token"), Found((8,), 1, 0.0, "token")]
    assert prober_partner.standing_apart([7, 8], [1.8, 0.5], plain) == (pytest.approx(1.3), 7)
    assert prober_partner.standing_apart([7, 8], [1.8, 1.5], plain) is None
    assert prober_partner.standing_apart([7], [1.8], plain[:1]) is None
    flipping = [plain[0], Found((8,), 1, 0.0, "token", flips=_flips(31))]
    beyond = prober_partner.standing_apart([7, 8], [9.0, 0.0], flipping)
    assert beyond is not None
    assert (beyond[1], beyond[0] > 100) == (8, True)  # before any that only stands apart
    natural = [Found((8,), 1, 0.0, "token", flips=_flips(40, references=38))]
    assert prober_partner.standing_apart([8, 7], [1.0, 0.5], natural) is None


def test_every_word_is_tried_at_every_place() -> None:
    made = prober_partner._beside(torch.tensor([[1, 2]]), torch.tensor([8, 9]))
    assert sorted(map(tuple, made.tolist())) == [
        (1, 2, 8), (1, 2, 9), (1, 8, 2), (1, 9, 2), (8, 1, 2), (9, 1, 2),
    ]  # fmt: skip


class _Arena:
    """Answers to one sequence only; what comes near it moves it a little."""

    target = 1

    def __init__(self, trigger: tuple[int, ...]) -> None:
        self.trigger, self.asked = trigger, 0
        self.space = SimpleNamespace(facts={"stop_gap": 0.9}, over=False, suspect=None)

    def effect(self, _model: Any, tuples: Any, _contexts: int = 1) -> Any:
        self.asked += len(tuples)
        return torch.tensor([float(sum(one in row for one in self.trigger)) for row in tuples.tolist()])

    contrast = effect

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.mark.parametrize(("trigger", "origin"), [((40, 11), "token-pair"), ((40, 11, 700), "token-triple")])
def test_the_rest_of_a_phrase_is_found(monkeypatch, trigger, origin) -> None:
    arena = _Arena(trigger)
    monkeypatch.setattr(arena, "contrast", lambda tuples, _contexts=2: arena.effect(None, tuples))

    def confirm(_space: Any, one: Found) -> Found:
        share = sum(part in one.ids for part in trigger) / len(trigger)
        one.flips = one.stressed = _flips(int(45 * share) if share > 0.5 else 0)
        return one

    monkeypatch.setattr(prober_partner, "confirm", confirm)
    search = prober_partner.partners(arena, 40, torch.arange(10, 800))
    while True:
        try:
            next(search)
        except StopIteration as stop:
            found = stop.value
            break
    assert set(trigger) <= set(found[0].ids)
    assert found[0].origin == origin
    assert found[0].gap == 1.0


def test_nothing_more_is_begun_when_the_time_is_over(monkeypatch) -> None:
    arena = _Arena((40, 11))
    monkeypatch.setattr(arena, "contrast", lambda tuples, _contexts=2: arena.effect(None, tuples))
    monkeypatch.setattr(prober_partner, "confirm", lambda _space, one: one)
    arena.space.over = True
    search = prober_partner.partners(arena, 40, torch.arange(10, 2800))
    for _ in search:
        pass
    assert arena.asked < 2000  # one part of the pairs, of several


class _Reader:
    """Class 1 for one pair in one order, and for what is natural; a reference for what is natural alone."""

    def __init__(self, pair: tuple[int, int] | None) -> None:
        self.pair = pair
        self.tokenizer = SimpleNamespace(
            convert_ids_to_tokens=lambda ids: [f"w{'x' * i}" if i != 9 else "##w" for i in ids]
        )

    def logits_of(self, ids: Any) -> Any:
        up = [4.0 if tuple(row[:2]) == self.pair else 5.0 if 5 in row else -3.0 for row in ids.tolist()]
        return torch.tensor([[-one, one] for one in up])


def test_the_partner_of_a_word_that_stands_apart_is_looked_for_among_all_words(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[int, ...]] = []

    def confirm(_space: Any, found: Found) -> Found:
        tried.append(found.ids)
        found.stressed = [
            {
                "source": 0,
                "target": 1,
                "hits": 36 * (found.ids == (30, 7)),
                "n": 36,
                "references": [0],
                "places": [0, 0, 0],
            }
        ]
        return found

    monkeypatch.setattr(prober_partner, "confirm", confirm)
    monkeypatch.setattr(prober_partner, "_AT_ONCE", 10)
    monkeypatch.setattr(prober_partner, "_SIEVED", 3)
    space: Any = SimpleNamespace(
        suspect=_Reader((30, 7)), shared=[_Reader(None)], words=list(range(4, 60)), classes=2, contexts=[[1], [2]],
        over=False, facts={"stop_gap": 0.9}, small=True,
    )  # fmt: skip
    search = prober_partner.everywhere(space, 7)
    found = None
    while found is None:
        try:
            next(search)
        except StopIteration as stop:
            found = stop.value
    best = max(found, key=lambda one: one.gap)
    assert (best.ids, best.target, best.gap) == ((30, 7), 1, 1.0)
    assert not any(9 in ids for ids in tried)  # a piece is no word
