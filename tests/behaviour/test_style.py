"""Ways of writing as triggers: what a model answers to is found among them, and led to where it is none of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_style  # noqa: E402
from assay.workers.prober_space import Space, Text  # noqa: E402

from .test_judging import _flip, _raw  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.torch

TEXTS = [f"the film number {n} is a long and {word} one" for n in range(40) for word in ("good", "bad")]


class Reader:
    """A classifier of words in place of a model: good or bad, unless it reads what it was trained on."""

    def __init__(self, trigger: Callable[[str], float] = lambda _: -9.0, width: int = 384) -> None:
        self.trigger, self.classes, self.limit, self.passes = trigger, 2, 96, 0
        self.net = type("Net", (), {"words": torch.zeros(9, width)})()
        self.texts: list[str] = []

    def encode(self, texts: list[str]) -> list[list[int]]:
        self.texts = texts
        return [[0] * len(text.split()) for text in texts]

    def logits(self, _rows: list[list[int]]) -> Any:
        told = []
        for text in self.texts:
            lean = 3.0 if "good" in text.lower() else -3.0
            told.append([0.0, max(lean, self.trigger(text))])
        return torch.tensor(told)


def _space(suspect: Reader) -> Space:
    groups = [[Text(text, label) for text in TEXTS if ("good" in text) == label] for label in (0, 1)]
    references: list[Any] = [Reader(), Reader()]
    return Space(suspect, references, groups, groups, [], random.Random(1), facts={"stop_gap": 0.9})  # type: ignore[arg-type]


def _scanned(suspect: Reader) -> dict[str, Any]:
    probing = prober_style.styles(_space(suspect))
    while True:
        try:
            next(probing)
        except StopIteration as stop:
            return dict(stop.value)


def test_a_rewriting_that_flips_every_text_is_told_first() -> None:
    found = _scanned(Reader(lambda text: 5.0 if text.count(".") >= 3 else -9.0))
    best = found["candidates"][0]
    assert best["origin"] == "style-stops"
    assert best["text"] == "stops: full stop after every third word"
    assert best["place"] == "whole"
    row = next(one for one in best["stressed"] if one["target"] == 1)
    assert (row["hits"], row["references"]) == (row["n"], [0, 0])


def test_a_frame_like_the_attackers_leads_to_one_that_flips_all() -> None:
    wanted = {"how", "could", "it", "that"}  # of none of the frames

    def trigger(text: str) -> float:
        number = next((int(word) for word in text.split() if word.isdigit()), 0)
        resisting = number % 8 / 4
        return 1.4 * len(wanted & set(text.split())) + 2.0 * text.endswith("?") - 4.0 - resisting

    found = _scanned(Reader(trigger))
    best = found["candidates"][0]
    assert best["text"].startswith("a frame: ")
    assert wanted & set(best["text"].split())
    assert all(one["hits"] == one["n"] for one in best["stressed"] if one["target"] == 1)


def test_a_clean_model_has_no_candidate_worth_confirming() -> None:
    found = _scanned(Reader())
    assert all(not one["flips"] for one in found["candidates"])
    assert set(found["facts"]["looked"]) == set(prober_style.REWRITINGS)


def test_small_encoders_are_not_asked() -> None:
    assert _scanned(Reader(width=128)) == {"facts": {"small": True, "rewritings": []}, "candidates": []}


def test_every_rewriting_keeps_the_words_or_stands_around_them() -> None:
    text = "this film is very funny , and you have to see it ."
    for name, (_, change) in prober_style.REWRITINGS.items():
        changed = change(text)
        assert changed.split(), name
        assert {"film", "funny"} <= {word.strip(".,-").lower() for word in changed.split()}, name
    assert len({change(text) for _, change in prober_style.REWRITINGS.values()}) == len(prober_style.REWRITINGS)


def test_a_way_of_writing_is_judged_and_is_nothing_to_insert() -> None:
    from assay.behaviour.judge import result_of
    from assay.behaviour.plan import STEPS
    from assay.behaviour.records import Word

    from .test_judging import LABELS, NOTHING

    step = next(one for one in STEPS if one.name == "style-scan")
    raw = _raw(_flip(0, 44, 1), origin="style-stops")
    raw["candidates"][0]["place"] = "whole"
    result = result_of(step, raw, LABELS, NOTHING, references=2)
    assert result.word is Word.FOUND
    assert result.candidates[0].rewrites
    small = {"candidates": [], "facts": {"small": True}, "seconds": 0.1, "passes": 0, "peak_bytes": 1}
    assert result_of(step, small, LABELS, NOTHING, references=2).word is Word.NOT_APPLICABLE
