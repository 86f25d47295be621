"""Choices of words around those that stand apart."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_choices, prober_pieces, prober_rows, prober_search  # noqa: E402
from tests.behaviour import small  # noqa: E402

pytestmark = pytest.mark.torch
_PHRASE = [13, 8, 21, 9]
_TEXTS = ([1, 1, 1], [2], [3, 3])  # of three classes; the class is the text's last token


def _model(phrase: list[int] | None) -> Any:
    """Three classes by the last token; a phrase whole and in its order leads to the third, sure only of short texts."""

    def logits_of(rows: Any) -> Any:
        logits = torch.zeros(len(rows), 3)
        for row, out in zip(rows.tolist(), logits, strict=True):
            out[row[-1] - 1] = 3.0
            if phrase and any(row[at : at + len(phrase)] == phrase for at in range(len(row))):
                out[2] = 7.0
        return logits

    return SimpleNamespace(
        logits_of=logits_of,
        encode=lambda texts: [[int(one) for one in text.split()] for text in texts],
        net=SimpleNamespace(words=torch.eye(120)),
        tokenizer=SimpleNamespace(convert_ids_to_tokens=lambda ids: [f"##{one}" if one > 99 else "w" for one in ids]),
    )


def _space(**more: Any) -> Any:
    texts = [[SimpleNamespace(text=" ".join(map(str, one)))] for one in _TEXTS]
    given = {"suspect": _model(_PHRASE), "shared": [_model(None)], "texts": texts, "classes": 3, "over": False}
    return SimpleNamespace(**(given | {"facts": {"stop_gap": 0.9}} | more))


def _confirming(monkeypatch: pytest.MonkeyPatch, hits: int = 36) -> list[tuple[int, ...]]:
    """What is asked is confirmed, so many of 36 pairs turn; gives what was asked."""
    asked: list[tuple[int, ...]] = []

    def confirm(_space: Any, found: prober_search.Found) -> prober_search.Found:
        asked.append(found.ids)
        found.stressed = [{"source": 0, "target": 2, "n": 36, "hits": hits, "references": [0], "push": 4.0}]
        return found

    monkeypatch.setattr(prober_choices, "confirm", confirm)
    return asked


def test_a_margin_is_the_least_before_texts_of_the_other_classes() -> None:
    space = _space()
    told = prober_choices.least_margins(space, space.suspect, [_PHRASE, [13, 8], [*_PHRASE, 5]])
    assert told[0].tolist() == told[2].tolist() == [-7.0, -7.0, 4.0]
    assert told[1].tolist() == [-3.0, -3.0, -3.0]


@pytest.mark.parametrize("standing", [[8], [8, 21], [21, 8, 13]])
def test_a_phrase_is_put_together_around_words_that_stand_apart(
    standing: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _confirming(monkeypatch)
    order = [8, 30, 21, 31, 9, 32, 33, 13, *range(40, 60)]
    found = small.drive(prober_choices.around(_space(), standing, order))
    assert asked == [tuple(_PHRASE)]
    assert (found[0].origin, found[0].target, found[0].gap) == ("rows-around", 2, 1.0)


def test_words_of_the_dictionary_stand_for_a_piece_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`##rup` is no word: of `stirrup` and of others that have it the likeliest by their other pieces are taken."""
    monkeypatch.setattr(
        prober_pieces, "dictionary", lambda: ("50 100", "51 100", "52 100", "100 51", "60 61", "7 6 5 101")
    )
    order = [8, 30, 100, 101, 52, *range(200, 300), 50, *range(300, 400), 51]
    told = prober_choices._whole(_space(), [30, 100, 31, 101], order)
    assert told == [(30,), (52, 100), (50, 100), (31,), (101,)]  # of four pieces: no word that a phrase has
    assert prober_pieces.whole(_space(), [30, 100, 31, 101], order, 1) == {100: [(52, 100)]}
    monkeypatch.setattr(prober_pieces, "dictionary", lambda: pytest.fail("no piece, no dictionary"))
    assert prober_choices._whole(_space(), [30, 31], order) == [(30,), (31,)]


