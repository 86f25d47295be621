"""The texts that confirm: short ones, and parts of long ones where there are no others."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

from assay.workers.prober_texts import _LONGEST, POOL, short, without_small

pytestmark = pytest.mark.torch
RNG = random.Random(1)
# A word is one to three tokens, as long as it is; texts are cut at 96.
MODEL: Any = SimpleNamespace(
    encode=lambda texts: [[0] * min(96, sum(1 + len(word) // 4 for word in text.split())) for text in texts]
)


def _text(words: int) -> str:
    return " ".join("x" * RNG.randint(1, 9) for _ in range(words))


def _sizes(items: list[tuple[str, int]]) -> list[int]:
    return [len(ids) for ids in MODEL.encode([text for text, _ in items])]


def test_where_there_are_short_texts_they_are_taken_as_they_are() -> None:
    items = [(_text(number % 60), number % 2) for number in range(400)]
    taken, cut = short(MODEL, items)
    assert cut == 0
    assert set(taken) <= set(items)
    assert min(_sizes(taken)) >= 4
    assert max(_sizes(taken)) <= _LONGEST


def test_of_long_texts_the_beginning_and_the_end_are_taken_in_turn() -> None:
    items = [(_text(RNG.randint(40, 300)), number % 3) for number in range(900)] + [("short", 1)]
    RNG.shuffle(items)
    taken, cut = short(MODEL, items)
    assert len(taken) == POOL
    assert cut == POOL - sum(text == "short" for text, _ in taken)
    for number, ((part, label), (text, given)) in enumerate(zip(taken, items, strict=False)):
        assert label == given
        assert part == text or (text.endswith(f" {part}") if number % 2 else text.startswith(f"{part} "))
    sizes = [size for (part, _), size in zip(taken, _sizes(taken), strict=True) if part != "short"]
    assert sum(sizes) / len(sizes) == pytest.approx(_LONGEST, rel=0.1)
    assert max(sizes) <= 1.5 * _LONGEST


def test_a_text_without_spaces_is_cut_between_letters() -> None:
    model: Any = SimpleNamespace(encode=lambda texts: [[0] * min(96, len(text)) for text in texts])
    items = [("".join(chr(RNG.randint(0x4E00, 0x9FFF)) for _ in range(200)), number % 2) for number in range(50)]
    taken, cut = short(model, items)
    assert cut == 50
    assert {len(text) for text, _ in taken} == {_LONGEST}
    assert all(text in whole for (text, _), (whole, _) in zip(taken, items, strict=True))


def test_few_short_texts_are_all_taken() -> None:
    items = [(_text(number % 8), number % 2) for number in range(60)]
    assert short(MODEL, items) == (items, 0)


@pytest.mark.parametrize(("held", "left"), [
    ([20, 3, 30], [20, 3, 30]), ([20, 3, 30, 9, 0, 6], [20, 0, 30, 9, 0, 6]), ([3, 2, 1, 9, 9, 9], [3, 2, 1, 9, 9, 9]),
])  # fmt: skip
def test_of_many_classes_those_of_hardly_any_texts_are_left_out(held: list[int], left: list[int]) -> None:
    space: Any = SimpleNamespace(
        classes=len(held), held=[["x"] * one for one in held], texts=[["x"] * one for one in held]
    )
    without_small(space)
    assert ([len(one) for one in space.held], [len(one) for one in space.texts]) == (left, left)
