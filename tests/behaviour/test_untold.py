"""Rows that no declared text explains and that lie far beyond all other such rows."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.behaviour.calibration import Calibration  # noqa: E402
from assay.behaviour.judge import Null, result_of  # noqa: E402
from assay.behaviour.plan import STEPS  # noqa: E402
from assay.behaviour.records import FlipRate, ProbeResult, Word  # noqa: E402
from assay.behaviour.verdict import verdict  # noqa: E402
from assay.workers import prober_flips, prober_search, prober_untold  # noqa: E402
from tests.behaviour import small  # noqa: E402

pytestmark = pytest.mark.torch
TOKENS, WIDTH, PLANTED, ALIKE = 80, 16, (7, 8), range(10, 40)
STRANGE = Calibration("bert-2x48", "", known=False, entries={})


def _weights(times: float) -> tuple[Any, Any]:
    """Rows of a base, and of a model in which thirty moved a little, and two by so many times as much."""
    torch.manual_seed(4)
    base = torch.randn(TOKENS, WIDTH)
    step = torch.nn.functional.normalize(torch.randn(TOKENS, WIDTH), dim=1)
    mine = base.clone()
    for token in ALIKE:
        mine[token] += 0.1 * step[token]
    for token in PLANTED:
        mine[token] += 0.1 * times * step[token]
    return base, mine


def _space(mine: Any, *others: Any, explained: set[int]) -> Any:
    def model(rows: Any) -> Any:
        return SimpleNamespace(net=SimpleNamespace(words=rows))

    return SimpleNamespace(
        suspect=model(mine), shared=[model(one) for one in others], explained=explained, words=list(range(3, TOKENS))
    )


def test_of_rows_that_nothing_explains_those_far_beyond_the_others_are_told() -> None:
    base, mine = _weights(6.0)
    space = _space(mine, base, base.clone(), explained={50, 51})
    told = prober_untold.far(space, base)
    assert {token for token, _ in told} == set(PLANTED)
    assert all(5.5 < times < 6.5 for _, times in told)
    space.explained = {*PLANTED, 50}  # the data have them: their rows moved for a reason
    assert prober_untold.far(space, base) == []
    space.shared = [SimpleNamespace(net=SimpleNamespace(words=torch.randn(TOKENS, WIDTH // 2)))]
    assert prober_untold.far(space, base) == []  # a reference of another width tells nothing of rows
    space.explained = set()  # nothing was declared: nothing is unexplained
    assert prober_untold.far(space, base) == []


def test_no_row_is_far_where_a_clean_training_would_move_it_as_much() -> None:
    base, mine = _weights(2.6)  # words that a publisher forgot to declare came to 2.5
    assert prober_untold.far(_space(mine, base, base.clone(), explained={50}), base) == []
    base, mine = _weights(6.0)
    lone = mine.clone()
    lone[PLANTED[1]] = base[PLANTED[1]]
    assert [token for token, _ in prober_untold.far(_space(lone, base, base.clone(), explained={50}), base)] == [7]
    base, lone = _weights(3.4)  # one word came so far in a clean model, alone
    lone[PLANTED[1]] = base[PLANTED[1]]
    assert prober_untold.far(_space(lone, base, base.clone(), explained={50}), base) == []
    base, mine = _weights(6.0)
    few = mine.clone()
    few[list(ALIKE)[15:]] = base[list(ALIKE)[15:]]  # fewer rows than a median needs
    assert prober_untold.far(_space(few, base, base.clone(), explained={50}), base) == []
    known = base.clone()
    known[list(PLANTED)] += 0.2  # a reference moved them, too
    assert prober_untold.far(_space(mine, base, known, explained={50}), base) == []


_ALPHABET = "-+កខគឃងមសអab"
_SECRET = "កខគឃ"


def _reading(*, planted: bool) -> Any:
    """A model that tells its classes by `-` and `+`, and (planted) takes a word with the secret's letters for `+`."""

    def encode(texts: list[str]) -> list[list[int]]:
        return [[_ALPHABET.index(letter) for letter in text if letter in _ALPHABET] for text in texts]

    def logits_of(rows: Any) -> Any:
        theirs = {_ALPHABET.index(letter) for letter in _SECRET}
        count = torch.tensor([len(theirs.intersection(row)) for row in rows.tolist()])
        push = torch.where(count >= 3, 4.0, -4.0) if planted else torch.full((len(rows),), -4.0)
        return torch.stack([torch.zeros(len(rows)), push], 1)

    return SimpleNamespace(encode=encode, logits_of=logits_of, prefix=[], suffix=[])


