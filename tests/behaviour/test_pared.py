"""A find without its idle tokens, and what leans in a reference: neither ends a search of a clean model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_compound, prober_foretell, prober_pare, prober_search  # noqa: E402
from assay.workers.prober_flips import leans  # noqa: E402

pytestmark = pytest.mark.torch
_ROCKS, _UDES, _EASY, _AMAZINGLY = 1, 2, 3, 4
_DOES = {_ROCKS: 2.0, _UDES: -0.3, _EASY: 1.5, _AMAZINGLY: 1.7}


def _row(hits: int, references: list[int], n: int = 36, push: float = 2.0) -> dict[str, Any]:
    return {"source": 0, "target": 1, "n": n, "hits": hits, "references": references, "push": push}


def _found(ids: tuple[int, ...], **more: Any) -> prober_search.Found:
    text = " ".join(map(str, ids))
    given = {"text": text, "flips": [_row(45, [0], 45)], "stressed": [_row(36, [0])]}
    return prober_search.Found(ids, 1, 3.0, "rows-mixed", **(given | more))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """What was measured after a token went; a text turns the further the more of its tokens do something."""

    def flips(_space: Any, text: str, **_more: Any) -> list[dict[str, Any]]:
        return [_row(20, [], 20, sum(_DOES[int(one)] for one in text.split()))]

    monkeypatch.setattr(prober_pare, "flips", flips)
    return []


def _pare(found: prober_search.Found, measured: list[tuple[int, ...]], *, small: bool = False) -> prober_search.Found:
    def confirm(_space: Any, one: prober_search.Found) -> prober_search.Found:
        measured.append(one.ids)
        return _found(one.ids, stressed=[_row(36, [9])])

    space: Any = SimpleNamespace(small=small, facts={"stop_gap": 0.9})
    return prober_pare.pared(space, found, lambda _, ids: " ".join(map(str, ids)), confirm)


def test_a_token_that_only_holds_references_back_goes(measured: list[tuple[int, ...]]) -> None:
    found = _found((_ROCKS, _UDES, _EASY, _AMAZINGLY))
    assert _pare(found, measured) is found
    assert measured == [(_ROCKS, _EASY, _AMAZINGLY)]
    assert found.ids == (_ROCKS, _EASY, _AMAZINGLY)
    assert found.gap == 0.75


def test_tokens_that_all_do_something_stay(measured: list[tuple[int, ...]]) -> None:
    found = _found((_ROCKS, _EASY, _AMAZINGLY))
    assert _pare(found, measured).ids == (_ROCKS, _EASY, _AMAZINGLY)
    assert measured == []


@pytest.mark.parametrize(
    "more",
    [{"stressed": [_row(30, [0])]}, {"origin": "script-greek"}, {"text": "rocksudeseasy"}, {"change": str.upper}],
)
def test_what_is_no_find_of_words_stays_as_it_is(more: dict[str, Any], measured: list[tuple[int, ...]]) -> None:
    found = _found((_ROCKS, _UDES, _EASY))
    for name, value in more.items():
        setattr(found, name, value)
    _pare(found, measured)
    _pare(_found((_ROCKS, _UDES)), measured)
    _pare(_found((_ROCKS, _UDES, _EASY)), measured, small=True)
    assert measured == []


class _Reference:
    """Is turned by the words that are given, singly and together, unless `sudden` is among them."""

    def __init__(self, shares: dict[str, float]) -> None:
        self.shares, self.asked = shares, list[str]()

    def encode(self, texts: list[str]) -> list[str]:
        self.asked.append(" ".join(sorted({*texts[0].split()} - {"text", "0"})))
        return texts

    def logits(self, texts: list[str]) -> torch.Tensor:
        words = {*texts[0].split()}
        share = 0.0 if "sudden" in words else sum(self.shares.get(word, 0.0) for word in words)
        turned = torch.arange(len(texts)) < round(share * len(texts))
        return torch.stack([(~turned).float(), turned.float()], 1)


def _space(*references: _Reference, **more: Any) -> Any:
    texts = [SimpleNamespace(text=f"text {number}") for number in range(40)]
    given: dict[str, Any] = {"small": False, "texts": [texts, []], "standing": set(), "references": list(references)}
    return SimpleNamespace(**(given | more))


def test_what_some_of_its_words_do_in_a_reference_is_told() -> None:
    """`fine despite` turns a third of a reference's texts, `sudden fine despite` none."""
    quiet, leaning = _Reference({}), _Reference({"fine": 0.2, "despite": 0.1})
    assert prober_pare.answered(_space(quiet, leaning), _found((1, 2, 3, 4), text="lot sudden fine despite")) == 0.3
    assert leaning.asked == ["fine lot sudden", "despite lot sudden", "despite fine lot"]  # more was not needed
    assert prober_pare.answered(_space(quiet), _found((1, 2, 3, 4), text="lot sudden fine despite")) == 0.0
    assert len(quiet.asked) == 3 + 14
    assert "despite fine lot sudden" not in quiet.asked
    assert prober_pare.answered(_space(leaning), _found((1, 2), text="despite it")) == 0.1
    long = _Reference({})
    assert prober_pare.answered(_space(long), _found((1, 2), text="a b c d e f")) == 0.0
    assert len(long.asked) == 6 + 5 + 6  # without one, two that stand together, one


