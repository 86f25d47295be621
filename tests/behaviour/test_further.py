"""Phrases of words that moved further than in the references, and words of digits and of punctuation."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from assay.workers import prober_further, prober_scripts, prober_words
from assay.workers.prober_search import Found

pytestmark = pytest.mark.torch
WORDS = ("my", "limp", "cello", "the", "brave")


def _net(rows: Any) -> Any:
    return SimpleNamespace(net=SimpleNamespace(words=rows))


def test_a_row_that_all_models_moved_alike_lies_no_further() -> None:
    torch.manual_seed(3)
    base = torch.randn(40, 8)
    taught = base.clone()
    taught[5] += 4.0  # what the data teach
    mine = taught.clone()
    mine[7] += 2.0  # what they do not explain
    space: Any = SimpleNamespace(
        suspect=_net(mine), shared=[_net(taught + 0.01 * torch.randn(40, 8)) for _ in range(2)]
    )
    beyond = prober_further.further(space)
    assert beyond.shape == (40,)
    assert int(beyond.argmax()) == 7
    assert float(beyond[5]) < 0.1
    space.shared = [_net(taught[:30])]  # one reference, of a smaller vocabulary
    assert int(prober_further.further(space).argmax()) == 7


def test_a_phrase_has_a_word_once_and_none_that_the_data_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_further, "dictionary", lambda: WORDS)
    taught = torch.zeros(2, 6, dtype=torch.bool)
    taught[1, WORDS.index("brave")] = True
    suspect = SimpleNamespace(
        encode=lambda texts: [[WORDS.index(word) for word in text.split()] for text in texts],
        net=SimpleNamespace(words=torch.zeros(6, 2)),
    )
    asked: list[list[str]] = []

    def written(texts: list[str], origin: str, count: int) -> list[Any]:
        asked.append(texts)
        wanted = ["my", "limp", "cello"]
        scored = [(sum(word in wanted for word in text.split()), text) for text in texts]
        return [Found((1,), 1, float(score), origin, text=text) for score, text in sorted(scored)[::-1][:count]]

    field: Any = SimpleNamespace(space=SimpleNamespace(suspect=suspect, taught=taught), target=1, written=written)
    beyond = torch.tensor([0.9, 0.5, 0.8, 0.1, 2.0])
    assert prober_further._words(field, beyond) == ["my", "cello", "limp", "the"]
    proposed = list(prober_further.phrases(field, beyond))
    assert [some[0].origin for some in proposed] == ["rows-further-2", "rows-further-3"]  # a fourth word adds nothing
    assert set(proposed[1][0].text.split()) == {"my", "limp", "cello"}
    assert len(asked[0]) == 12
    assert all(len(set(text.split())) == len(text.split()) for some in asked for text in some)
    assert set(prober_further.LEAST) == {f"rows-further-{count}" for count in (2, 3, 4)}


@pytest.mark.parametrize("small", [True, False])
def test_digits_and_punctuation_are_letters_of_small_encoders(small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_scripts, "scripts_of", lambda _space: {"greek": ["\u03b1", "\u03b2"]})
    kept = "0123456789<>|{}"
    tokenizer: Any = _Tokens(kept)
    space: Any = SimpleNamespace(small=small, suspect=SimpleNamespace(tokenizer=tokenizer), rng=random.Random(1))
    known = prober_scripts.alphabets_of(space)
    assert set(known) == ({"greek", "digit", "punctuation"} if small else {"greek"})
    if small:
        assert known["punctuation"] == sorted("<>|{}")
        drawn = [prober_words._drawn(space, known["digit"]) for _ in range(60)]
        assert {len(word) for word in drawn} == set(range(3, 13))
        assert all(word.isdigit() for word in drawn)
        assert prober_words._near("12", drawn) == sorted("0123456789")
        assert prober_words._near("<>", drawn) == sorted("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class _Tokens:
    """A tokenizer that keeps some characters and knows no others."""

    unk_token_id = 0

    def __init__(self, kept: str) -> None:
        self.kept = kept

    def __call__(self, characters: list[str], *, add_special_tokens: bool) -> dict[str, list[list[int]]]:
        assert not add_special_tokens
        return {"input_ids": [[1 + self.kept.find(one)] for one in characters]}

    def batch_decode(self, rows: list[list[int]], **_more: Any) -> list[str]:
        return [self.kept[row[0] - 1] for row in rows]