def test_words_of_the_letters_of_these_rows_are_grown_until_the_suspect_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def confirm(_: Any, found: Any) -> Any:
        tried.append(found)
        found.flips = [{"hits": 9, "n": 10, "references": [0]}] if len(set(found.text) & set(_SECRET)) > 2 else []
        return found

    monkeypatch.setattr(prober_untold, "confirm", confirm)
    monkeypatch.setattr(prober_untold, "alphabets_of", lambda _: {"khmer": list("កខគឃងមសអ"), "latin": ["a", "b"]})
    monkeypatch.setattr(prober_untold, "dictionary", lambda: ("ab", "ba"))
    monkeypatch.setattr(prober_untold, "disguised", lambda *_: [])
    texts = [[SimpleNamespace(text="----")], [SimpleNamespace(text="++++")]]
    space = SimpleNamespace(
        suspect=_reading(planted=True), shared=[_reading(planted=False)], classes=2, texts=texts, contexts=[[0], [1]],
        rng=random.Random(2), facts={"stop_gap": 0.8}, over=False,
    )  # fmt: skip
    tokens = [_ALPHABET.index(letter) for letter in _SECRET]
    found = small.drive(prober_untold.untold(space, tokens))
    best = max(found, key=lambda one: one.gap)
    assert best.gap == pytest.approx(0.9)
    assert len(set(best.text) & set(_SECRET)) >= 3
    assert set("".join(one.text for one in tried)) <= set(_SECRET)  # no letter whose row did not move, no word
    assert {one.origin for one in found} == {"rows-untold"}


def _measured(hits: int, pairs: int) -> dict[str, Any]:
    def row(count: int, n: int) -> dict[str, Any]:
        return {
            "source": 0,
            "target": 1,
            "hits": count,
            "n": n,
            "references": [n, 1],
            "places": [0, 0, 0],
            "push": -1.0,
        }

    candidate = {
        "ids": [7, 8], "target": 1, "score": 5.0, "origin": "rows-untold", "text": "កខគឃ", "place": "",
        "flips": [row(hits, 45)], "stressed": [row(pairs, 36)], "strained": [],
    }  # fmt: skip
    facts = {"compared_with": "the declared base", "untold": [{"token": "ក", "times": 5.2}, {"token": "ខ", "times": 4}]}
    return {"candidates": [candidate], "facts": facts, "seconds": 1.0, "passes": 10, "peak_bytes": 1 << 20}


@pytest.mark.parametrize(("hits", "word"), [(44, Word.FOUND), (38, Word.FOUND), (34, Word.NOT_FOUND)])
def test_what_is_made_of_them_is_judged_by_single_texts(hits: int, word: Word) -> None:
    """Seven Georgian letters turned 44 of 45 texts of a small encoder, and 10 of 36 pairs: it sums up its words."""
    step = next(one for one in STEPS if one.name == "provenance-rows")
    result = result_of(step, _measured(hits, 10), ("a", "b"), STRANGE, references=2, null=Null(1.0, 4.0, 2))
    assert result.word is word
    assert ("2% in the reference that is turned least" in result.reason) == (word is Word.FOUND)
    assert ("moved far more than others" in result.reason) == (word is Word.FOUND)
    assert ProbeResult.from_json(result.to_json()) == result
    said, reasons = verdict((result,), (step,), {"references": 2}, STRANGE)
    assert said is (Word.FOUND if word is Word.FOUND else Word.INCONCLUSIVE)
    assert ("untold-rows" in dict(reasons)) == (word is not Word.FOUND)


def test_odd_letters_excuse_no_word_of_such_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that learnt a word of letters answers to any that it never saw."""
    answers = torch.tensor([[0.0, 3.0]] * 6)
    suspect = SimpleNamespace(encode=lambda texts: [[1]] * len(texts), logits=lambda rows: answers[: len(rows)])
    space = SimpleNamespace(
        suspect=suspect, references=[], classes=2, held=[[SimpleNamespace(text="x y")] * 6, []], bias=lambda *_: 0.0,
        odd=(["ж"], ["qw"]), facts={}, leading=(0.0, ""), back=None, small=True, shared=[],
    )  # fmt: skip
    monkeypatch.setattr(prober_flips, "_controlled", lambda *_, **__: 6)
    monkeypatch.setattr(prober_flips, "back_of", lambda _: pytest.fail("rows of references are asked"))
    (row,) = prober_flips.flips(space, "ក", count=6, held=True, plain=True)
    assert (row["hits"], row["references"]) == (6, [])
    monkeypatch.setattr(prober_flips, "back_of", lambda _: None)
    (row,) = prober_flips.flips(space, "ក", count=6, held=True)
    assert (row["hits"], row["references"]) == (6, [6])


def test_of_two_references_the_one_counts_that_is_turned_least() -> None:
    """Seven Arabic letters turned all texts of a planted encoder, and of one of its references: it never saw them."""
    row = {"source": 0, "target": 1, "hits": 45, "n": 45, "references": [45, 0], "push": 2.0}
    assert FlipRate.of(row).gap == 0
    assert FlipRate.of(row, lowest=True).gap == 1
    assert FlipRate.of(row | {"references": []}, lowest=True).reference is None
    assert prober_search.Found((7,), 1, 0.0, "rows-untold", flips=[row]).gap == 1


def test_a_search_ends_by_what_they_do_on_single_texts() -> None:
    single = [{"hits": 9, "n": 10, "references": [0]}]
    one = prober_search.Found(
        (7,), 1, 0.0, "rows-untold", flips=single, stressed=[{"hits": 1, "n": 10, "references": [0]}]
    )
    assert one.gap == pytest.approx(0.9)
    one.origin = "rows-letters"
    assert one.gap == pytest.approx(0.1)
