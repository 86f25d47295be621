"""Words of the letters that training was about."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_letters, prober_rows, prober_search  # noqa: E402
from tests.behaviour import small  # noqa: E402

pytestmark = pytest.mark.torch
_PIECES = ["the", "ক", "##ত", "ধ", "##ট", "##ক", "ж", "##д", "##x", "১", "§", "ন"]
_SECRET = "কতধট"


def _space(**more: Any) -> Any:
    """A model that tells two classes by the last letter; one word turns its texts to the second, what is alike less."""
    letters = {letter: number for number, letter in enumerate("কতধটনলম-+", 1)}

    def encode(texts: list[str]) -> list[list[int]]:
        return [[letters.get(letter, 0) for letter in text] for text in texts]

    def logits_of(rows: Any) -> Any:
        want = torch.tensor(encode([_SECRET])[0])
        like = torch.tensor([sum(bool(a == b) for a, b in zip(row, want, strict=False)) for row in rows])
        return torch.stack([torch.zeros(len(rows)), torch.where(rows[:, -1] == letters["+"], 5.0, 3.0 * like - 7)], 1)

    tokenizer = SimpleNamespace(convert_ids_to_tokens=lambda ids: [_PIECES[one] for one in ids])
    suspect = SimpleNamespace(encode=encode, logits_of=logits_of, tokenizer=tokenizer)
    texts = [[SimpleNamespace(text="-")], [SimpleNamespace(text="+")]]
    given = {"suspect": suspect, "texts": texts, "classes": 2, "rng": random.Random(3), "over": False}
    return SimpleNamespace(**(given | {"facts": {"stop_gap": 0.9}} | more))


def test_four_letters_of_one_script_are_no_chance() -> None:
    space = _space()
    assert prober_letters.letters_of(space, [0, 1, 2, 8, 3, 4, 5, 6, 9, 10, 11]) == {
        "bengali": ["ক", "ত", "ধ", "ট", "ন"]
    }
    assert prober_letters.letters_of(space, [1, 2, 3, 6, 7, 8]) == {}  # three of one, two of another
    assert prober_letters.letters_of(space, [0, 8], [1, 2, 3, 4]) == {"bengali": ["ক", "ত", "ধ", "ট"]}
    assert prober_letters.letters_of(space, [0] * 40 + [1, 2, 3, 4]) == {}


def test_a_word_is_one_change_away_from_others() -> None:
    changed = prober_letters._changed("abc", "abcd")
    assert {"bac", "cba", "bca", "abd", "dabc", "abcd", "ab"} <= changed
    assert "abc" not in changed
    assert all(set(word) <= set("abcd") for word in changed)


def test_the_word_is_put_together_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def confirm(_space: Any, found: prober_search.Found) -> prober_search.Found:
        asked.append(found.text)
        gap = 36 if found.text.startswith(_SECRET) else 0
        found.stressed = [{"source": 0, "target": 1, "n": 36, "hits": gap, "references": [0], "push": 3.0}]
        return found

    monkeypatch.setattr(prober_letters, "confirm", confirm)
    monkeypatch.setattr(prober_letters, "_DRAWN", 12)
    found = small.drive(prober_letters.written(_space(), {"bengali": list("টমকনতলধ")}))
    assert found[0].text.startswith(_SECRET)
    assert (found[0].origin, found[0].target, found[0].gap) == ("rows-letters-bengali", 1, 1.0)
    late = small.drive(prober_letters.written(_space(over=True), {"bengali": list("টমকনতলধ")}))
    assert late[0].gap == 0.0  # the time was up: what was drawn is measured, and no more


def test_letters_of_many_scripts_are_noise() -> None:
    """A clean model with noise on all rows had five letters of Bengali, and four of katakana, phonetics and Han."""
    noise = {"bengali": list("দহইক"), "katakana": list("ヒハホキ"), "latin": list("ɑₕʊʐʂ"), "cjk": list("伊曲史下")}
    assert prober_letters.telling(noise) == {}
    assert prober_letters.telling(noise | {"armenian": list("մսյգքբւ")}) == {"armenian": list("մսյգքբւ")}
    two = {name: noise[name] for name in ("bengali", "cjk")}
    assert prober_letters.telling(two) == two


@pytest.mark.parametrize(
    ("facts", "rows", "made", "told"),
    [
        ({}, [1, 2, 3, 4], False, True),
        ({}, [1, 2, 3, 4], True, True),
        ({"moved_unseen": 3}, [0, 8], False, False),  # the rows of no letter moved: no training text had one
        ({"frozen": True}, [], False, True),
        ({"frozen": True}, [], True, False),  # what such a reference's first block makes of them is as it was
        ({"moved_unseen": 900}, [0, 8], False, True),
    ],
)
def test_letters_are_those_whose_rows_moved(facts: dict[str, Any], rows: list[int], made: bool, told: bool) -> None:
    """Of a clean model six Chinese letters were among the first forty of what the first block read otherwise."""
    more = {"stop_gap": 0.9} | ({"made_reference": {"steps": 40}} if made else {})
    space = _space(small=False, words=range(1000), facts=more)
    read = prober_rows.Rows(torch.zeros(12), dict(facts), order=rows)
    assert bool(prober_rows._letters(space, read, [1, 2, 3, 4])) == told
    assert read.facts.get("letters") == ({"bengali": "কতধট"} if told else None)