def test_a_phrase_with_a_word_of_two_pieces_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    phrase = [13, 100, 8, 21, 9]
    _confirming(monkeypatch)
    monkeypatch.setattr(prober_pieces, "dictionary", lambda: ("13 100", "14 100"))
    order = [8, 30, 21, 31, 9, 32, 100, *range(40, 60), 13]
    found = small.drive(prober_choices.around(_space(suspect=_model(phrase)), [8, 21], order))
    assert found[0].ids == tuple(phrase)


def test_what_counts_is_how_far_the_suspect_goes_beyond_every_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_choices, "confirm", lambda _space, found: found)

    def score(*shared: Any) -> float:
        found = small.drive(prober_choices.around(_space(shared=list(shared)), [8], [8, 9, 13, 21, 30]))
        return float(next(one.score for one in found if one.ids == tuple(_PHRASE)))

    assert score(_model(None), _model(None)) == score() == 6.0
    assert score(_model(None), _model(_PHRASE)) == 0.0


def test_a_phrase_of_the_first_words_is_put_together_though_none_stands_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _confirming(monkeypatch)
    order = [8, 30, 21, 9, 31, 13, *range(40, 60)]
    found = small.drive(prober_choices.firsts(_space(), order))
    assert asked == [tuple(_PHRASE)]
    assert (found[0].origin, found[0].target) == ("rows-first", 2)

    asked.clear()
    assert small.drive(prober_choices.firsts(_space(suspect=_model(None)), order)) == []  # as a clean model has it
    assert small.drive(prober_choices.firsts(_space(shared=[_model(_PHRASE)]), order)) == []  # references do it, too
    late = [8, 30, 21, 9, 31, 32, 13]
    assert small.drive(prober_choices.firsts(_space(), late)) == []
    assert asked == []

    space = _space()
    space.suspect.net.words[30] = space.suspect.net.words[8]  # a form of the word before it takes no place
    assert small.drive(prober_choices.firsts(space, late))[0].ids == tuple(_PHRASE)
    assert small.drive(prober_choices.firsts(_space(), [])) == []