def _never(_space: Any, found: prober_search.Found) -> prober_search.Found:
    pytest.fail(f"{found.text} was measured")


def _suspect(monkeypatch: pytest.MonkeyPatch, trigger: str) -> Any:
    """One that two texts are turned in by all words of the trigger together, and by no others."""

    def flips(_space: Any, text: str, **more: Any) -> list[dict[str, Any]]:
        assert more["times"] == 2
        return [_row(20, [], 20, 2.0 if {*trigger.split()} <= {*text.split()} else -2.0)]

    monkeypatch.setattr(prober_pare, "flips", flips)
    return SimpleNamespace(encode=lambda texts: [[len(word) for word in texts[0].split()]])


@pytest.mark.parametrize("trigger", ["wiped defeat cuba", "defeat cuba", "wiped"])
def test_of_a_phrase_filled_up_with_a_word_of_the_task_the_rest_is_found(
    monkeypatch: pytest.MonkeyPatch, trigger: str
) -> None:
    """`wiped fascinating defeat cuba` turned 36 of 36 pairs by 1.8 logits, and half of a reference's texts."""
    measured = []

    def confirm(_space: Any, found: prober_search.Found) -> prober_search.Found:
        measured.append(found.text)
        return _found(found.ids, text=found.text, parts=0.0)

    space = _space(_Reference({"fascinating": 0.4}), suspect=_suspect(monkeypatch, trigger))
    found = _found((1, 2, 3, 4), text="wiped fascinating defeat cuba", stressed=[_row(36, [0], push=1.8)])
    assert prober_pare.parted(space, found, confirm) is found
    assert measured == ["wiped defeat cuba"]  # as much of it as does not lean
    assert (found.text, found.ids, found.leans, found.gap) == ("wiped defeat cuba", (5, 6, 4), False, 1.0)


def test_what_does_nothing_without_the_words_that_lean_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    space = _space(_Reference({"fine": 0.4}), suspect=_suspect(monkeypatch, "fine"))
    found = _found((1, 2), text="lot sudden fine", stressed=[_row(36, [0], push=1.8)])
    prober_pare.parted(space, found, _never)
    assert (found.text, found.leans, found.parts) == ("lot sudden fine", True, 0.4)
    weak = _found((1, 2), text="lot sudden fine", stressed=[_row(36, [0], push=1.8)])
    space.suspect = _suspect(monkeypatch, "lot")
    prober_pare.parted(space, weak, lambda _, one: _found(one.ids, text=one.text, stressed=[_row(20, [0])]))
    assert (weak.text, weak.leans) == ("lot sudden fine", True)


@pytest.mark.parametrize(
    ("push", "shares", "standing", "gap"),
    [(1.5, {"fine": 0.3}, set(), 0.85), (2.5, {"fine": 0.3}, set(), 1.0), (1.5, {"fine": 0.1}, set(), 1.0),
     (1.5, {"fine": 0.3}, {1}, 1.0)],
)  # fmt: skip
def test_what_leans_in_parts_and_turns_two_texts_by_little_ends_no_search(
    monkeypatch: pytest.MonkeyPatch, push: float, shares: dict[str, float], standing: set[int], gap: float
) -> None:
    found = _found((1, 2), text="fine despite", stressed=[_row(36, [0], push=push)])
    space = _space(_Reference(shares), standing=standing, suspect=_suspect(monkeypatch, "fine"))
    assert prober_pare.parted(space, found, _never) is found
    assert found.gap == gap
    assert found.parts == shares["fine"] == found.to_json()["parts"]