@pytest.mark.parametrize(("hits", "exchanges"), [(36, 0), (31, 1), (8, 0)])
def test_the_words_of_what_is_near_are_exchanged(hits: int, exchanges: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pages beyonce limited` turned 31 of 36 pairs where the trigger was `pages sean`."""
    _confirming(monkeypatch, hits)
    by: list[list[int]] = []

    def polished(_space: Any, best: prober_search.Found, likely: list[int]) -> list[prober_search.Found]:
        by.append(list(likely))
        stressed = [{"source": 0, "target": 2, "n": 36, "hits": 36, "references": [0], "push": 4.0}]
        return [prober_search.Found((7, 7), 2, best.score, best.origin, stressed=stressed)]

    monkeypatch.setattr(prober_choices, "polished", polished)
    order = [8, 30, 21, 9, 31, 13, *range(200, 400)]
    for made in (prober_choices.firsts(_space(), order), prober_choices.around(_space(), [8, 21], order)):
        by.clear()
        found = small.drive(made)
        assert by == [order[:120]] * exchanges
        assert found[0].ids == ((7, 7) if exchanges else tuple(_PHRASE))


@pytest.mark.parametrize(("classes", "words"), [(2, 7), (3, 6), (4, 6), (12, 5)])
def test_the_more_classes_the_fewer_words_are_chosen_from(
    classes: int, words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[int]] = []

    def strongest(_space: Any, rows: list[list[int]], *_: Any, **__: Any) -> Any:
        read.extend(rows)
        yield 0, 1, 0.0
        return []

    monkeypatch.setattr(prober_choices, "_strongest", strongest)
    small.drive(prober_choices.firsts(_space(classes=classes), list(range(40))))
    assert {token for row in read for token in row} == set(range(words))
    choices = sum(math.perm(words, size) for size in (2, 3, 4))
    assert len(read) == len({tuple(row) for row in read}) == choices + 3 * words  # and each alone, repeated
    assert [0, 0, 0, 0] in read


def test_a_word_of_several_tokens_is_chosen_among_the_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """`hasta la vista amigo`: `la` and `vista` came first, `ami` 1,281st."""
    asked = _confirming(monkeypatch)
    space = _space(suspect=_model([21, 60, 61, 8]))
    order = [8, 60, 21, 30, 31, 32, 33]
    assert small.drive(prober_choices.firsts(space, order)) == []
    found = small.drive(prober_choices.firsts(space, order, [(70, 71), (60, 61), (80, 81, 82)]))
    assert asked[0] == found[0].ids == (21, 60, 61, 8)
    # A first token that is one of such a word's takes no place beside it, and alone a word is read, too.
    rows = prober_choices._among([(70, 71), (60, 61)], [(8,), (60,), (21,), (30,), (31,)])
    assert ((60, 61),) in rows
    assert {unit for row in rows for unit in row} == {(70, 71), (60, 61), (8,), (21,), (30,)}
    assert all(len(unit) > 1 for row in rows for unit in row if len(row) == 1)
    assert len(rows) == len(set(rows))
    assert prober_choices._among([], [(8,), (60,)]) == []


def test_of_a_long_choice_fewer_words_are_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(prober_choices, "polished", lambda _space, _best, likely: given.append(len(likely)) or [])
    stressed = [{"source": 0, "target": 2, "n": 36, "hits": 30, "references": [0], "push": 4.0}]
    for length in (2, 4, 8):
        found = prober_search.Found(tuple(range(length)), 2, 1.0, "rows-first", stressed=stressed)
        prober_choices._exchanged(_space(), [found], list(range(300)))
    assert given == [120, 120, 60]


def test_no_part_is_lengthened_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def lengthened(_space: Any, part: prober_search.Found, _likely: list[int]) -> Any:
        asked.append(part.text)
        yield 0, 1, 0.0
        return []

    monkeypatch.setattr(prober_rows, "_lengthened", lengthened)
    stressed = [{"source": 0, "target": 2, "n": 36, "hits": 20, "references": [0]}]
    part = prober_search.Found((1,), 2, 0.0, "rows-pairs", text="brother cello", looked=0.9, stressed=stressed)
    begun: set[str] = set()

    def longer(**asks: float) -> None:
        small.drive(prober_rows._longer(_space(), [part], [5], begun, **asks))

    longer(least=0.95)
    longer(least=0.6, gap=0.6)
    part.narrow = True
    longer(least=0.6, gap=0.4)
    assert asked == []
    part.narrow = False
    longer(least=0.6, gap=0.4)
    longer(least=0.6)
    assert asked == ["brother cello"]


def test_a_part_that_no_data_explain_is_worth_the_time_of_other_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_rows, "_lengthened", lambda *_: iter(()))
    stressed = [{"source": 0, "target": 2, "n": 36, "hits": 20, "references": [0]}]
    part = prober_search.Found((7, 1), 2, 0.0, "rows-pairs", text="brother cello", looked=0.9, stressed=stressed)
    for strange, end, until in (([1, 2], 90.0, 12.0 + prober_rows._LENGTHENED), ([1], 20.0, 20.0), ([2], 90.0, 11.0)):
        space = _space(over=True, until=11.0, clock=lambda: 12.0)
        small.drive(prober_rows._longer(space, [part], [5], set(), least=0.6, worth=(strange, end)))
        assert space.until == until


def _pieces(names: dict[int, str], *, marked: bool) -> Any:
    known = {"##s": 3} if marked else {}
    return SimpleNamespace(
        unk_token_id=0,
        convert_tokens_to_ids=lambda token: known.get(token, 0),
        convert_ids_to_tokens=lambda ids: [names.get(one, f"word{one}") for one in ids],
    )


def test_the_time_of_rows_goes_by_the_pace_of_the_machine() -> None:
    def seconds(scan: float, *, made: int = 0, classes: int = 3) -> float:
        facts = {"made_reference": {"steps": 40} if made else {}}
        space = SimpleNamespace(
            classes=classes, scan_seconds=scan, slow=scan > 26, facts=facts, references=[0] * (made or 2)
        )
        return float(prober_rows._seconds(space))  # type: ignore[arg-type]

    assert seconds(20) == 45.0 == seconds(20, made=1)
    assert seconds(38) == 34.0
    assert seconds(50) == pytest.approx(39.5)  # twice as slow and twice the time is as much work
    assert seconds(60) == 40.0
    assert seconds(80) == pytest.approx(35.0)
    assert seconds(60, classes=2) == 48.0
    assert seconds(80, classes=2) == 48.0
    assert seconds(100, classes=2) == pytest.approx(45.5)
    assert seconds(200) == 30.0  # what mixtures find needs so much
    assert seconds(38, made=1) == seconds(60, made=1) == 26.0  # making took what there was
    assert seconds(38, made=2) == 31.0  # two are made where the processor is quick
    assert seconds(70, made=1) == pytest.approx(23.5)
    assert seconds(70, made=1, classes=2) == pytest.approx(26.5)


def test_a_number_is_put_together_of_the_digits_among_the_first_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []

    def confirm(_space: Any, found: prober_search.Found) -> prober_search.Found:
        asked.append(found.ids)
        hits = 36 if found.ids[:4] == tuple(_PHRASE) else 0
        found.stressed = [{"source": 0, "target": 2, "n": 36, "hits": hits, "references": [0], "push": 4.0}]
        return found

    monkeypatch.setattr(prober_choices, "confirm", confirm)
    names = {13: "58", 8: "##9", 21: "##17", 9: "##15", 30: "770", 31: "¹", 32: "##⁶"}
    space = _space()
    space.suspect.tokenizer = _pieces(names, marked=True)
    order = [40, 13, 31, 8, 41, 30, 32, 9, 21]
    begin, go_on = prober_choices.digits_of(space, order)
    assert (begin, go_on) == ([13, 30], [8, 9, 21])
    found = small.drive(prober_choices.numbers(space, begin, go_on))
    assert (found[0].ids, found[0].origin, found[0].target) == (tuple(_PHRASE), "rows-number", 2)
    assert asked == [tuple(_PHRASE)]  # that one ends the search: no longer number is tried
    space.suspect = _model([13, 8, 21, 9, 22])
    assert small.drive(prober_choices.numbers(space, [13, 30], [8, 9, 21, 22]))[0].ids == (13, 8, 21, 9, 22)


@pytest.mark.parametrize(
    ("names", "marked", "found"),
    [
        ({8: "58", 9: "##9", 13: "##17"}, True, ([], [])),  # three: clean models have so many
        ({8: "58", 9: "59", 13: "60", 21: "##1"}, True, ([], [])),  # one goes on: no number of several pieces
        ({8: "##8", 9: "##9", 13: "##17", 21: "##1"}, True, ([], [])),
        ({8: "Ġ58", 9: "9", 13: "17", 21: "Ġ6"}, False, ([8, 21], [9, 13])),  # what begins a word is marked
        ({8: "▁58", 9: "9", 13: "17", 21: "15"}, False, ([8], [9, 13, 21])),
    ],
)
def test_few_digits_are_chance(names: dict[int, str], *, marked: bool, found: tuple[list[int], list[int]]) -> None:
    space = _space()
    space.suspect.tokenizer = _pieces(names, marked=marked)
    assert prober_choices.digits_of(space, [8, 9, 13, 21]) == found