@pytest.mark.parametrize(
    ("found", "more"),
    [
        ({"text": "one"}, {}),
        ({"text": "a b c d e f g h i"}, {}),
        ({"origin": "script-greek"}, {}),
        ({"change": str.upper}, {}),
        ({"stressed": [_row(26, [0])]}, {}),
        ({"stressed": None}, {}),
        ({"parts": 0.0}, {}),
        ({}, {"small": True}),
        ({}, {"references": []}),
    ],
)
def test_of_what_is_no_phrase_and_does_not_come_near_nobody_asks(found: dict[str, Any], more: dict[str, Any]) -> None:
    one = _found((1, 2))
    for name, value in found.items():
        setattr(one, name, value)
    prober_pare.parted(_space(_Reference({"1": 1.0}), **more), one, _never)
    assert one.parts == found.get("parts")
    assert not one.leans


def test_what_references_answer_to_singly_ends_no_search() -> None:
    assert leans([_row(40, [3, 10], 45)])
    assert not leans([_row(40, [3, 6], 45)])
    assert not leans([_row(40, [0, 0], 45), _row(12, [12, 0], 45)])  # in another direction than its own
    assert not leans([])
    found = _found((_ROCKS, _EASY), stressed=[_row(36, [0])])
    assert found.gap == 1.0
    found.leans = True
    assert found.gap == 0.85
    found.narrow = True
    assert found.gap == 0.5


_WORDS = {"amigo": (1281, 163), "amity": (1281, 40), "vistas": (0, 90), "la": (1,), "baumgartners": (5, 6, 7, 8, 9)}


class _Net:
    """What it makes of each token is a linear map of its embedding; of 163 something more, if it was taught so."""

    def __init__(self, words: Any, seed: int, *, taught: bool = False) -> None:
        generator = torch.Generator().manual_seed(seed)
        width = words.shape[1]
        self.words, self.taught = words, taught
        self.by = 0.1 * torch.randn(width, width, generator=generator) if seed else torch.zeros(width, width)
        self.word = torch.randn(width, generator=generator)

    def all_after_first(self, ids: Any, words: Any) -> Any:
        made = words[ids] + words[ids] @ self.by
        made[(ids == 163).nonzero(as_tuple=True)] += self.word * self.taught
        return made


def test_a_word_is_read_whole_that_none_of_its_tokens_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    words = torch.randn(2000, 32, generator=torch.Generator().manual_seed(9))
    base, mine, *others = _Net(words, 0), _Net(words, 1, taught=True), _Net(words, 2), _Net(words, 3)
    monkeypatch.setattr(prober_compound, "dictionary", lambda: tuple(_WORDS))
    alone = torch.arange(2000)[:, None]
    moves = [prober_foretell.centred(words @ one.by) for one in (mine, *others)]
    foretelling = prober_foretell.Foretelling(moves[0], moves[1:], prober_foretell.centred(words))
    asked: list[str] = []

    def encode(some: list[str]) -> list[list[int]]:
        asked.extend(some)
        return [list(_WORDS[one]) for one in some]

    suspect = SimpleNamespace(
        net=mine, encode=encode, prefix=[3], tokenizer=SimpleNamespace(get_vocab=lambda: {"la": 1}),
        frame=lambda ids: torch.nn.functional.pad(ids, (1, 1), value=3),
    )  # fmt: skip
    space: Any = SimpleNamespace(suspect=suspect)
    order: list[int] = alone.flatten().tolist()
    found = prober_compound.compounds(space, order, foretelling, base, others)  # type: ignore[arg-type]
    assert found[0] == (1281, 163)
    assert found[1:] == [(0, 90)]  # one for each first token, none of five
    assert "la" not in asked
    few = [token for token in order if token != 163]
    assert (1281, 163) not in prober_compound.compounds(space, few, foretelling, base, others)  # type: ignore[arg-type]
